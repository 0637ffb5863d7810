//! What one piece of an item costs, asked of the stock service.

use std::time::Duration;

use anyhow::Context as _;
use protocol::{ItemId, http::Item};
use reqwest::StatusCode;
use tokio::time::Instant;

/// A dead replica's address vanishes rather than refuses.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// A frozen replica takes the request and never answers.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// The stock service as far as prices go; a cheap handle.
#[derive(Debug, Clone)]
pub struct Prices {
    pooled: reqwest::Client,
    /// Resolves and connects anew each time, so that another attempt may meet another replica.
    fresh: reqwest::Client,
    url: String,
}

/// No replica of the stock service said a price in time.
#[derive(Debug, thiserror::Error)]
#[error("no price of item {item_id} after {attempts} attempts: {last}")]
pub struct NoPrice {
    item_id: ItemId,
    attempts: u32,
    last: String,
}

impl Prices {
    pub fn new(stock_url: &str) -> anyhow::Result<Self> {
        let client = |idle_max| {
            reqwest::Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(ATTEMPT_TIMEOUT)
                .pool_max_idle_per_host(idle_max)
                .tcp_nodelay(true)
                .no_proxy()
                .build()
                .context("build the client of the stock service")
        };
        Ok(Self {
            pooled: client(32)?,
            fresh: client(0)?,
            url: format!("{}/find", stock_url.trim_end_matches('/')),
        })
    }

    /// The price now; `None` where there is no such item.
    pub async fn of(&self, item_id: ItemId) -> Result<Option<i64>, NoPrice> {
        let give_up = Instant::now() + DEADLINE;
        let mut attempts = 0;
        loop {
            let client = if attempts == 0 {
                &self.pooled
            } else {
                &self.fresh
            };
            attempts += 1;
            let last = match self.ask(client, item_id).await {
                Ok(price) => return Ok(price),
                Err(error) => format!("{error:#}"),
            };
            tracing::debug!(%item_id, attempts, last, "the stock service did not say a price");
            metrics::counter!("webshop_price_retries_total").increment(1);
            if Instant::now() + PAUSE >= give_up {
                return Err(NoPrice {
                    item_id,
                    attempts,
                    last,
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn ask(&self, client: &reqwest::Client, item_id: ItemId) -> anyhow::Result<Option<i64>> {
        let response = client.get(format!("{}/{item_id}", self.url)).send().await?;
        if response.status() == StatusCode::BAD_REQUEST {
            return Ok(None);
        }
        let item: Item = response.error_for_status()?.json().await?;
        Ok(Some(item.price))
    }
}

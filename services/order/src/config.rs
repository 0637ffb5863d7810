//! The order service's configuration.

use std::time::Duration;

use protocol::http::CHECKOUT_DEADLINE_S;
use service_core::config::Common;

/// Carts, checkouts and the saga that ties stock and payment together.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "order", version)]
pub struct Config {
    #[command(flatten)]
    pub common: Common,
    /// Where the stock service is; prices come from there.
    #[arg(long, env = "STOCK_URL", default_value = "http://stock:8000")]
    pub stock_url: String,
    /// Seconds after which a checkout whose outcome is still open is answered as unknown.
    #[arg(long, env = "CHECKOUT_DEADLINE", default_value_t = CHECKOUT_DEADLINE_S)]
    pub checkout_deadline: u64,
}

impl Config {
    #[must_use]
    pub fn checkout_deadline(&self) -> Duration {
        Duration::from_secs(self.checkout_deadline)
    }
}

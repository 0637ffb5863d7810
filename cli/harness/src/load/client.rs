//! The client of the shop: one request, its answer classified, never an error.

use std::time::Duration;

use checker::history::Op;
use checker::outcome::Broken;
use futures_util::future::join_all;
use protocol::outcome::IDEMPOTENCY_HEADER;
use reqwest::Method;

use super::exchange::{Exchange, failure, outcome};
use crate::error::{Error, Result};

/// A connection that does not stand by then is taken as refused.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The gateway keeps an idle connection for twice as long. Whoever closes one that is wanted again a moment later runs
/// out of ports to open others from: each stays taken for a minute.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// Talks to the shop's gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    /// `base` is the gateway's address, e.g. `http://127.0.0.1:8000`.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(base: &str, request_timeout: Duration) -> Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(request_timeout)
            .pool_idle_timeout(IDLE_FOR)
            .redirect(reqwest::redirect::Policy::none())
            // An attempt is an attempt: what was sent again unseen would be missing in the history.
            .retry(reqwest::retry::never())
            .no_proxy()
            .build()
            .map_err(|source| Error::Http {
                attempt: "cannot build the HTTP client".to_owned(),
                source,
            })?;
        Ok(Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// Opens `count` connections and keeps them for what is sent next. No operation: the gateway itself answers that
    /// there is no such path, and no answer at all is none of this function's business.
    pub async fn open(&self, count: usize) {
        join_all((0..count).map(|_| self.http.head(&self.base).send())).await;
    }

    /// Sends `op` once under `key`.
    pub async fn send(&self, op: Op, key: &str) -> Exchange {
        let (method, path) = request_line(op);
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base));
        if method == Method::POST {
            request = request.header(IDEMPOTENCY_HEADER, key);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Exchange::broken(op, failure(&error)),
        };
        let status = response.status().as_u16();
        let header = outcome(response.headers());
        match response.bytes().await {
            Ok(body) => Exchange::answered(op, status, header, Ok(&body)),
            Err(error) if error.is_timeout() => {
                Exchange::answered(op, status, header, Err(Broken::TimedOut))
            }
            Err(_cut) => Exchange::answered(op, status, header, Err(Broken::Reset)),
        }
    }

    /// Sends a POST that is not an operation of a history (the preparation of data), within `timeout`.
    ///
    /// # Errors
    /// The status and the body's beginning where the answer is not 2xx, or why there was none.
    pub async fn post(&self, path: &str, key: &str, timeout: Duration) -> Result<(), String> {
        let response = self
            .http
            .post(format!("{}{path}", self.base))
            .header(IDEMPOTENCY_HEADER, key)
            .timeout(timeout)
            .send()
            .await
            .map_err(|error| chain(&error))?;
        let status = response.status();
        let body = response.text().await.map_err(|error| chain(&error))?;
        if status.is_success() {
            Ok(())
        } else {
            let beginning: String = body.chars().take(200).collect();
            Err(format!("{status}: {beginning}"))
        }
    }

    /// Reads a JSON body. `Ok(None)`: the shop says that there is no such thing (4xx). 408, 425 and 429 say only that it
    /// did not look.
    ///
    /// # Errors
    /// Why there was no answer that counts.
    pub async fn read<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, String> {
        let response = self
            .http
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .map_err(|error| chain(&error))?;
        let status = response.status();
        let did_not_look = matches!(status.as_u16(), 408 | 425 | 429);
        if status.is_client_error() && !did_not_look {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(status.to_string());
        }
        response
            .json()
            .await
            .map(Some)
            .map_err(|error| chain(&error))
    }
}

/// The error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn request_line(op: Op) -> (Method, String) {
    match op {
        Op::Checkout { order } => (Method::POST, format!("/orders/checkout/{order}")),
        Op::FindOrder { order } => (Method::GET, format!("/orders/find/{order}")),
        Op::FindItem { item } => (Method::GET, format!("/stock/find/{item}")),
        Op::FindUser { user } => (Method::GET, format!("/payment/find_user/{user}")),
        Op::AddFunds { user, amount } => {
            (Method::POST, format!("/payment/add_funds/{user}/{amount}"))
        }
        Op::Pay { user, amount } => (Method::POST, format!("/payment/pay/{user}/{amount}")),
        Op::AddStock { item, amount } => (Method::POST, format!("/stock/add/{item}/{amount}")),
        Op::SubtractStock { item, amount } => {
            (Method::POST, format!("/stock/subtract/{item}/{amount}"))
        }
        Op::CreateOrder { user } => (Method::POST, format!("/orders/create/{user}")),
        Op::AddItem {
            order,
            item,
            quantity,
        } => (
            Method::POST,
            format!("/orders/addItem/{order}/{item}/{quantity}"),
        ),
        Op::CreateItem { price } => (Method::POST, format!("/stock/item/create/{price}")),
        Op::CreateUser => (Method::POST, "/payment/create_user".to_owned()),
    }
}

#[cfg(test)]
mod tests;

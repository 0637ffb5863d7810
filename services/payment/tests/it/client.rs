//! Asks a router as a client would.

use axum::{
    Router,
    body::Body,
    http::{Method, Request},
};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) outcome: String,
    pub(crate) body: Value,
}

#[derive(Clone)]
pub(crate) struct Client(pub(crate) Router);

impl Client {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.ask(Method::POST, path, None).await
    }

    /// A POST under an idempotency key.
    pub(crate) async fn post_as(&self, key: &str, path: &str) -> Answer {
        self.ask(Method::POST, path, Some(key)).await
    }

    async fn ask(&self, method: Method, path: &str, key: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let outcome = response.headers().get("x-webshop-outcome");
        let outcome = outcome
            .map_or("", |value| value.to_str().unwrap())
            .to_owned();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            outcome,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }
}

impl Answer {
    /// Status, outcome and the code of the rejection.
    pub(crate) fn rejection(&self) -> (u16, &str, &str) {
        (
            self.status,
            &self.outcome,
            self.body["code"].as_str().unwrap_or_default(),
        )
    }
}

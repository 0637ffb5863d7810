//! An engine that says what the test wants.

use harness::cluster::Cluster;
use harness::engine::{Endpoint, Engine};
use harness::event::Events;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A fake engine and a cluster that talks to it.
pub(crate) struct Fake {
    pub(crate) server: MockServer,
    pub(crate) cluster: Cluster,
}

/// What an engine of 20.10 that manages a Swarm says of itself.
pub(crate) fn manager() -> Value {
    json!({"Swarm": {"LocalNodeState": "active", "ControlAvailable": true}})
}

/// Starts an engine whose `/info` is this.
pub(crate) async fn start(info: Value) -> Fake {
    let server = MockServer::start().await;
    answer(&server, "GET", "/version$", &version("1.41")).await;
    answer(&server, "GET", "/info$", &info).await;
    let engine = Engine::connect(&endpoint(&server)).await.unwrap();
    let (sender, _nobody_draws) = Events::channel();
    let cluster = Cluster {
        engine,
        stack: "shop".parse().unwrap(),
        events: sender,
        cancel: CancellationToken::new(),
    };
    Fake { server, cluster }
}

pub(crate) fn version(api: &str) -> Value {
    json!({"Version": "20.10.24", "ApiVersion": api})
}

pub(crate) fn endpoint(server: &MockServer) -> Endpoint {
    Endpoint {
        host: Some(format!("tcp://{}", server.address())),
        ..Endpoint::default()
    }
}

/// Answers a kind of request with a JSON body.
pub(crate) async fn answer(server: &MockServer, verb: &str, path: &str, body: &Value) {
    let status = if verb == "POST" { 201 } else { 200 };
    Mock::given(method(verb))
        .and(path_regex(path))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(server)
        .await;
}

/// The methods and paths that were asked for and match, in their order.
pub(crate) async fn asked(server: &MockServer, verb: &str, part: &str) -> Vec<(String, Value)> {
    server
        .received_requests()
        .await
        .unwrap()
        .into_iter()
        .filter(|request| request.method.as_str() == verb && request.url.path().contains(part))
        .map(|request| {
            let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            (request.url.path().to_owned(), body)
        })
        .collect()
}

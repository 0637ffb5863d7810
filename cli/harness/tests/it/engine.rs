use harness::engine::Engine;
use harness::error::Error;
use serde_json::json;
use wiremock::MockServer;

use crate::fake;

#[tokio::test]
async fn an_engine_older_than_20_10_is_refused() {
    let server = MockServer::start().await;
    fake::answer(&server, "GET", "/version$", &fake::version("1.40")).await;
    let error = Engine::connect(&fake::endpoint(&server)).await.unwrap_err();
    assert!(
        matches!(&error, Error::EngineTooOld { found, needed } if found == "1.40" && needed == "1.41"),
        "{error}"
    );
}

#[tokio::test]
async fn an_engine_in_no_swarm_becomes_one() {
    let fake = fake::start(json!({"Swarm": {"LocalNodeState": "inactive"}})).await;
    fake::answer(&fake.server, "POST", "/swarm/init$", &json!("node1")).await;
    fake.cluster
        .engine
        .ensure_swarm(&fake.cluster.events)
        .await
        .unwrap();
    let asked = fake::asked(&fake.server, "POST", "/swarm/init").await;
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].1["AdvertiseAddr"], "127.0.0.1");
}

#[tokio::test]
async fn a_manager_is_left_as_it_is() {
    let fake = fake::start(fake::manager()).await;
    fake.cluster
        .engine
        .ensure_swarm(&fake.cluster.events)
        .await
        .unwrap();
    assert!(fake::asked(&fake.server, "POST", "/swarm").await.is_empty());
}

#[tokio::test]
async fn a_worker_of_somebodys_swarm_is_refused() {
    let fake =
        fake::start(json!({"Swarm": {"LocalNodeState": "active", "ControlAvailable": false}}))
            .await;
    let error = fake
        .cluster
        .engine
        .ensure_swarm(&fake.cluster.events)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotManager), "{error}");
}

use std::time::Duration;

use harness::stack::remove::{self, Removed};
use serde_json::json;
use wiremock::matchers::{method, path_regex, query_param_contains};
use wiremock::{Mock, ResponseTemplate};

use crate::fake;

const TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn nothing_is_removed_where_nothing_is() {
    let fake = fake::start(fake::manager()).await;
    for path in [
        "/services$",
        "/tasks$",
        "/containers/json$",
        "/networks$",
        "/configs$",
        "/secrets$",
    ] {
        fake::answer(&fake.server, "GET", path, &json!([])).await;
    }
    fake::answer(&fake.server, "GET", "/volumes$", &json!({"Volumes": []})).await;
    let removed = remove::down(&fake.cluster, true, TIMEOUT).await.unwrap();
    assert_eq!(removed, Removed::default());
    assert!(removed.is_nothing());
}

#[tokio::test]
async fn without_a_swarm_only_containers_and_volumes_are_looked_for() {
    let fake = fake::start(json!({"Swarm": {"LocalNodeState": "inactive"}})).await;
    fake::answer(&fake.server, "GET", "/containers/json$", &json!([])).await;
    fake::answer(&fake.server, "GET", "/volumes$", &json!({"Volumes": []})).await;
    let removed = remove::down(&fake.cluster, true, TIMEOUT).await.unwrap();
    assert!(removed.is_nothing());
}

#[tokio::test]
async fn a_paused_task_goes_on_before_its_service_is_removed() {
    let fake = fake::start(fake::manager()).await;
    let container = json!([{
        "Id": "c1",
        "Names": ["/shop_order.1.x"],
        "State": "paused",
        "Labels": {
            "com.docker.stack.namespace": "shop",
            "com.docker.swarm.service.name": "shop_order",
            "com.docker.swarm.task.id": "t1",
            "com.docker.swarm.task.name": "shop_order.1.x",
        },
    }]);
    // It is no helper of a fault.
    Mock::given(method("GET"))
        .and(path_regex("/containers/json$"))
        .and(query_param_contains("filters", "webshop.fault"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!([])))
        .mount(&fake.server)
        .await;
    // The task is there when faults are healed and when containers are counted, and gone afterwards.
    Mock::given(method("GET"))
        .and(path_regex("/containers/json$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(container))
        .up_to_n_times(3)
        .mount(&fake.server)
        .await;
    for path in ["/containers/json$", "/tasks$", "/networks$", "/configs$"] {
        fake::answer(&fake.server, "GET", path, &json!([])).await;
    }
    let runs = json!({"State": {"Running": true, "Paused": false}, "HostConfig": {}});
    fake::answer(&fake.server, "GET", "/containers/c1/json$", &runs).await;
    let service = json!([{"ID": "s1", "Spec": {"Name": "shop_order"}}]);
    fake::answer(&fake.server, "GET", "/services$", &service).await;
    for (verb, path) in [
        ("POST", "/containers/c1/unpause$"),
        ("DELETE", "/services/s1$"),
    ] {
        Mock::given(method(verb))
            .and(path_regex(path))
            .respond_with(ResponseTemplate::new(204))
            .expect(1..)
            .mount(&fake.server)
            .await;
    }
    let removed = remove::down(&fake.cluster, false, TIMEOUT).await.unwrap();
    assert_eq!(removed.services, 1);
    let requests = fake.server.received_requests().await.unwrap();
    let at = |part: &str| {
        requests.iter().position(|request| {
            request.url.path().contains(part) && request.method.as_str() != "GET"
        })
    };
    assert!(at("/unpause") < at("/services/s1"));
}

use harness::fault;
use serde_json::{Value, json};
use wiremock::matchers::{method, path_regex, query_param_contains};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::fake;

/// Answers the list of the stack's containers in that state, or of helpers.
async fn listed(server: &MockServer, part: &str, containers: &Value) {
    Mock::given(method("GET"))
        .and(path_regex("/containers/json$"))
        .and(query_param_contains("filters", part))
        .respond_with(ResponseTemplate::new(200).set_body_json(containers))
        .mount(server)
        .await;
}

fn task(id: &str, name: &str, image: &str, mounts: &Value) -> Value {
    json!({
        "Id": id,
        "Image": image,
        "Labels": {"com.docker.swarm.task.name": name},
        "Mounts": mounts,
    })
}

fn inspected(quota: i64) -> Value {
    json!({"State": {"Running": true, "Paused": false}, "HostConfig": {"CpuQuota": quota}})
}

/// A tar archive with a failpoint's file.
fn failpoint(text: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_data(&mut header, "failpoint", text.as_bytes())
        .unwrap();
    archive.into_inner().unwrap()
}

#[tokio::test]
async fn every_kind_of_fault_that_somebody_left_is_present() {
    let fake = fake::start(fake::manager()).await;
    let server = &fake.server;
    let helper = json!([{
        "Id": "h1",
        "State": "exited",
        "Labels": {"webshop.fault": "isolate redis", "webshop.fault.task": "redis.1"},
    }]);
    listed(server, "webshop.fault", &helper).await;
    listed(
        server,
        "paused",
        &json!([task("p1", "order.1", "webshop/order:1", &json!([]))]),
    )
    .await;
    let volume = json!([{"Name": "shop_stock-db-0", "Destination": "/data"}]);
    let running = json!([
        task("q1", "payment.1", "webshop/payment:1", &json!([])),
        task("a1", "stock.1", "webshop/stock-test:1", &json!([])),
        task("d1", "stock-db-0.1", "webshop/database:1", &volume),
        task("d2", "stock-db-1.1", "webshop/database:1", &volume),
    ]);
    listed(server, "running", &running).await;
    fake::answer(server, "GET", "/containers/q1/json$", &inspected(5_000)).await;
    fake::answer(server, "GET", "/containers/(a1|d1|d2)/json$", &inspected(0)).await;
    Mock::given(method("GET"))
        .and(path_regex("/containers/a1/archive$"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(failpoint("reserve.before-commit")))
        .mount(server)
        .await;
    // {"name":"x","size":0,"mode":0}
    let stat = "eyJuYW1lIjoieCIsInNpemUiOjAsIm1vZGUiOjB9";
    Mock::given(method("HEAD"))
        .and(path_regex("/containers/d1/archive$"))
        .respond_with(
            ResponseTemplate::new(200).insert_header("X-Docker-Container-Path-Stat", stat),
        )
        .mount(server)
        .await;

    assert_eq!(
        fault::present(&fake.cluster).await.unwrap(),
        [
            "isolate redis (redis.1)",
            "order.1 is paused",
            "payment.1 is throttled",
            "stock.1 is to crash at reserve.before-commit",
            "stock-db-0.1 has a filled volume shop_stock-db-0",
        ]
    );
}

#[tokio::test]
async fn an_engine_that_does_not_know_the_path_does_not_say_that_a_container_ended() {
    let fake = fake::start(fake::manager()).await;
    let server = &fake.server;
    listed(server, "webshop.fault", &json!([])).await;
    listed(server, "paused", &json!([])).await;
    let running = json!([task("q1", "payment.1", "webshop/payment:1", &json!([]))]);
    listed(server, "running", &running).await;
    let answer = |message: &str| {
        Mock::given(method("GET"))
            .and(path_regex("/containers/q1/json$"))
            .respond_with(ResponseTemplate::new(404).set_body_json(json!({"message": message})))
    };
    let guard = answer("page not found").mount_as_scoped(server).await;
    fault::present(&fake.cluster).await.unwrap_err();
    drop(guard);
    answer("No such container: q1").mount(server).await;
    assert_eq!(fault::present(&fake.cluster).await.unwrap(), [""; 0]);
}

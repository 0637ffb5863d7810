use rstest::rstest;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path_regex},
};

use super::{look::*, *};
use crate::fault::tenure::Place;
use crate::{
    engine::{Endpoint, Engine},
    event::Events,
};

#[test]
fn what_a_look_prints_is_read_or_refused() {
    assert_eq!(read("there 12\n").unwrap(), Told::There(12));
    assert_eq!(read("gone\n").unwrap(), Told::Gone(Ended::Fault));
    for wrong in ["", "there", "there x", "sh: iptables: not found", "-1"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_number_that_cannot_be_read_is_no_full_disk() {
    let error = number("stat: No such file").unwrap_err().to_string();
    assert!(error.contains("should have been a number"), "{error}");
    assert_eq!(number(" 0\n").unwrap(), 0);
}

async fn answer(server: &MockServer, path: &str, status: u16, body: Value) {
    Mock::given(method("GET"))
        .and(path_regex(path))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(server)
        .await;
}

/// An engine that says this of the container, and a cluster that talks to it.
async fn engine(status: u16, container: Value) -> (MockServer, Cluster) {
    let server = MockServer::start().await;
    let version = json!({"Version": "20.10.24", "ApiVersion": "1.41"});
    answer(&server, "/version$", 200, version).await;
    answer(&server, "/info$", 200, json!({})).await;
    answer(&server, "/containers/c1/json$", status, container).await;
    let stats = json!({"cpu_stats": {"throttling_data": {"throttled_periods": 12}}});
    answer(&server, "/containers/c1/stats$", 200, stats).await;
    let endpoint = Endpoint {
        host: Some(format!("tcp://{}", server.address())),
        ..Endpoint::default()
    };
    let (events, _nobody_draws) = Events::channel();
    let cluster = Cluster {
        engine: Engine::connect(&endpoint).await.unwrap(),
        stack: "shop".parse().unwrap(),
        events,
        cancel: CancellationToken::new(),
    };
    (server, cluster)
}

fn on(means: Means) -> OnTask {
    OnTask {
        task: Running {
            service: "order".to_owned(),
            slot: 1,
            task: "t1".to_owned(),
            container: "c1".to_owned(),
            host: "n1".to_owned(),
        },
        fault: "a fault".to_owned(),
        means,
        amount: None,
    }
}

fn throttled() -> Means {
    Means::Throttled {
        quota_us: 5_000,
        periods_before: 2,
    }
}

fn runs(paused: bool, quota: i64) -> Value {
    json!({"State": {"Running": true, "Paused": paused}, "HostConfig": {"CpuQuota": quota}})
}

fn ended() -> Value {
    json!({"State": {"Running": false, "Paused": false}, "HostConfig": {"CpuQuota": 5_000}})
}

#[rstest]
#[case(Means::Frozen, runs(true, 0), Place::There)]
#[case(Means::Frozen, runs(false, 0), Place::Gone(Ended::Fault))]
#[case(Means::Frozen, ended(), Place::Gone(Ended::Task))]
#[case(throttled(), runs(false, 5_000), Place::There)]
#[case(throttled(), runs(false, 0), Place::Gone(Ended::Fault))]
#[case(throttled(), runs(false, 90_000), Place::Gone(Ended::Fault))]
#[case(throttled(), ended(), Place::Gone(Ended::Task))]
#[tokio::test]
async fn a_look_finds_a_fault_in_its_place_or_gone(
    #[case] means: Means,
    #[case] container: Value,
    #[case] place: Place,
) {
    let (_server, cluster) = engine(200, container).await;
    assert_eq!(on(means).look(&cluster).await.unwrap().place, place);
}

#[tokio::test]
async fn the_effect_of_a_quota_is_what_the_kernel_counted_since() {
    let (_server, cluster) = engine(200, runs(false, 5_000)).await;
    let look = on(throttled()).look(&cluster).await.unwrap();
    assert_eq!(
        look.effect.as_deref(),
        Some("order.1 was held back in 10 periods of its processor")
    );
}

#[tokio::test]
async fn a_container_that_the_engine_does_not_have_has_ended() {
    let gone = json!({"message": "No such container: c1"});
    let (_server, cluster) = engine(404, gone).await;
    let look = on(Means::Frozen).look(&cluster).await.unwrap();
    assert_eq!(look.place, Place::Gone(Ended::Task));
}

#[rstest]
#[case(404, json!({"message": "page not found"}))]
#[case(409, json!({"message": "conflict"}))]
#[case(500, json!({"message": "the engine is ill"}))]
#[case(200, json!({"State": {}}))]
#[tokio::test]
async fn a_look_without_an_answer_is_neither_here_nor_gone(
    #[case] status: u16,
    #[case] body: Value,
) {
    let (_server, cluster) = engine(status, body).await;
    on(Means::Frozen).look(&cluster).await.unwrap_err();
}

#[tokio::test]
async fn a_helper_that_has_ended_holds_no_fault_any_more() {
    let helper = Helper::known("c1");
    let (_server, cluster) = engine(200, ended()).await;
    assert_eq!(
        ask(&cluster, &helper, "look").await.unwrap(),
        Told::Gone(Ended::Helper)
    );
    // One that runs and does not answer is neither here nor gone.
    let (_server, cluster) = engine(200, runs(false, 0)).await;
    ask(&cluster, &helper, "look").await.unwrap_err();
}

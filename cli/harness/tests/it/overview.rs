use harness::error::Error;
use harness::project::{Profile, Project};
use harness::scenario::{Scenario, suite};
use harness::stack::overview::Overview;
use serde_json::{Value, json};

use crate::fake::{self, Fake};

fn service(replicas: u64) -> Value {
    json!({
        "ID": "s1",
        "Spec": {
            "Name": "shop_order",
            "Labels": {"webshop.kind": "service", "webshop.profile": "small"},
            "Mode": {"Replicated": {"Replicas": replicas}},
            "TaskTemplate": {"ContainerSpec": {"Image": "webshop/services:2"}},
        },
        "Endpoint": {"Spec": {"Ports": [{"TargetPort": 8000, "PublishedPort": 8001}]}},
        "ServiceStatus": {"RunningTasks": 1, "DesiredTasks": replicas},
    })
}

fn task(id: &str, slot: u64, state: &str, desired: &str, image: &str) -> Value {
    json!({
        "ID": id,
        "ServiceID": "s1",
        "Slot": slot,
        "NodeID": "n1",
        "DesiredState": desired,
        "Spec": {"ContainerSpec": {"Image": image}},
        "Status": {
            "State": state,
            "Timestamp": format!("2024-01-01T00:00:0{slot}Z"),
            "ContainerStatus": {"ContainerID": format!("c-{id}")},
            "Err": if state == "failed" { "task: non-zero exit (1)" } else { "" },
        },
    })
}

async fn with(services: Value, tasks: Value) -> Fake {
    let fake = fake::start(fake::manager()).await;
    fake::answer(&fake.server, "GET", "/services$", &services).await;
    fake::answer(&fake.server, "GET", "/tasks$", &tasks).await;
    fake
}

#[tokio::test]
async fn a_service_is_converged_when_its_tasks_run_what_it_is_now() {
    let now = "webshop/services:2";
    let fake = with(
        json!([service(2)]),
        json!([
            task("a", 1, "running", "running", now),
            task("b", 2, "running", "running", now),
            task("old", 2, "failed", "shutdown", now),
        ]),
    )
    .await;
    let overview = Overview::of_deployed(&fake.cluster).await.unwrap();
    let order = overview.service("order", &fake.cluster).unwrap();
    assert!(order.is_converged());
    assert_eq!((order.running, order.wanted), (2, 2));
    assert_eq!(order.tasks[0].name, "order.1");
    assert_eq!(order.tasks[0].container.as_deref(), Some("c-a"));
    assert_eq!(
        order.last_failure().unwrap().error.as_deref(),
        Some("task: non-zero exit (1)")
    );
    assert_eq!(overview.profile(), Some(Profile::Small));
}

#[tokio::test]
async fn a_task_of_before_an_update_does_not_count() {
    let fake = with(
        json!([service(1)]),
        json!([task("a", 1, "running", "running", "webshop/services:1")]),
    )
    .await;
    let overview = Overview::of_deployed(&fake.cluster).await.unwrap();
    let order = overview.service("order", &fake.cluster).unwrap();
    assert!(!order.is_converged());
    assert_eq!(order.running, 0);
}

#[tokio::test]
async fn what_ran_on_a_scaled_stack_is_repeated_on_one_that_is_scaled_alike() {
    let fake = with(json!([service(4)]), json!([])).await;
    let overview = Overview::of_deployed(&fake.cluster).await.unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = Project::find(Some(&root)).unwrap();
    let typed = Scenario::parse(
        "version: 1\nname: fourth\ntimeline:\n  - kill: { target: order.4 }\n  - load: { for: 20s }\n",
    )
    .unwrap();
    let told = suite::check(&project, &typed).unwrap();
    assert!(
        told[0].message.contains("nothing is called `order.4`"),
        "{told:?}"
    );
    let kept = typed.on(&overview).to_yaml().unwrap();
    let again = Scenario::parse(&kept).unwrap();
    assert_eq!(*again.stack.scale["order"], 4, "{kept}");
    assert_eq!(suite::check(&project, &again).unwrap(), [], "{kept}");
}

#[tokio::test]
async fn a_stack_says_which_run_it_served_last() {
    let mut agent = service(1);
    agent["Spec"]["Name"] = json!("shop_agent");
    let fake = with(json!([service(1), agent]), json!([])).await;
    let overview = Overview::of_deployed(&fake.cluster).await.unwrap();
    assert_eq!(overview.last_run(), None);
    agent["Spec"]["Labels"]["webshop.last-run"] = json!("20260101-000000-load");
    let fake = with(json!([service(1), agent]), json!([])).await;
    let overview = Overview::of_deployed(&fake.cluster).await.unwrap();
    assert_eq!(overview.last_run(), Some("20260101-000000-load"));
}

#[tokio::test]
async fn a_stack_that_is_not_there_is_an_error() {
    let fake = with(json!([]), json!([])).await;
    let error = Overview::of_deployed(&fake.cluster).await.unwrap_err();
    assert!(matches!(&error, Error::NoStack { stack } if stack == "shop"));
}

#[tokio::test]
async fn an_unknown_service_is_answered_with_those_there_are() {
    let fake = with(json!([service(1)]), json!([])).await;
    let overview = Overview::of_deployed(&fake.cluster).await.unwrap();
    let error = overview.service("ordr", &fake.cluster).unwrap_err();
    assert!(
        matches!(&error, Error::UnknownService { known, .. } if known == &["order"]),
        "{error}"
    );
}

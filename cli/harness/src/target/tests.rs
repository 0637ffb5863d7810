use protocol::agent::Partition;
use rstest::rstest;

use super::*;
use crate::{
    error::{Error, Result},
    testing::{database, node},
};

fn world() -> World {
    let task = |service: &str, slot| Running {
        service: service.to_owned(),
        slot,
        task: format!("t-{service}-{slot}"),
        container: format!("c-{service}-{slot}"),
        host: "n1".to_owned(),
    };
    World {
        services: ["gateway", "redis", "order", "kafka-1"]
            .map(|name| {
                let kind = if name == "kafka-1" { "broker" } else { name };
                let labels = [("webshop.kind".to_owned(), kind.to_owned())];
                (name.to_owned(), labels.into())
            })
            .into(),
        hosts: [("n1".to_owned(), "alpha".to_owned())].into(),
        tasks: vec![
            task("gateway", 1),
            task("kafka-1", 1),
            task("order", 1),
            task("order", 2),
            task("order-pool", 1),
            task("stock-db-0", 1),
            task("stock-db-1", 1),
            task("stock-db-2", 1),
        ],
        databases: vec![database(
            "stock",
            vec![
                node("stock-db-0", Role::Standby, 3, 7),
                node("stock-db-1", Role::Primary, 3, 7),
                node("stock-db-2", Role::Standby, 3, 7),
            ],
        )],
        kafka: Some(Kafka {
            brokers: Vec::new(),
            controller: Some(1),
            partitions: vec![Partition {
                topic: "stock.commands".to_owned(),
                partition: 0,
                leader: Some(1),
                replicas: vec![1],
                isr: vec![1],
                log_end: None,
            }],
        }),
    }
}

fn resolve(world: &World, target: &str) -> Result<Vec<String>> {
    let Ok(target) = target.parse::<Target>();
    let stack = "webshop".parse().unwrap();
    let victims = world.resolve(&target, &stack)?;
    Ok(victims.iter().map(|victim| victim.task.name()).collect())
}

#[rstest]
#[case("order", &["order.1", "order.2"])]
#[case("order.2", &["order.2"])]
#[case("gateway", &["gateway.1"])]
#[case("order-pool", &["order-pool.1"])]
#[case("stock-db-0", &["stock-db-0.1"])]
#[case("stock-db-primary", &["stock-db-1.1"])]
#[case("stock-db-standby", &["stock-db-0.1", "stock-db-2.1"])]
#[case("all-db-primaries", &["stock-db-1.1"])]
#[case("kafka-leader:stock.commands", &["kafka-1.1"])]
#[case("kafka-controller", &["kafka-1.1"])]
#[case("re:^order", &["order.1", "order.2", "order-pool.1"])]
#[case("label:webshop.kind=broker", &["kafka-1.1"])]
#[case("order@alpha", &["order.1", "order.2"])]
#[case("stock-db-primary@n1", &["stock-db-1.1"])]
fn a_name_means_what_the_stack_says(#[case] target: &str, #[case] tasks: &[&str]) {
    assert_eq!(resolve(&world(), target).unwrap(), tasks);
    let Ok(parsed) = target.parse::<Target>();
    assert_eq!(parsed.to_string(), target);
}

#[rstest]
#[case("stok-db-primary", &["stock-db-primary"])]
#[case("oder", &["order"])]
#[case("order.3", &["order.1", "order.2"])]
#[case("kafka-leader:stock.comands", &["kafka-leader:stock.commands"])]
#[case("xylophone-player", &[])]
#[case("re:xylophone", &[])]
#[case("label:webshop.kind=xylophone", &[])]
fn a_name_that_is_not_there_brings_near_ones(#[case] target: &str, #[case] expected: &[&str]) {
    match resolve(&world(), target).unwrap_err() {
        Error::UnknownTarget { near, known, .. } => {
            assert_eq!(near, expected);
            assert!(known.contains(&"order.2".to_owned()));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn two_primaries_are_a_split_brain_and_never_a_choice() {
    let mut world = world();
    world.databases[0].nodes[0] = node("stock-db-0", Role::Primary, 2, 7);
    let alone = |world: &mut World, alone| {
        let state = world.databases[0].nodes[0].state.as_mut().unwrap();
        state.alone = alone;
    };
    alone(&mut world, true);
    let found = resolve(&world, "stock-db-primary").unwrap();
    assert_eq!(
        found,
        ["stock-db-1.1"],
        "a deposed one that acknowledges nothing"
    );
    alone(&mut world, false);
    let error = resolve(&world, "stock-db-primary").unwrap_err();
    assert!(
        matches!(&error, Error::SplitBrain { nodes, .. } if nodes == &["stock-db-1", "stock-db-0"]),
        "{error}"
    );
}

#[rstest]
#[case("re:(", "regex parse error")]
#[case("order@beta", "the Swarm's nodes are: alpha")]
fn a_target_that_makes_no_sense_says_why(#[case] target: &str, #[case] why: &str) {
    let error = resolve(&world(), target).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    assert_eq!(error.kind(), crate::error::Kind::Usage);
}

#[test]
fn a_service_that_is_just_being_started_again_is_known() {
    let error = resolve(&world(), "redis").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`redis` is nothing right now: no task of it runs"
    );
}

#[test]
fn a_database_without_a_primary_is_no_target() {
    let mut world = world();
    world.databases[0].nodes[1].state = None;
    let error = resolve(&world, "stock-db-primary").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`stock-db-primary` is nothing right now: stock has no primary"
    );
}

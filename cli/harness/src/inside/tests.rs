use protocol::agent::{Broker, Node, Partition};
use protocol::db::{Lsn, NodeState, Role};

use super::*;

fn node(name: &str, role: Role) -> Node {
    Node {
        name: name.to_owned(),
        state: Some(NodeState {
            name: name.to_owned(),
            node_id: 0,
            role,
            epoch: 1,
            data_epoch: 1,
            alone: false,
            following: None,
            has_data: true,
            timeline: 1,
            lsn: Lsn(1),
            streaming: role == Role::Standby,
            system_id: "1".to_owned(),
        }),
        error: None,
    }
}

fn standby(name: &str, state: &str) -> Standby {
    Standby {
        name: name.to_owned(),
        state: state.to_owned(),
        sync_state: "quorum".to_owned(),
        replay_lsn: None,
        lag_bytes: 0,
    }
}

fn whole() -> Inside {
    Inside {
        databases: Answer::Known(vec![Database {
            name: "stock".to_owned(),
            nodes: vec![
                node("stock-db-0", Role::Primary),
                node("stock-db-1", Role::Standby),
            ],
        }]),
        replication: Answer::Known(vec![Replication {
            cluster: "stock".to_owned(),
            primary: Some("stock-db-0".to_owned()),
            standbys: vec![standby("stock-db-1", "streaming")],
            error: None,
        }]),
        kafka: Answer::Known(Kafka {
            brokers: vec![Broker {
                broker_id: 0,
                host: "kafka-0".to_owned(),
            }],
            controller: Some(0),
            partitions: vec![Partition {
                topic: "stock.commands".to_owned(),
                partition: 0,
                leader: Some(0),
                replicas: vec![0],
                isr: vec![0],
                log_end: Some(0),
            }],
        }),
        lanes: Answer::Unknown("not asked".to_owned()),
        services: Answer::Known(vec![ServiceReplica {
            service: "stock".to_owned(),
            address: "10.0.0.2".to_owned(),
            healthy: true,
            error: None,
        }]),
        redis: Answer::Known(Redis {
            answers: true,
            error: None,
        }),
    }
}

fn expected() -> Expected {
    Expected {
        brokers: 1,
        replicas: vec![("stock".to_owned(), 1)],
        databases: vec![("stock".to_owned(), 2)],
    }
}

#[test]
fn nothing_is_missing_from_a_whole_stack() {
    assert_eq!(whole().missing(&expected()), Vec::<String>::new());
}

#[test]
fn what_is_missing_is_named() {
    let mut no_primary = whole();
    no_primary.databases = Answer::Known(Vec::new());
    assert_eq!(
        no_primary.missing(&expected()),
        ["stock database (0 primaries)"]
    );

    let mut catching_up = whole();
    catching_up.replication = Answer::Known(vec![Replication {
        cluster: "stock".to_owned(),
        primary: None,
        standbys: vec![standby("stock-db-1", "catchup")],
        error: None,
    }]);
    assert_eq!(
        catching_up.missing(&expected()),
        ["stock database (0 of 1 standbys stream)"]
    );

    let mut ill = whole();
    ill.services = Answer::Known(vec![ServiceReplica {
        service: "stock".to_owned(),
        address: "10.0.0.2".to_owned(),
        healthy: false,
        error: Some("503".to_owned()),
    }]);
    assert_eq!(
        ill.missing(&expected()),
        ["stock (0 of 1 replicas healthy: 503)"]
    );
}

#[test]
fn what_was_not_answered_counts_as_missing() {
    let mut mute = whole();
    mute.kafka = Answer::Unknown("no answer".to_owned());
    mute.redis = Answer::Unknown("no answer".to_owned());
    assert_eq!(
        mute.missing(&expected()),
        ["kafka (no answer)", "redis (no answer)"]
    );
}

#[test]
fn a_replica_out_of_sync_is_not_whole() {
    let mut behind = whole();
    if let Answer::Known(kafka) = &mut behind.kafka {
        kafka.partitions[0].replicas = vec![0, 1];
    }
    assert_eq!(
        behind.missing(&expected()),
        ["kafka (1 of 2 replicas of stock.commands in sync)"]
    );
}

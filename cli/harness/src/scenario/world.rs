//! The stack that a stack file will make, as far as targets are concerned.

use protocol::{
    agent::{Broker, Cluster, Kafka, Node, Partition},
    db::{Lsn, NodeState, Role},
    saga::TOPICS,
};

use crate::{
    stack::{
        CLUSTER_LABEL, KIND_LABEL,
        compose::{File, Mode},
    },
    target::World,
    tasks::Running,
};

/// What a stack of this file will be, as far as targets are concerned.
#[must_use]
pub(super) fn world(file: &File) -> World {
    let mut world = World::default();
    let mut brokers = Vec::new();
    for (name, service) in &file.services {
        let replicas = match service.deploy.mode {
            Mode::Global => 1,
            Mode::Replicated => service.deploy.replicas.unwrap_or(1),
        };
        world
            .tasks
            .extend((1..=i64::from(replicas)).map(|slot| Running {
                service: name.clone(),
                slot,
                task: String::new(),
                container: String::new(),
                host: String::new(),
            }));
        let labels = service.deploy.labels.iter();
        let labels = labels.map(|(key, value)| (key.clone(), value.0.clone()));
        world.services.insert(name.clone(), labels.collect());
        let label = |key: &str| service.deploy.labels.get(key).map(|value| value.0.clone());
        match label(KIND_LABEL).as_deref() {
            Some("broker") => brokers.push(name.clone()),
            Some("database") => {
                let database = label(CLUSTER_LABEL).unwrap_or_default();
                node_of(&mut world.databases, &database, name);
            }
            _ => {}
        }
    }
    world.kafka = Some(kafka(&brokers));
    world
}

/// The first node of a database is its primary: which one it will be does not matter here.
fn node_of(databases: &mut Vec<Cluster>, database: &str, name: &str) {
    let at = databases.iter().position(|known| known.name == database);
    let at = at.unwrap_or_else(|| {
        databases.push(Cluster {
            name: database.to_owned(),
            nodes: Vec::new(),
        });
        databases.len() - 1
    });
    let nodes = &mut databases[at].nodes;
    let role = if nodes.is_empty() {
        Role::Primary
    } else {
        Role::Standby
    };
    nodes.push(Node {
        name: name.to_owned(),
        state: Some(NodeState {
            name: name.to_owned(),
            node_id: 0,
            role,
            epoch: 1,
            data_epoch: 1,
            has_data: true,
            timeline: 1,
            lsn: Lsn(0),
            streaming: role == Role::Standby,
            alone: false,
            following: None,
            system_id: String::new(),
        }),
        error: None,
    });
}

fn kafka(brokers: &[String]) -> Kafka {
    let ids: Vec<i32> = (0..).take(brokers.len()).collect();
    let partitions = TOPICS.iter().map(|topic| Partition {
        topic: (*topic).to_owned(),
        partition: 0,
        leader: Some(0),
        replicas: ids.clone(),
        isr: ids.clone(),
        log_end: None,
    });
    Kafka {
        brokers: ids
            .iter()
            .zip(brokers)
            .map(|(id, host)| Broker {
                broker_id: *id,
                host: host.clone(),
            })
            .collect(),
        controller: Some(0),
        partitions: partitions.collect(),
    }
}

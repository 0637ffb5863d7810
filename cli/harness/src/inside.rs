//! What the agent sees from inside the network, all of it at one moment.

use protocol::agent::{
    Cluster as Database, Kafka, Lanes, Redis, Replication, ServiceReplica, Standby,
};
use serde::Serialize;

use crate::agent::Agent;
use crate::error::Result;

/// The answers of one round. A question that was not answered says why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inside {
    pub databases: Answer<Vec<Database>>,
    pub replication: Answer<Vec<Replication>>,
    pub kafka: Answer<Kafka>,
    pub lanes: Answer<Lanes>,
    pub services: Answer<Vec<ServiceReplica>>,
    pub redis: Answer<Redis>,
}

/// An answer, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    Known(T),
    Unknown(String),
}

impl<T> Answer<T> {
    /// The answer, if there is one.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(answer) => Some(answer),
            Self::Unknown(_) => None,
        }
    }

    fn of(asked: Result<T>) -> Self {
        match asked {
            Ok(answer) => Self::Known(answer),
            Err(error) => Self::Unknown(error.to_string()),
        }
    }
}

/// What should be there, from the stack's services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Brokers.
    pub brokers: usize,
    /// Replicas of the order, payment and stock services, by service.
    pub replicas: Vec<(String, u64)>,
    /// Nodes by database.
    pub databases: Vec<(String, usize)>,
}

impl Inside {
    /// Asks everything at once.
    pub async fn read(agent: &Agent) -> Self {
        let (databases, replication, kafka, lanes, services, redis) = tokio::join!(
            agent.databases(),
            agent.replication(),
            agent.kafka(),
            agent.lanes(),
            agent.services(),
            agent.redis(),
        );
        Self {
            databases: Answer::of(databases),
            replication: Answer::of(replication),
            kafka: Answer::of(kafka),
            lanes: Answer::of(lanes),
            services: Answer::of(services),
            redis: Answer::of(redis),
        }
    }

    /// What keeps the stack from being whole, in words; nothing when it is.
    pub fn missing(&self, expected: &Expected) -> Vec<String> {
        let mut missing = Vec::new();
        for (name, nodes) in &expected.databases {
            missing.extend(self.missing_of_database(name, *nodes));
        }
        missing.extend(self.missing_of_kafka(expected.brokers));
        match &self.redis {
            Answer::Known(redis) if redis.answers => {}
            Answer::Known(_) => missing.push("redis (does not answer)".to_owned()),
            Answer::Unknown(why) => missing.push(format!("redis ({why})")),
        }
        for (name, wanted) in &expected.replicas {
            missing.extend(self.missing_of_service(name, *wanted));
        }
        missing
    }

    fn missing_of_database(&self, name: &str, nodes: usize) -> Option<String> {
        let found = match &self.databases {
            Answer::Unknown(why) => return Some(format!("{name} database ({why})")),
            Answer::Known(databases) => databases.iter().find(|database| database.name == name),
        };
        let primaries = found.map_or(0, |database| database.primaries().len());
        if primaries != 1 {
            return Some(format!("{name} database ({primaries} primaries)"));
        }
        let streaming = self
            .standbys(name)
            .iter()
            .filter(|standby| standby.state == "streaming")
            .count();
        let wanted = nodes.saturating_sub(1);
        (streaming < wanted)
            .then(|| format!("{name} database ({streaming} of {wanted} standbys stream)"))
    }

    /// What a database's primary knows of its standbys.
    pub fn standbys(&self, database: &str) -> &[Standby] {
        self.replication
            .known()
            .into_iter()
            .flatten()
            .find(|replication| replication.cluster == database)
            .map_or(&[], |replication| &replication.standbys)
    }

    fn missing_of_kafka(&self, brokers: usize) -> Option<String> {
        let kafka = match &self.kafka {
            Answer::Unknown(why) => return Some(format!("kafka ({why})")),
            Answer::Known(kafka) => kafka,
        };
        if kafka.brokers.len() < brokers {
            return Some(format!(
                "kafka ({} of {brokers} brokers)",
                kafka.brokers.len()
            ));
        }
        if kafka.controller.is_none() {
            return Some("kafka (no controller)".to_owned());
        }
        kafka
            .partitions
            .iter()
            .find(|partition| {
                partition.leader.is_none() || partition.isr.len() < partition.replicas.len()
            })
            .map(|partition| {
                format!(
                    "kafka ({} of {} replicas of {} in sync)",
                    partition.isr.len(),
                    partition.replicas.len(),
                    partition.topic
                )
            })
    }

    fn missing_of_service(&self, name: &str, wanted: u64) -> Option<String> {
        let replicas = match &self.services {
            Answer::Unknown(why) => return Some(format!("{name} ({why})")),
            Answer::Known(replicas) => replicas,
        };
        let mine = replicas.iter().filter(|replica| replica.service == name);
        let healthy = mine.clone().filter(|replica| replica.healthy).count() as u64;
        let why = mine
            .filter_map(|replica| replica.error.as_deref())
            .next()
            .map_or_else(String::new, |why| format!(": {why}"));
        (healthy < wanted).then(|| format!("{name} ({healthy} of {wanted} replicas healthy{why})"))
    }
}

#[cfg(test)]
mod tests;

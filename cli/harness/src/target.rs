//! The names that faults understand, and what each of them is right now.
//!
//! `SERVICE[.N]` (also `stock-db-1`, `kafka-2`, `order-pool`), `X-db-primary`, `X-db-standby`,
//! `all-db-primaries`, `kafka-leader:TOPIC`, `kafka-controller`, `re:REGEX` over the names of tasks, `label:KEY=VALUE` over
//! the labels of services; each may be followed by `@NODE`. Resolved at the moment of injection.

pub(crate) mod near;
mod resolve;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, str::FromStr};

use protocol::{
    agent::{Cluster as Database, Kafka},
    db::Role,
};
use serde::Serialize;

use crate::tasks::{Labels, Running};

/// What a target's name asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Every task of a service, or the one in that slot.
    Service {
        name: String,
        slot: Option<i64>,
    },
    Primary {
        database: String,
    },
    Standby {
        database: String,
    },
    AllPrimaries,
    KafkaLeader {
        topic: String,
    },
    KafkaController,
    /// Every task whose name (`order.1`) the regular expression is found in.
    Pattern {
        regex: String,
    },
    /// Every task of the services with that label.
    Label {
        key: String,
        value: String,
    },
    /// Of what another target names, what runs on that node of the Swarm: its name, or the beginning of its id.
    On {
        target: Box<Self>,
        node: String,
    },
}

impl FromStr for Target {
    type Err = std::convert::Infallible;

    /// Every text is some target; whether there is such a thing only the stack can say.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "all-db-primaries" => Self::AllPrimaries,
            "kafka-controller" => Self::KafkaController,
            _ => Self::named(text),
        })
    }
}

impl Target {
    fn named(text: &str) -> Self {
        if let Some((target, node)) = text.rsplit_once('@') {
            let Ok(target) = target.parse();
            return Self::On {
                target: Box::new(target),
                node: node.to_owned(),
            };
        }
        if let Some(regex) = text.strip_prefix("re:") {
            return Self::Pattern {
                regex: regex.to_owned(),
            };
        }
        if let Some(label) = text.strip_prefix("label:") {
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            return Self::Label {
                key: key.to_owned(),
                value: value.to_owned(),
            };
        }
        if let Some(topic) = text.strip_prefix("kafka-leader:") {
            return Self::KafkaLeader {
                topic: topic.to_owned(),
            };
        }
        if let Some(database) = text.strip_suffix("-db-primary") {
            return Self::Primary {
                database: database.to_owned(),
            };
        }
        if let Some(database) = text.strip_suffix("-db-standby") {
            return Self::Standby {
                database: database.to_owned(),
            };
        }
        let slot = text
            .rsplit_once('.')
            .and_then(|(name, slot)| Some((name, slot.parse::<i64>().ok()?)));
        match slot {
            Some((name, slot)) => Self::Service {
                name: name.to_owned(),
                slot: Some(slot),
            },
            None => Self::Service {
                name: text.to_owned(),
                slot: None,
            },
        }
    }

    /// Whether it asks for all of what it matches unless told otherwise.
    #[must_use]
    pub fn means_all(&self) -> bool {
        match self {
            Self::On { target, .. } => target.means_all(),
            other => *other == Self::AllPrimaries,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { name, slot: None } => f.write_str(name),
            Self::Service {
                name,
                slot: Some(slot),
            } => write!(f, "{name}.{slot}"),
            Self::Primary { database } => write!(f, "{database}-db-primary"),
            Self::Standby { database } => write!(f, "{database}-db-standby"),
            Self::AllPrimaries => f.write_str("all-db-primaries"),
            Self::KafkaLeader { topic } => write!(f, "kafka-leader:{topic}"),
            Self::KafkaController => f.write_str("kafka-controller"),
            Self::Pattern { regex } => write!(f, "re:{regex}"),
            Self::Label { key, value } => write!(f, "label:{key}={value}"),
            Self::On { target, node } => write!(f, "{target}@{node}"),
        }
    }
}

/// A task that a target means, and what it is to the shop at that moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Victim {
    #[serde(flatten)]
    pub task: Running,
    /// For a database node: its database and what it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeRole>,
}

impl Victim {
    /// What loses its majority, or its last replica, where too many of it are hit at once.
    #[must_use]
    pub fn group(&self) -> &str {
        match &self.node {
            Some(node) => &node.database,
            None if self.task.service.starts_with("kafka-") => "kafka",
            None => &self.task.service,
        }
    }
}

/// What a database node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeRole {
    pub database: String,
    pub role: Role,
    pub epoch: u64,
    pub timeline: u32,
}

/// What the stack says of itself at one moment.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Every service and its labels, whether or not a task of it runs.
    pub services: BTreeMap<String, Labels>,
    pub tasks: Vec<Running>,
    pub databases: Vec<Database>,
    /// `None` where Kafka could not be asked.
    pub kafka: Option<Kafka>,
    /// The names of the Swarm's nodes by their ids; empty where they were not asked for.
    pub hosts: BTreeMap<String, String>,
}

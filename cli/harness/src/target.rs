//! The names that faults understand, and what each of them is right now.
//!
//! `SERVICE[.N]` (also `stock-db-1`, `kafka-2`, `order-pool`), `X-db-primary`, `X-db-standby`,
//! `all-db-primaries`, `kafka-leader:TOPIC`, `kafka-controller`, `re:REGEX` over the names of tasks, `label:KEY=VALUE` over
//! the labels of services; each may be followed by `@NODE`. Resolved at the moment of injection.

pub(crate) mod near;

use std::{collections::BTreeMap, fmt, str::FromStr};

use protocol::{
    agent::{Cluster as Database, Kafka},
    db::Role,
};
use regex::Regex;
use serde::Serialize;

use crate::{
    cluster::StackName,
    error::{Error, Result},
    tasks::{Labels, Running},
};

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

impl World {
    /// Finds what `target` means.
    ///
    /// # Errors
    /// [`Error::UnknownTarget`] for a name that the stack never has, [`Error::NoTarget`] for one that is
    /// nothing at this moment, [`Error::SplitBrain`] where a database has two primaries.
    pub fn resolve(&self, target: &Target, stack: &StackName) -> Result<Vec<Victim>> {
        let names = match target {
            Target::Service { name, slot } => return self.service(target, name, *slot, stack),
            Target::Primary { database } => {
                self.database(target, database, stack)?;
                vec![self.primary(target, database)?]
            }
            Target::Standby { database } => self.standbys(target, database, stack)?,
            Target::AllPrimaries => self
                .databases
                .iter()
                .map(|database| self.primary(target, &database.name))
                .collect::<Result<_>>()?,
            Target::KafkaLeader { topic } => vec![self.leader(target, topic, stack)?],
            Target::KafkaController => vec![self.controller(target, stack)?],
            Target::Pattern { regex } => return self.pattern(target, regex, stack),
            Target::Label { key, value } => {
                let labelled = |labels: &Labels| labels.get(key).is_some_and(|is| is == value);
                let has = |task: &Running| self.services.get(&task.service).is_some_and(labelled);
                return self.matching(target, stack, has);
            }
            Target::On { target: of, node } => return self.on(target, of, node, stack),
        };
        names
            .iter()
            .map(|name| {
                self.tasks
                    .iter()
                    .find(|task| task.service == *name)
                    .map(|task| self.victim(task))
                    .ok_or_else(|| nothing(target, format!("{name} has no running task")))
            })
            .collect()
    }

    fn victim(&self, task: &Running) -> Victim {
        let node = self.databases.iter().find_map(|database| {
            let node = database.nodes.iter().find(|n| n.name == task.service)?;
            let state = node.state.as_ref()?;
            Some(NodeRole {
                database: database.name.clone(),
                role: state.role,
                epoch: state.epoch,
                timeline: state.timeline,
            })
        });
        Victim {
            task: task.clone(),
            node,
        }
    }

    fn service(
        &self,
        target: &Target,
        name: &str,
        slot: Option<i64>,
        stack: &StackName,
    ) -> Result<Vec<Victim>> {
        let found: Vec<Victim> = self
            .tasks
            .iter()
            .filter(|task| task.service == name && slot.is_none_or(|slot| slot == task.slot))
            .map(|task| self.victim(task))
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
        if slot.is_none() && self.services.contains_key(name) {
            return Err(nothing(target, "no task of it runs".to_owned()));
        }
        Err(self.unknown(target, stack))
    }

    fn pattern(&self, target: &Target, regex: &str, stack: &StackName) -> Result<Vec<Victim>> {
        let regex = Regex::new(regex).map_err(|error| Error::BadTarget {
            target: target.to_string(),
            reason: error.to_string(),
        })?;
        self.matching(target, stack, |task| regex.is_match(&task.name()))
    }

    fn matching(
        &self,
        target: &Target,
        stack: &StackName,
        matches: impl Fn(&Running) -> bool,
    ) -> Result<Vec<Victim>> {
        let found: Vec<Victim> = self
            .tasks
            .iter()
            .filter(|task| matches(task))
            .map(|task| self.victim(task))
            .collect();
        if found.is_empty() {
            return Err(self.unknown(target, stack));
        }
        Ok(found)
    }

    fn on(
        &self,
        target: &Target,
        of: &Target,
        node: &str,
        stack: &StackName,
    ) -> Result<Vec<Victim>> {
        if self.hosts.is_empty() {
            // A stack that is only planned runs on no node yet.
            return self.resolve(of, stack);
        }
        let host = self
            .hosts
            .iter()
            .find(|(id, name)| *name == node || (!node.is_empty() && id.starts_with(node)));
        let Some((id, _name)) = host else {
            let known: Vec<&str> = self.hosts.values().map(String::as_str).collect();
            return Err(Error::BadTarget {
                target: target.to_string(),
                reason: format!("the Swarm's nodes are: {}", known.join(", ")),
            });
        };
        let mut found = self.resolve(of, stack)?;
        found.retain(|victim| victim.task.host == *id);
        if found.is_empty() {
            return Err(nothing(target, format!("nothing of it runs on {node}")));
        }
        Ok(found)
    }

    fn database(&self, target: &Target, name: &str, stack: &StackName) -> Result<&Database> {
        self.databases
            .iter()
            .find(|database| database.name == name)
            .ok_or_else(|| self.unknown(target, stack))
    }

    fn primary(&self, target: &Target, database: &str) -> Result<String> {
        let found = self.databases.iter().find(|known| known.name == database);
        match found
            .map(Database::acknowledging)
            .unwrap_or_default()
            .as_slice()
        {
            [only] => Ok(only.name.clone()),
            [] => Err(nothing(target, format!("{database} has no primary"))),
            several => Err(Error::SplitBrain {
                database: database.to_owned(),
                nodes: several.iter().map(|node| node.name.clone()).collect(),
            }),
        }
    }

    fn standbys(&self, target: &Target, name: &str, stack: &StackName) -> Result<Vec<String>> {
        let database = self.database(target, name, stack)?;
        let standbys: Vec<String> = database
            .nodes
            .iter()
            .filter_map(|node| node.state.as_ref())
            .filter(|state| state.role == Role::Standby)
            .map(|state| state.name.clone())
            .collect();
        if standbys.is_empty() {
            return Err(nothing(target, format!("{name} has no standby")));
        }
        Ok(standbys)
    }

    fn leader(&self, target: &Target, topic: &str, stack: &StackName) -> Result<String> {
        let kafka = self
            .kafka
            .as_ref()
            .ok_or_else(|| nothing(target, "Kafka does not answer".to_owned()))?;
        let partition = kafka
            .partitions
            .iter()
            .find(|partition| partition.topic == topic)
            .ok_or_else(|| self.unknown(target, stack))?;
        partition
            .leader
            .map(broker)
            .ok_or_else(|| nothing(target, format!("{topic} has no leader")))
    }

    fn controller(&self, target: &Target, stack: &StackName) -> Result<String> {
        let Some(kafka) = &self.kafka else {
            return Err(self.unknown(target, stack));
        };
        kafka
            .controller
            .map(broker)
            .ok_or_else(|| nothing(target, "the quorum has no leader".to_owned()))
    }

    /// Every name that means something here, in a stable order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for task in &self.tasks {
            if names.last() != Some(&task.service) {
                names.push(task.service.clone());
            }
        }
        let several = |name: &String| self.tasks.iter().filter(|t| t.service == *name).count() > 1;
        let slots: Vec<String> = self
            .tasks
            .iter()
            .filter(|task| several(&task.service))
            .map(Running::name)
            .collect();
        names.extend(slots);
        for database in &self.databases {
            names.push(format!("{}-db-primary", database.name));
            if database.nodes.len() > 1 {
                names.push(format!("{}-db-standby", database.name));
            }
        }
        if !self.databases.is_empty() {
            names.push(Target::AllPrimaries.to_string());
        }
        if let Some(kafka) = &self.kafka {
            let topics = kafka.partitions.iter().map(|partition| &partition.topic);
            names.extend(topics.map(|topic| format!("kafka-leader:{topic}")));
            names.push(Target::KafkaController.to_string());
        }
        names
    }

    fn unknown(&self, target: &Target, stack: &StackName) -> Error {
        let known = self.names();
        Error::UnknownTarget {
            target: target.to_string(),
            stack: stack.to_string(),
            near: near::names(&target.to_string(), &known),
            known,
        }
    }
}

/// Brokers are numbered as their services are.
fn broker(id: i32) -> String {
    format!("kafka-{id}")
}

fn nothing(target: &Target, reason: String) -> Error {
    Error::NoTarget {
        target: target.to_string(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use protocol::agent::Partition;
    use rstest::rstest;

    use super::*;
    use crate::testing::{database, node};

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
}

//! From the name of a target to the tasks that it is right now.

use protocol::{agent::Cluster as Database, db::Role};
use regex::Regex;

use super::{NodeRole, Target, Victim, World, near};
use crate::{
    cluster::StackName,
    error::{Error, Result},
    tasks::{Labels, Running},
};

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
            .map(Database::primaries)
            .unwrap_or_default()
            .as_slice()
        {
            [only] => Ok(only.name.clone()),
            [] => Err(nothing(target, format!("{database} has no primary"))),
            several => Err(Error::SplitBrain {
                database: database.to_owned(),
                nodes: several.iter().map(|node| node.name.clone()).collect(),
                looks: 1,
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

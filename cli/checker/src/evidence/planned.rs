//! What the plan of a run says that its parts must agree with.

use std::collections::BTreeMap;

use super::Expected;

/// What the plan says that the parts of a run must agree with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// The run's id: its directory's name when it was made.
    pub run: String,
    /// The seed of the load; `None`: there is no load.
    pub seed: Option<u64>,
    /// What each operation of the load is drawn from; empty where there is no load.
    pub mix: Vec<KindShare>,
    /// The planned faults, in the order of the plan.
    pub faults: Vec<PlannedFault>,
    /// The nodes of each database, by the database's name.
    pub nodes: BTreeMap<String, Vec<String>>,
    /// Whether every database node was to be written to straight all the time.
    pub direct_writes: bool,
    /// The least time between the two final reads, in milliseconds.
    pub stable_ms: u64,
}

/// How many of a hundred operations are of one kind, on average.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindShare {
    /// As [`Op::name`](crate::history::Op::name) calls it.
    pub kind: &'static str,
    pub percent: u32,
}

/// One fault of the plan: what its evidence must come up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlannedFault {
    /// As evidence and reports call it, e.g. `kill stock-db-primary`.
    pub name: String,
    /// For how long it is to be held, in milliseconds; `None` for one that is not held.
    pub held_ms: Option<u64>,
    /// How many tasks it would have hit before the run began, 1 at the least.
    pub victims: usize,
    /// How many tasks it hits at most; `None`: as many as fit when it is injected.
    pub victims_max: Option<usize>,
    /// Whom it may hit.
    pub aim: Aim,
    /// How long after the injection of the fault before it (of the first: after the run's begin) it comes at the soonest, in
    /// milliseconds.
    pub after_ms: u64,
    /// How soon what is to come of it.
    pub expected: Expected,
}

/// Whom a fault may hit, as far as its plan can know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Aim {
    /// Whoever fits when it is injected.
    #[default]
    Anybody,
    /// Tasks of these services: which of them has the role, or is picked, only its injection decides.
    TasksOf(Vec<String>),
    /// These tasks, e.g. `order.1`.
    Tasks(Vec<String>),
}

impl Aim {
    /// Whether a task of this name may be its victim.
    #[must_use]
    pub fn may_hit(&self, task: &str) -> bool {
        match self {
            Self::Anybody => true,
            Self::TasksOf(services) => services.iter().any(|service| service == service_of(task)),
            Self::Tasks(tasks) => tasks.iter().any(|known| known == task),
        }
    }
}

/// The service of a task: `order` of `order.1`, and a name without a slot as it is.
fn service_of(task: &str) -> &str {
    match task.rsplit_once('.') {
        Some((service, slot)) if slot.parse::<u32>().is_ok() => service,
        Some(_) | None => task,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_knows_its_tasks_or_their_services_or_nothing() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        for (aim, hit, missed) in [
            (
                Aim::TasksOf(names(&["stock-db-0", "stock-db-1"])),
                &["stock-db-0.1", "stock-db-1"][..],
                &["stock-db-2.1", "stock-db-0.x", "stock.1", ""][..],
            ),
            (
                Aim::Tasks(names(&["order.1"])),
                &["order.1"],
                &["order.2", "order", "order.10"],
            ),
            (Aim::Anybody, &["order.1", "redis.1"], &[]),
        ] {
            assert!(hit.iter().all(|task| aim.may_hit(task)), "{aim:?}");
            assert!(!missed.iter().any(|task| aim.may_hit(task)), "{aim:?}");
        }
    }
}

//! What proves that a kill took effect, and that its target is back in its place. Pure: fed with looks.

use checker::evidence::{Expected, FaultEvidence};
use protocol::db::Role;

use crate::{
    run::plan::FaultPlan,
    target::{Victim, World},
};

/// One killed task, and what has been seen since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    name: String,
    expected: Expected,
    victim: Victim,
    injected_us: u64,
    died_us: Option<u64>,
    new_task: Option<String>,
    /// The node that took over, and on which timeline.
    promoted: Option<(String, u32)>,
    writable_us: Option<u64>,
    healed_us: Option<u64>,
}

impl Proof {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(plan: &FaultPlan, victim: Victim, injected_us: u64) -> Self {
        Self {
            name: plan.name(),
            expected: plan.expected,
            victim,
            injected_us,
            died_us: None,
            new_task: None,
            promoted: None,
            writable_us: None,
            healed_us: None,
        }
    }

    /// Who was hit.
    #[must_use]
    pub fn victim(&self) -> &Victim {
        &self.victim
    }

    /// When it was injected.
    #[must_use]
    pub fn injected_us(&self) -> u64 {
        self.injected_us
    }

    /// Whether its target is back in its place.
    #[must_use]
    pub fn is_healed(&self) -> bool {
        self.healed_us.is_some()
    }

    /// Whether it hit the primary of a database.
    #[must_use]
    pub fn hit_primary(&self) -> bool {
        let node = self.victim.node.as_ref();
        node.is_some_and(|node| node.role == Role::Primary)
    }

    /// Whether another primary has committed a write since.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable_us.is_some()
    }

    /// Its container has ended.
    pub fn died(&mut self, at_us: u64) {
        self.died_us.get_or_insert(at_us);
    }

    /// Whether the end of its container has been seen.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.died_us.is_some()
    }

    /// The database whose primary it was, if it has nodes that can take over.
    #[must_use]
    pub fn failover(&self, world: &World) -> Option<String> {
        let node = self.victim.node.as_ref()?;
        let database = world.databases.iter().find(|db| db.name == node.database)?;
        (node.role == Role::Primary && database.nodes.len() > 1).then(|| node.database.clone())
    }

    /// Whether another node has taken over and has not yet proved that it takes writes.
    #[must_use]
    pub fn awaits_write(&self) -> Option<&str> {
        let node = self.victim.node.as_ref()?;
        (self.promoted.is_some() && self.writable_us.is_none()).then_some(node.database.as_str())
    }

    /// The new primary has committed a write.
    pub fn written(&mut self, at_us: u64) {
        self.writable_us.get_or_insert(at_us);
    }

    /// Takes what the stack says now. `serves`: whether the target's service is whole again.
    pub fn look(&mut self, now_us: u64, world: &World, serves: bool) {
        let task = &self.victim.task;
        if self.new_task.is_none() {
            self.new_task = world
                .tasks
                .iter()
                .find(|now| {
                    now.service == task.service && now.slot == task.slot && now.task != task.task
                })
                .map(|now| now.task.clone());
        }
        if self.promoted.is_none() {
            self.promoted = self.successor(world);
        }
        let proved = self.missing(world).is_empty();
        if proved && serves && self.is_in_its_place(world) {
            self.healed_us.get_or_insert(now_us);
        }
    }

    /// Another node that is primary at a higher epoch and on a higher timeline.
    fn successor(&self, world: &World) -> Option<(String, u32)> {
        let before = self.victim.node.as_ref()?;
        if before.role != Role::Primary {
            return None;
        }
        let database = world
            .databases
            .iter()
            .find(|db| db.name == before.database)?;
        database
            .primaries()
            .into_iter()
            .find(|node| {
                node.name != self.victim.task.service
                    && node.epoch > before.epoch
                    && node.timeline > before.timeline
            })
            .map(|node| (node.name.clone(), node.timeline))
    }

    /// A database node must stream again, or be the primary; anything else must run.
    fn is_in_its_place(&self, world: &World) -> bool {
        let Some(before) = &self.victim.node else {
            return true;
        };
        world
            .databases
            .iter()
            .filter(|db| db.name == before.database)
            .flat_map(|db| &db.nodes)
            .filter(|node| node.name == self.victim.task.service)
            .filter_map(|node| node.state.as_ref())
            .any(|state| match state.role {
                Role::Primary => true,
                Role::Standby => state.streaming,
                Role::Promoting | Role::Starting | Role::Waiting => false,
            })
    }

    /// Whether everything has been seen that there is to see.
    #[must_use]
    pub fn is_complete(&self, world: &World) -> bool {
        self.healed_us.is_some() && (self.failover(world).is_none() || self.writable_us.is_some())
    }

    fn missing(&self, world: &World) -> Vec<String> {
        let mut missing = Vec::new();
        if self.died_us.is_none() {
            missing.push(format!(
                "the end of the container of {}",
                self.victim.task.name()
            ));
        }
        if self.new_task.is_none() {
            missing.push(format!("a new task of {}", self.victim.task.service));
        }
        if self.promoted.is_none()
            && let Some(database) = self.failover(world)
        {
            missing.push(format!(
                "another {database} node as primary on a higher timeline"
            ));
        }
        missing
    }

    /// What to tell the verdict. `world` is the last look.
    #[must_use]
    pub fn evidence(&self, world: &World) -> FaultEvidence {
        let mut seen = Vec::new();
        if self.died_us.is_some() {
            seen.push(format!("the container of {} died", self.victim.task.name()));
        }
        if let Some(task) = &self.new_task {
            seen.push(format!("new task {task}"));
        }
        if let Some((node, timeline)) = &self.promoted {
            seen.push(format!("{node} is primary on timeline {timeline}"));
        }
        FaultEvidence {
            name: self.name.clone(),
            target: self.victim.task.name(),
            injected_us: Some(self.injected_us),
            effective_us: self.died_us,
            seen,
            missing: self.missing(world),
            healed_us: self.healed_us,
            writable_us: self.writable_us,
            expected: self.expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::agent::Node;

    use super::*;
    use crate::{
        target::NodeRole,
        tasks::Running,
        testing::{database, kill, node},
    };

    fn running(task: &str) -> Running {
        Running {
            service: "stock-db-0".to_owned(),
            slot: 1,
            task: task.to_owned(),
            container: format!("c-{task}"),
        }
    }

    fn world(task: &str, nodes: Vec<Node>) -> World {
        World {
            tasks: vec![running(task)],
            databases: vec![database("stock", nodes)],
            ..World::default()
        }
    }

    fn proof() -> Proof {
        let victim = Victim {
            task: running("old"),
            node: Some(NodeRole {
                database: "stock".to_owned(),
                role: Role::Primary,
                epoch: 1,
                timeline: 1,
            }),
        };
        Proof::new(&kill("stock-db-primary"), victim, 100)
    }

    #[test]
    fn a_primary_is_proved_dead_only_by_its_successor() {
        let mut proof = proof();
        let alone = world(
            "old",
            vec![
                node("stock-db-0", Role::Primary, 1, 7),
                node("stock-db-1", Role::Standby, 1, 7),
            ],
        );
        proof.look(110, &alone, true);
        let evidence = proof.evidence(&alone);
        assert!(!evidence.took_effect());
        assert_eq!(evidence.missing.len(), 3);

        proof.died(120);
        let taken_over = world(
            "new",
            vec![
                node("stock-db-0", Role::Starting, 1, 7),
                node("stock-db-1", Role::Primary, 2, 7),
            ],
        );
        proof.look(130, &taken_over, true);
        assert_eq!(proof.awaits_write(), Some("stock"));
        let evidence = proof.evidence(&taken_over);
        assert!(evidence.took_effect());
        assert_eq!(evidence.effective_us, Some(120));
        assert_eq!(evidence.seen[2], "stock-db-1 is primary on timeline 2");
        assert_eq!(evidence.healed_us, None);

        let back = world(
            "new",
            vec![
                node("stock-db-0", Role::Standby, 2, 7),
                node("stock-db-1", Role::Primary, 2, 7),
            ],
        );
        proof.look(140, &back, true);
        assert_eq!(proof.evidence(&back).healed_us, Some(140));
        assert!(!proof.is_complete(&back));
        proof.written(150);
        assert!(proof.is_complete(&back));
    }

    #[test]
    fn a_single_node_is_back_when_it_is_primary_again() {
        let mut proof = proof();
        proof.died(120);
        let back = world("new", vec![node("stock-db-0", Role::Primary, 1, 7)]);
        proof.look(130, &back, true);
        assert!(proof.evidence(&back).took_effect());
        assert!(proof.is_complete(&back));
    }

    #[test]
    fn a_service_that_does_not_serve_is_not_healed() {
        let mut proof = proof();
        proof.victim.node = None;
        proof.died(120);
        let back = world("new", Vec::new());
        proof.look(130, &back, false);
        assert_eq!(proof.evidence(&back).healed_us, None);
        proof.look(140, &back, true);
        assert_eq!(proof.evidence(&back).healed_us, Some(140));
    }
}

//! What proves that a fault took effect, that it is over, and that its target is back in its place. Pure: fed with looks.

use checker::evidence::{Expected, FaultEvidence, Held, HeldUntil};
use protocol::db::Role;

use super::{action::Action, keeper::Told};
use crate::{
    run::plan::FaultPlan,
    target::{Victim, World},
};

/// One task that a fault hit, and what has been seen since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Of the fault, in the plan.
    place: usize,
    name: String,
    expected: Expected,
    victim: Victim,
    injected_us: u64,
    effect: Effect,
    /// The node that took over, and on which timeline.
    promoted: Option<(String, u32)>,
    writable_us: Option<u64>,
    healed_us: Option<u64>,
}

/// What a fault has to do to its task, as far as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Effect {
    /// It ends, and another task comes.
    End {
        died_us: Option<u64>,
        new_task: Option<String>,
    },
    /// It suffers, until that is lifted or the task ends of something else.
    Hold {
        told: Told,
        replaced_us: Option<u64>,
        /// It is on more than the task, and does not end with it.
        outlives: bool,
    },
}

impl Proof {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(plan: &FaultPlan, victim: Victim, injected_us: u64) -> Self {
        let effect = match &plan.action {
            Action::End { .. } | Action::Crash { .. } => Effect::End {
                died_us: None,
                new_task: None,
            },
            Action::Hold { hold, .. } => Effect::Hold {
                told: Told::default(),
                replaced_us: None,
                outlives: hold.outlives_its_task(),
            },
        };
        Self {
            place: plan.place,
            name: plan.name(),
            expected: plan.expected,
            victim,
            injected_us,
            effect,
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
        match &mut self.effect {
            Effect::End { died_us, .. } => {
                died_us.get_or_insert(at_us);
            }
            Effect::Hold {
                told,
                replaced_us,
                outlives,
            } => {
                if told.lifted_us.is_none() && !*outlives {
                    replaced_us.get_or_insert(at_us);
                }
            }
        }
    }

    /// What its keeper says of a fault that is held.
    pub fn told(&mut self, news: Told) {
        if let Effect::Hold { told, .. } = &mut self.effect {
            *told = news;
        }
    }

    /// Whether the end of its container is what is waited for.
    #[must_use]
    pub fn awaits_death(&self) -> bool {
        matches!(self.effect, Effect::End { died_us: None, .. })
    }

    /// Whether it does its target no more harm.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match &self.effect {
            Effect::End { died_us, .. } => died_us.is_some(),
            Effect::Hold {
                told, replaced_us, ..
            } => told.lifted_us.is_some() || replaced_us.is_some(),
        }
    }

    /// The database whose primary must be followed by another: it ended, and there are nodes that can take over. One
    /// that only suffers may keep its place.
    #[must_use]
    pub fn failover(&self, world: &World) -> Option<String> {
        let node = self.victim.node.as_ref()?;
        let database = world.databases.iter().find(|db| db.name == node.database)?;
        let ends = matches!(self.effect, Effect::End { .. });
        (ends && node.role == Role::Primary && database.nodes.len() > 1)
            .then(|| node.database.clone())
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
        if let Effect::End { new_task, .. } = &mut self.effect
            && new_task.is_none()
        {
            *new_task = world
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
        // One that was lifted without having been felt has nothing to heal: it stays unproved, and is over all the same.
        let over = match self.effect {
            Effect::End { .. } => self.missing(world).is_empty(),
            Effect::Hold { .. } => self.is_over(),
        };
        if over && serves && self.is_in_its_place(world) {
            self.healed_us.get_or_insert(now_us);
        }
    }

    /// Who leads a higher epoch: another node, on a higher timeline, or the same one, which its peers let go on.
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
                let resumed = node.name == self.victim.task.service;
                node.epoch > before.epoch && (resumed || node.timeline > before.timeline)
            })
            .map(|node| (node.name.clone(), node.timeline))
    }

    /// A database node must stream again, or be the primary; anything else must run.
    fn is_in_its_place(&self, world: &World) -> bool {
        let Some(before) = &self.victim.node else {
            return true;
        };
        let mut databases = world.databases.iter();
        let Some(database) = databases.find(|db| db.name == before.database) else {
            return false;
        };
        let primaries = database.primaries();
        let nodes = database.nodes.iter();
        let mut ours = nodes.filter(|node| node.name == self.victim.task.service);
        ours.any(|node| match &node.state {
            // One that has not yet heard of its successor is not back.
            Some(state) if state.role == Role::Primary => {
                primaries.contains(&state)
                    && (self.promoted.is_none() || state.epoch > before.epoch)
            }
            Some(state) => state.role == Role::Standby && state.streaming,
            None => false,
        })
    }

    /// Whether everything has been seen that there is to see.
    #[must_use]
    pub fn is_complete(&self, world: &World) -> bool {
        let taken_over = self.failover(world).is_some() || self.promoted.is_some();
        self.healed_us.is_some() && (!taken_over || self.writable_us.is_some())
    }

    fn missing(&self, world: &World) -> Vec<String> {
        let name = self.victim.task.name();
        let mut missing = Vec::new();
        match &self.effect {
            Effect::End { died_us, new_task } => {
                if died_us.is_none() {
                    missing.push(format!("the end of the container of {name}"));
                }
                if new_task.is_none() {
                    missing.push(format!("a new task of {}", self.victim.task.service));
                }
            }
            Effect::Hold {
                told, replaced_us, ..
            } => {
                if told.effective_us.is_none() {
                    missing.push(format!("an effect on {name}"));
                }
                if told.lifted_us.is_none() && replaced_us.is_none() {
                    let why = told.failed.as_ref();
                    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
                    missing.push(format!("its end on {name}{why}"));
                }
            }
        }
        if self.promoted.is_none()
            && let Some(database) = self.failover(world)
        {
            missing.push(format!(
                "another {database} node as primary on a higher timeline, or itself in a higher epoch"
            ));
        }
        missing
    }

    /// What to tell the verdict. `world` is the last look.
    #[must_use]
    pub fn evidence(&self, world: &World) -> FaultEvidence {
        let mut seen = Vec::new();
        let effective_us = match &self.effect {
            Effect::End { died_us, new_task } => {
                if died_us.is_some() {
                    seen.push(format!("the container of {} died", self.victim.task.name()));
                }
                seen.extend(new_task.as_ref().map(|task| format!("new task {task}")));
                *died_us
            }
            Effect::Hold {
                told, replaced_us, ..
            } => {
                seen.extend(told.seen.clone());
                seen.extend(self.held().map(|held| held.to_string()));
                if told.lifted_us.is_some() {
                    seen.push("lifted".to_owned());
                } else if replaced_us.is_some() {
                    seen.push(format!(
                        "{} was replaced, which ended it early",
                        self.victim.task.name()
                    ));
                }
                told.effective_us
            }
        };
        if let Some((node, timeline)) = &self.promoted {
            let again = if *node == self.victim.task.service {
                " again"
            } else {
                ""
            };
            seen.push(format!("{node} is primary{again} on timeline {timeline}"));
        }
        FaultEvidence {
            place: self.place,
            name: self.name.clone(),
            target: self.victim.task.name(),
            injected_us: Some(self.injected_us),
            effective_us,
            seen,
            missing: self.missing(world),
            healed_us: self.healed_us,
            held: self.held(),
            writable_us: self.writable_us,
            expected: self.expected,
        }
    }

    /// For how long it was held; of one whose task ended before its keeper saw that, no longer than until then.
    fn held(&self) -> Option<Held> {
        let Effect::Hold {
            told, replaced_us, ..
        } = &self.effect
        else {
            return None;
        };
        let held = told.held?;
        let Some(replaced_us) = replaced_us.filter(|_| told.lifted_us.is_none()) else {
            return Some(held);
        };
        let until_us = replaced_us.saturating_sub(told.effective_us.unwrap_or(replaced_us));
        Some(Held {
            seen_ms: held.seen_ms.min(until_us / 1_000),
            until: HeldUntil::TaskEnded,
            ..held
        })
    }
}

#[cfg(test)]
mod tests;

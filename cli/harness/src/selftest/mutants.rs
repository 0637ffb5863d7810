//! The planted bugs, what each must be called, and whether it was.

mod list;

use std::{collections::BTreeMap, time::Duration};

use checker::{Judgement, Verdict, snapshot::Subject, verdict::Label};
use protocol::OrderId;

pub use list::{MUTANTS, QUICK};

use super::unread::Unread;
use crate::{
    fault::action::{Sides, Way},
    load::Mix,
    project::Profile,
    scenario::{
        Load, Scenario, Settle,
        quantity::Span,
        step::{Held, Hit, Partition, Step},
    },
};

/// The seed of every run: a bug that was caught once is caught again.
const SEED: u64 = 1;
const LOAD: Span = Span::seconds(10);
/// How long a fault is held.
const HELD: Span = Span::seconds(15);
/// Some bugs keep the shop from ever coming to rest: no longer than a scenario must wait.
const SETTLE: Span = Settle::TIMEOUT_MIN;

/// A build that is to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutant {
    /// The planted bug; `None`: none.
    pub bug: Option<&'static str>,
    pub name: &'static str,
    pub about: &'static str,
    pub expected: Expected,
    pub profile: Profile,
    pub(super) twist: Twist,
    fault: Fault,
    mix: &'static str,
    users: u32,
    items: u32,
}

/// What is done to the stack while it is under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Kill(&'static str),
    /// Every process of the target is frozen for [`HELD`].
    Pause(&'static str),
    /// Nothing goes between the two for [`HELD`].
    Partition(&'static str, &'static str),
}

/// What is wrong beside the shop, where the bug is not in a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twist {
    None,
    /// Somebody lifts the held fault soon after it took effect.
    LiftsEarly,
    /// Whoever reads the verdict has closed the pipe.
    ClosesStdout,
}

/// How it must be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Pass,
    /// A violation with this label, naming an order.
    Order(Label),
    /// A violation with this label, naming an item, or an order that has it.
    Item(Label),
    /// A violation with this label, of a database as a whole.
    Database(Label),
    /// A violation with one of these labels, naming an order: which of them is a matter of time.
    OneOf(&'static [Label]),
    /// Nothing is wrong, but a reason with this word keeps it from a PASS.
    Unknown(&'static str),
}

impl Expected {
    fn labels(self) -> Vec<Label> {
        match self {
            Self::Pass | Self::Unknown(_) => Vec::new(),
            Self::Order(label) | Self::Item(label) | Self::Database(label) => vec![label],
            Self::OneOf(labels) => labels.to_vec(),
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels: Vec<String> = self.labels().iter().map(ToString::to_string).collect();
        match self {
            Self::Pass => f.write_str("PASS"),
            Self::Unknown(word) => write!(f, "UNKNOWN: {word}"),
            Self::Order(_) | Self::Item(_) | Self::Database(_) | Self::OneOf(_) => {
                f.write_str(&labels.join(" or "))
            }
        }
    }
}

impl Mutant {
    /// What is done to it.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        let load = Load {
            mix: self.mix.parse().unwrap_or_else(|_wrong| Mix::default()),
            ..Load::default()
        };
        let mut timeline = vec![Step::stretch(LOAD.0)];
        if let Some(step) = self.fault.step() {
            timeline.push(step);
            timeline.push(Step::stretch(LOAD.0));
        }
        let name = format!("selftest-{}", self.name);
        let mut scenario = Scenario::of(name, Some(SEED), load, timeline);
        scenario.data.users = self.users.into();
        scenario.data.items = self.items.into();
        if self.bug.is_some() {
            scenario.settle = Settle {
                timeout: SETTLE.into(),
                ..Settle::default()
            };
        }
        scenario
    }

    /// The seed of its run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        SEED
    }
}

impl Fault {
    fn step(self) -> Option<Step> {
        let step = Step::default();
        match self {
            Self::None => None,
            Self::Kill(target) => Some(Step {
                kill: Some(Hit {
                    target: target.to_owned().into(),
                    count: None,
                }),
                ..step
            }),
            Self::Pause(target) => Some(Step {
                pause: Some(Held {
                    target: target.to_owned().into(),
                    count: None,
                    length: HELD.into(),
                }),
                ..step
            }),
            Self::Partition(from, with) => Some(Step {
                partition: Some(Partition {
                    between: Sides {
                        from: from.to_owned(),
                        with: with.to_owned(),
                        way: Way::Both,
                    }
                    .into(),
                    length: HELD.into(),
                }),
                ..step
            }),
        }
    }
}

/// How a build was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub verdict: Verdict,
    /// How many violations of each label. Suspected ones do not count.
    pub labels: BTreeMap<Label, u64>,
    /// One of the orders that a violation with an expected label names.
    pub order: Option<OrderId>,
    /// Whether that is what it must be.
    pub caught: bool,
    /// How a judge without a reader ended, where that was tried.
    pub unread: Option<Unread>,
    pub took: Duration,
}

impl Outcome {
    /// Compares a judgement with what is expected.
    #[must_use]
    pub fn of(expected: Expected, judgement: &Judgement, took: Duration) -> Self {
        let mut labels = BTreeMap::new();
        let proved = || judgement.violations.iter().filter(|found| !found.suspected);
        for violation in proved() {
            *labels.entry(violation.label).or_default() += 1;
        }
        let wanted = expected.labels();
        let order = proved()
            .filter(|violation| wanted.contains(&violation.label))
            .find_map(|violation| violation.orders.first().copied());
        let of_item = proved()
            .filter(|violation| wanted.contains(&violation.label))
            .any(|violation| matches!(violation.subject, Subject::Item(_)));
        let labelled = wanted.iter().any(|label| labels.contains_key(label));
        let violated = judgement.verdict == Verdict::Violation;
        let caught = match expected {
            Expected::Pass => judgement.verdict == Verdict::Pass,
            Expected::Unknown(word) => {
                let told = judgement.reasons.iter().any(|reason| reason.contains(word));
                judgement.verdict == Verdict::Unknown && told
            }
            Expected::Database(_) => violated && labelled,
            Expected::Item(_) => violated && (of_item || order.is_some()),
            Expected::Order(_) | Expected::OneOf(_) => violated && labelled && order.is_some(),
        };
        Self {
            verdict: judgement.verdict,
            labels,
            order,
            caught,
            unread: None,
            took,
        }
    }

    /// The same, with how a judge ended whose output nobody read: wrong where that changed its exit code.
    #[must_use]
    pub fn unread(self, unread: Unread) -> Self {
        Self {
            caught: self.caught && unread.is_right(),
            unread: Some(unread),
            ..self
        }
    }

    /// What was found, e.g. `DOUBLE 12, STOCK_LEAK 9`; the verdict where nothing was.
    #[must_use]
    pub fn given(&self) -> String {
        if let Some(unread) = self.unread.as_ref().filter(|unread| !unread.is_right()) {
            return unread.to_string();
        }
        if self.labels.is_empty() {
            return self.verdict.to_string();
        }
        let labels = self
            .labels
            .iter()
            .map(|(label, count)| format!("{label} {count}"));
        labels.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests;

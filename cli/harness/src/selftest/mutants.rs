//! The planted bugs, what each must be called, and whether it was.

use std::{collections::BTreeMap, time::Duration};

use checker::{
    Judgement, Verdict,
    verdict::Label::{
        self, CreditLeak, Diverged, Double, LostAck, Overspend, Phantom, PhantomRefund, Reverted,
        SplitBrain, Stuck, Torn,
    },
};
use protocol::OrderId;

use crate::{
    load::Mix,
    project::Profile,
    scenario::{
        Load, Scenario, Settle,
        quantity::Span,
        step::{Hit, Step},
    },
};

/// The seed of every run: a bug that was caught once is caught again.
const SEED: u64 = 1;
const LOAD: Span = Span::seconds(10);
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
    kill: Option<&'static str>,
    mix: &'static str,
    users: u32,
}

/// How it must be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Pass,
    /// A violation with this label, naming an order.
    Order(Label),
    /// A violation with this label, of a database as a whole.
    Database(Label),
    /// A violation with one of these labels, naming an order: which of them is a matter of time.
    OneOf([Label; 2]),
}

impl Expected {
    fn labels(self) -> Vec<Label> {
        match self {
            Self::Pass => Vec::new(),
            Self::Order(label) | Self::Database(label) => vec![label],
            Self::OneOf(labels) => labels.to_vec(),
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels: Vec<String> = self.labels().iter().map(ToString::to_string).collect();
        match self {
            Self::Pass => f.write_str("PASS"),
            Self::Order(_) | Self::Database(_) | Self::OneOf(_) => {
                f.write_str(&labels.join(" or "))
            }
        }
    }
}

const CHECKOUTS: &str = "checkout=80%,find_order=10%,find_item=5%,find_user=5%";

const fn healthy(name: &'static str, about: &'static str) -> Mutant {
    Mutant {
        bug: None,
        name,
        about,
        expected: Expected::Pass,
        profile: Profile::Small,
        kill: None,
        mix: CHECKOUTS,
        users: 1000,
    }
}

const fn mutant(name: &'static str, about: &'static str, expected: Expected) -> Mutant {
    Mutant {
        bug: Some(name),
        expected,
        ..healthy(name, about)
    }
}

const fn clustered(name: &'static str, about: &'static str, expected: Expected) -> Mutant {
    Mutant {
        profile: Profile::Full,
        ..mutant(name, about, expected)
    }
}

/// All of them, the healthy builds first.
pub const MUTANTS: [Mutant; 17] = [
    healthy("healthy", "no bug at all"),
    mutant(
        "publish-twice",
        "no bug: every message is delivered twice, as at-least-once delivery may",
        Expected::Pass,
    ),
    mutant(
        "skip-stock-dedup",
        "messages come twice, and the stock service does not know them again",
        Expected::Order(Double),
    ),
    mutant(
        "skip-payment-dedup",
        "messages come twice, and the payment service does not know them again",
        Expected::Order(Double),
    ),
    mutant(
        "publish-before-commit",
        "commands are published before their saga is committed, which then fails now and then",
        Expected::Order(Double),
    ),
    mutant(
        "acknowledge-before-commit",
        "a checkout is answered with 200 before its saga has ended",
        Expected::Order(LostAck),
    ),
    mutant(
        "reject-what-happens",
        "a checkout is answered with a rejection, and happens all the same",
        Expected::Order(Phantom),
    ),
    mutant(
        "compensate-twice",
        "what was reserved is given back twice",
        Expected::Order(PhantomRefund),
    ),
    mutant(
        "compensate-nothing",
        "a charge that was refused is given back",
        Expected::Order(PhantomRefund),
    ),
    mutant(
        "forget-compensation",
        "a refused charge ends the saga, and the stock stays reserved",
        Expected::Order(Torn),
    ),
    mutant(
        "drop-reply",
        "the answer to a charge is never sent",
        Expected::Order(Stuck),
    ),
    Mutant {
        mix: "checkout=60%,add_funds=40%",
        users: 50,
        ..mutant(
            "lost-update",
            "credit is read, changed and written back under READ COMMITTED",
            Expected::Order(CreditLeak),
        )
    },
    Mutant {
        mix: "checkout=40%,find_order=60%",
        ..mutant(
            "revert-paid",
            "a paid order is unpaid again some seconds later",
            Expected::Order(Reverted),
        )
    },
    mutant(
        "overspend",
        "nobody looks whether a user has the credit",
        Expected::Order(Overspend),
    ),
    clustered(
        "stall-standby",
        "a standby receives everything and stops replaying it",
        Expected::Database(Diverged),
    ),
    clustered(
        "two-primaries",
        "a standby promotes itself, and the primary does not stop for it",
        Expected::Database(SplitBrain),
    ),
    Mutant {
        kill: Some("order-db-primary"),
        ..clustered(
            "asynchronous",
            "synchronous_standby_names is empty, the standbys lag, and the primary is killed",
            Expected::OneOf([LostAck, Torn]),
        )
    },
];

/// Those of a quick test: one for each way to be wrong that a sum over all balances can miss.
pub const QUICK: [&str; 3] = [
    "skip-stock-dedup",
    "acknowledge-before-commit",
    "forget-compensation",
];

impl Mutant {
    /// What is done to it.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        let load = Load {
            mix: self.mix.parse().unwrap_or_else(|_wrong| Mix::default()),
            ..Load::default()
        };
        let mut timeline = vec![Step::stretch(LOAD.0)];
        if let Some(target) = self.kill {
            timeline.push(Step {
                kill: Some(Hit {
                    target: target.to_owned().into(),
                    count: None,
                }),
                ..Step::default()
            });
            timeline.push(Step::stretch(LOAD.0));
        }
        let name = format!("selftest-{}", self.name);
        let mut scenario = Scenario::of(name, Some(SEED), load, timeline);
        scenario.data.users = self.users.into();
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
        let labelled = wanted.iter().any(|label| labels.contains_key(label));
        let violated = judgement.verdict == Verdict::Violation;
        let caught = match expected {
            Expected::Pass => judgement.verdict == Verdict::Pass,
            Expected::Database(_) => violated && labelled,
            Expected::Order(_) | Expected::OneOf(_) => violated && labelled && order.is_some(),
        };
        Self {
            verdict: judgement.verdict,
            labels,
            order,
            caught,
            took,
        }
    }

    /// What was found, e.g. `DOUBLE 12, STOCK_LEAK 9`; the verdict where nothing was.
    #[must_use]
    pub fn given(&self) -> String {
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

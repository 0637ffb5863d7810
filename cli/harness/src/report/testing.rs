//! Reported runs, made from the checker's samples.

use std::{borrow::Cow, path::PathBuf};

use checker::{
    evidence::{Held, HeldUntil},
    sample::{self, Sample},
};

use super::Reported;
use crate::{recorder::Happening, run::plan::Plan};

/// The plan of a kill of the stock primary.
pub(crate) fn plan() -> Plan {
    serde_json::from_str(include_str!("../../tests/plan.json")).unwrap()
}

/// A sample as a run that was recorded.
pub(super) fn reported(sample: Sample) -> Reported {
    let role = |at_us, subject: &str, text: &str| Happening {
        at_us,
        kind: Cow::Borrowed("role"),
        subject: subject.to_owned(),
        text: text.to_owned(),
    };
    Reported {
        run: PathBuf::from("runs").join(&sample.judgement.run),
        plan: plan(),
        judgement: sample.judgement,
        evidence: sample.evidence,
        history: sample.history,
        events: vec![
            role(10_100_000, "stock-db-0", "does not answer"),
            role(10_100_000, "stock-db-1", "standby on timeline 1, epoch 1"),
            role(11_200_000, "stock-db-1", "primary on timeline 2, epoch 2"),
            role(11_300_000, "stock-db-1", "takes writes on timeline 2"),
        ],
        databases: sample
            .snapshots
            .last()
            .map(|last| last.databases.clone())
            .unwrap_or_default(),
        has_scenario: true,
        outcome: None,
    }
}

pub(super) fn pass() -> Reported {
    reported(sample::pass())
}

pub(super) fn violation() -> Reported {
    reported(sample::violation())
}

/// A run whose fault somebody ended early.
pub(super) fn held_too_short() -> Reported {
    let mut run = pass();
    run.evidence.faults[0].held = Some(Held {
        planned_ms: 15_000,
        seen_ms: 1_200,
        until: HeldUntil::Gone,
    });
    run
}

/// One run of every verdict.
pub(super) fn all() -> Vec<Reported> {
    sample::all().into_iter().map(reported).collect()
}

//! Whether what is found in a run can convict at all: its parts are of one run, and what was there before is known.

use super::{Run, earned::parts};

/// What keeps anything that is found from being certain.
pub(crate) struct Footing {
    reasons: Vec<String>,
    /// There were users, items and orders before the load, as far as anybody knows.
    knows_before: bool,
}

impl Footing {
    pub(super) fn of(run: &Run<'_>) -> Self {
        let initial = run.initial;
        let has_orders = !initial.orders.is_empty() || !initial.paid_orders.is_empty();
        Self {
            reasons: foreign_parts(run)
                .into_iter()
                .chain(parts::times(run))
                .collect(),
            knows_before: has_orders && !initial.users.is_empty() && !initial.items.is_empty(),
        }
    }

    pub(super) fn is_firm(&self) -> bool {
        self.reasons.is_empty() && self.knows_before
    }

    /// Which parts are of another run, or of another time.
    pub(super) fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

/// Every part names the run, and the history the seed of its load.
fn foreign_parts(run: &Run<'_>) -> Vec<String> {
    let planned = &run.planned.run;
    let seed = foreign_seed(run);
    let reads = (1..).zip(run.snapshots);
    let reads = reads.map(|(number, read)| (format!("final read {number}"), &read.run));
    let parts = [
        ("history", &run.history.header.run),
        ("state before the load", &run.initial.run),
        ("evidence", &run.evidence.run),
    ];
    let parts = parts.map(|(part, id)| (part.to_owned(), id));
    parts
        .into_iter()
        .chain(reads)
        .filter(|(_, id)| *id != planned)
        .map(|(part, id)| format!("the {part} is of run `{id}`, and the plan of `{planned}`"))
        .chain(seed)
        .collect()
}

/// Another load than the plan's. A history of which nothing was written is of no load at all.
fn foreign_seed(run: &Run<'_>) -> Option<String> {
    let (planned, told) = (run.planned.seed, run.history.header.seed);
    if run.history.attempts.is_empty() || planned == told {
        return None;
    }
    let text = |seed: Option<u64>| seed.map_or("no seed".to_owned(), |seed| format!("seed {seed}"));
    let (planned, told) = (text(planned), text(told));
    Some(format!(
        "the load of the history has {told}, and the plan's has {planned}"
    ))
}

#[cfg(test)]
mod tests {
    use crate::{testing::Case, verdict::Verdict};

    /// A run with a lost order, a lost balance and a negative read in it.
    fn broken() -> Case {
        let mut case = Case::legal();
        let paid = case.paid();
        case.undo(paid);
        case.alter_credit(case.user_of(paid), 7);
        case.read_stock(case.item_of(paid), -1);
        case
    }

    #[test]
    fn parts_of_different_runs_convict_nobody() {
        for swap in [
            (|case| case.history.header.run = "other".to_owned()) as fn(&mut Case),
            |case| case.initial.run = "other".to_owned(),
            |case| case.evidence.run = "other".to_owned(),
            |case| case.snapshots[1].run = "other".to_owned(),
            |case| case.history.header.seed = Some(7),
            |case| case.history.header.seed = None,
            |case| case.planned.seed = None,
            |case| case.initial.taken_at_us += 10_000_000_000,
            |case| case.initial.taken_at_us -= 3_700_000_000,
            |case| case.snapshots[0].taken_at_us = 7,
            |case| case.snapshots[1].taken_at_us += 31 * 86_400_000_000,
            |case| case.snapshots[1].taken_at_us = case.snapshots[0].taken_at_us,
        ] {
            let mut case = broken();
            assert_eq!(case.judge().verdict, Verdict::Violation);
            swap(&mut case);
            let judgement = case.judge();
            assert_eq!(judgement.verdict, Verdict::Unknown);
            assert!(judgement.violations.iter().all(|found| found.suspected));
            let reason = &judgement.reasons[0];
            let told = [
                "is of run `other`",
                "and the plan's has",
                "the state before the load was read",
                "was made",
                " ms apart",
            ];
            assert!(told.iter().any(|told| reason.contains(told)), "{reason}");
        }
    }

    #[test]
    fn without_what_was_there_before_nobody_is_convicted() {
        for forget in [
            (|case| case.initial.orders.clear()) as fn(&mut Case),
            |case| case.initial.users.clear(),
            |case| case.initial.items.clear(),
        ] {
            let mut case = broken();
            forget(&mut case);
            let judgement = case.judge();
            assert_eq!(judgement.verdict, Verdict::Unknown);
            assert!(judgement.violations.iter().all(|found| found.suspected));
        }
    }
}

//! Small simulated runs of every verdict, for the tests of whatever reads a judgement.

use crate::{Evidence, History, Initial, Judgement, Snapshot, Verdict, testing::Case};

/// A simulated run, and how it is judged.
#[derive(Debug, Clone)]
pub struct Sample {
    pub history: History,
    pub initial: Initial,
    pub snapshots: Vec<Snapshot>,
    pub evidence: Evidence,
    pub judgement: Judgement,
}

impl Sample {
    fn of(case: Case, expected: Verdict) -> Self {
        let judgement = case.judge();
        assert_eq!(judgement.verdict, expected, "{:?}", judgement.reasons);
        Self {
            judgement,
            history: case.history,
            initial: case.initial,
            snapshots: case.snapshots,
            evidence: case.evidence,
        }
    }
}

/// Everything held.
#[must_use]
pub fn pass() -> Sample {
    Sample::of(Case::legal(), Verdict::Pass)
}

/// A torn, a lost and a doubled order, a phantom, and balances that do not add up.
#[must_use]
pub fn violation() -> Sample {
    let mut case = Case::legal();
    let paid: Vec<_> = case
        .initial
        .orders
        .iter()
        .map(|row| row.order_id)
        .filter(|order| case.is_paid(*order))
        .collect();
    for (n, order) in paid.iter().take(24).enumerate() {
        match n % 3 {
            0 => case.lose_taking(*order),
            1 => case.undo(*order),
            _ => case.charge(*order, case.cost(*order)),
        }
    }
    case.apply(case.rejected());
    case.alter_credit(case.user_of(case.paid()), -7);
    Sample::of(case, Verdict::Violation)
}

/// The fault was never seen to take effect.
#[must_use]
pub fn unknown() -> Sample {
    let mut case = Case::legal();
    for fault in &mut case.evidence.faults {
        fault.effective_us = None;
        fault.healed_us = None;
        fault.seen.clear();
        fault.missing = vec!["the container's death".to_owned()];
    }
    Sample::of(case, Verdict::Unknown)
}

/// Nobody was served for a while, which was over the budget.
#[must_use]
pub fn slo() -> Sample {
    let mut case = Case::legal();
    case.budgets.served_ratio_min = Some(1.0);
    case.budgets.recovery_ms_max = Some(0);
    Sample::of(case, Verdict::Slo)
}

/// Docker did not do what was asked.
#[must_use]
pub fn harness() -> Sample {
    let mut case = Case::legal();
    let error = "cannot kill the container of stock-db-0: the engine went away";
    case.evidence.harness_errors.push(error.to_owned());
    Sample::of(case, Verdict::Harness)
}

/// One of every verdict.
#[must_use]
pub fn all() -> Vec<Sample> {
    vec![pass(), violation(), unknown(), slo(), harness()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_is_one_sample_of_every_verdict() {
        let verdicts: BTreeSet<u8> = all().iter().map(|s| s.judgement.exit_code).collect();
        assert_eq!(verdicts, BTreeSet::from([0, 1, 2, 3, 4]));
    }
}

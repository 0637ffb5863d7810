//! A PASS is earned: what a run lacks for one although nothing was found to be wrong.

use std::collections::BTreeMap;

use super::Run;
use crate::{
    availability::{Availability, Operation},
    check::Scene,
    evidence::{Evidence, Planned},
    explain::seconds,
    history::{History, Miscount},
    snapshot::Snapshot,
    verdict::{Budgets, Verdict},
};

mod faults;
mod mix;
pub(super) mod parts;
mod reads;
mod sample;
mod under_load;
mod whole;
mod writers;

/// Everything that keeps a run from a PASS, with the verdict that it leads to.
pub(super) fn shortcomings(
    scene: &Scene<'_>,
    operations: &[Operation],
    availability: &Availability,
) -> Vec<(Verdict, String)> {
    let (run, quiet) = (scene.run, scene.quiet);
    let mut found: Vec<(Verdict, String)> = Vec::new();
    let harness = run.evidence.harness_errors.iter();
    found.extend(harness.map(|error| (Verdict::Harness, error.clone())));
    let unknown = |reason: String| (Verdict::Unknown, reason);

    found.extend(quiet.missing().iter().cloned().map(unknown));
    // Whatever else the settling says of itself: what was still missing was missing.
    found.extend(run.evidence.settle.missing.iter().cloned().map(unknown));
    if !run.initial.sagas.is_empty() {
        let open = run.initial.sagas.len();
        found.push(unknown(format!(
            "{open} sagas were running before the load began"
        )));
    }
    found.extend(run.evidence.unmet.iter().cloned().map(unknown));
    found.extend(ending(run.history).map(unknown));
    found.extend(load(operations).into_iter().map(unknown));
    found.extend(mix::missing(run, operations).into_iter().map(unknown));
    found.extend(mix::strangers(run, operations).into_iter().map(unknown));
    found.extend(coverage(run, scene.last).into_iter().map(unknown));
    found.extend(parts::strangers(scene).into_iter().map(unknown));
    found.extend(whole::flaws(run).into_iter().map(unknown));
    found.extend(faults::unlike_planned(run).into_iter().map(unknown));
    found.extend(reads::unlike(scene).into_iter().map(unknown));
    found.extend(sample::thin(scene).into_iter().map(unknown));
    found.extend(writers::gaps(run).into_iter().map(unknown));
    found.extend(under_load::faults(run).into_iter().map(unknown));
    found.extend(under_load::counts(run, operations).into_iter().map(unknown));
    found.extend(recoveries(run.budgets, availability));
    let slow = budgets(run, availability).into_iter();
    let slow = slow.chain(late(run.planned, run.evidence));
    found.extend(slow.map(|reason| (Verdict::Slo, reason)));
    found
}

/// The clients lived to see each of their operations end. What a stopped one planned to do, nobody knows.
fn ending(history: &History) -> Option<String> {
    if let Some(line) = history.truncated_line {
        return Some(format!("the history is cut off in line {line}"));
    }
    if let Some(Miscount { told, read }) = history.miscount {
        return Some(format!(
            "the history has {read} records, and its end says {told}"
        ));
    }
    if let Some(lack) = history.lack() {
        return Some(lack.to_string());
    }
    let Some(ended_us) = history.ended_at_us else {
        return Some("the history has no end: whoever wrote it was stopped".to_owned());
    };
    let last_us = history.last_us().filter(|last_us| *last_us > ended_us)?;
    let (ended, last) = (seconds(ended_us), seconds(last_us));
    Some(format!(
        "the history ends at {ended}, and has a record of {last}"
    ))
}

/// There was a load, and each kind of operation succeeded at least once.
fn load(operations: &[Operation]) -> Vec<String> {
    if operations.is_empty() {
        return vec!["the history is empty: there was no load".to_owned()];
    }
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::from([("checkout", 0)]);
    for operation in operations {
        *kinds.entry(operation.op.name()).or_default() += u64::from(operation.ok_at_us.is_some());
    }
    kinds
        .into_iter()
        .filter(|(_, ok)| *ok == 0)
        .map(|(kind, _)| format!("no {kind} was ever ok"))
        .collect()
}

/// The final reads know what was there before.
fn coverage(run: &Run<'_>, last: &Snapshot) -> Vec<String> {
    let mut reasons = Vec::new();
    if run.initial.users.is_empty() || run.initial.items.is_empty() {
        reasons.push("the balances before the load are not known".to_owned());
    }
    if last.orders.is_empty() {
        reasons.push("the final reads have no orders".to_owned());
    }
    reasons
}

/// What came of the faults later than the plan expects.
fn late(planned: &Planned, evidence: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    for fault in &evidence.faults {
        let Some(effective_us) = fault.effective_us else {
            // Said already: it took no effect.
            continue;
        };
        let after = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?) / 1000);
        let planned = planned.faults.get(fault.place);
        let expected = planned.map_or(&fault.expected, |planned| &planned.expected);
        for (what, took, max) in [
            (
                "its effect",
                after(fault.injected_us, Some(effective_us)),
                expected.effective_ms_max,
            ),
            (
                "a new primary",
                after(Some(effective_us), fault.writable_us),
                expected.writable_ms_max,
            ),
            (
                "the healing",
                after(Some(effective_us), fault.healed_us),
                expected.healed_ms_max,
            ),
        ] {
            let name = &fault.name;
            match (took, max) {
                (Some(took), Some(max)) if took > max => {
                    reasons.push(format!("{name}: {what} took {took} ms, of at most {max}"));
                }
                (None, Some(max)) => {
                    reasons.push(format!(
                        "{name}: {what} never came, within {max} ms it should"
                    ));
                }
                (_, None) | (Some(_), Some(_)) => {}
            }
        }
    }
    reasons
}

/// What came back later than allowed. Where the next fault, or the load's end, came before the budget was over, nobody knows.
fn recoveries(budgets: &Budgets, availability: &Availability) -> Vec<(Verdict, String)> {
    let mut reasons = Vec::new();
    for recovery in &availability.recoveries {
        let (fault, watched) = (&recovery.fault, recovery.watched_ms);
        for (what, took, max) in [
            ("recovery", recovery.recovery_ms, budgets.recovery_ms_max),
            (
                "the first ok checkout",
                recovery.first_ok_checkout_ms,
                budgets.first_checkout_ms_max,
            ),
        ] {
            let Some(max) = max else { continue };
            match took {
                Some(took) if took > max => reasons.push((
                    Verdict::Slo,
                    format!("{fault}: {what} took {took} ms, of at most {max}"),
                )),
                Some(_) => {}
                None if watched > max => reasons.push((
                    Verdict::Slo,
                    format!("{fault}: {what} took > {watched} ms, of at most {max}"),
                )),
                None => reasons.push((
                    Verdict::Unknown,
                    format!("{fault}: {what} was watched for {watched} ms, and may take {max}"),
                )),
            }
        }
    }
    reasons
}

/// What was less available than allowed.
fn budgets(run: &Run<'_>, availability: &Availability) -> Vec<String> {
    let budgets = run.budgets;
    let mut reasons = Vec::new();
    let gap = availability.longest_gap_ms;
    if let Some(max) = budgets.gap_ms_max
        && gap > max
    {
        reasons.push(format!(
            "{gap} ms went by without an ok checkout, of at most {max}"
        ));
    }
    let p99 = availability.checkout_latency.p99_ms;
    if let Some(max) = budgets.checkout_p99_ms_max
        && p99 > max as f64
    {
        reasons.push(format!(
            "p99 of the checkouts is {p99} ms, of at most {max}"
        ));
    }
    if let Some(min) = budgets.served_ratio_min
        && availability.served_ratio < min
    {
        let ratio = availability.served_ratio;
        reasons.push(format!(
            "{ratio:.4} of the operations were served, of at least {min}"
        ));
    }
    if let Some(max) = budgets.server_errors_max
        && availability.checkout_server_errors > max
    {
        let errors = availability.checkout_server_errors;
        reasons.push(format!(
            "{errors} checkouts were answered with a 5xx, of at most {max}"
        ));
    }
    reasons
}

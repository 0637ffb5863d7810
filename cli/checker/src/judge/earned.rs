//! A PASS is earned: what a run lacks for one although nothing was found to be wrong.

use std::collections::BTreeMap;

use super::Run;
use crate::{
    availability::{Availability, Operation},
    check::Scene,
    evidence::Evidence,
    history::{History, Op},
    outcome::Class,
    snapshot::Snapshot,
    verdict::{Budgets, Verdict},
};

/// How near to a fault's effect there must have been load on both sides of it.
const IN_FLIGHT_US: u64 = 1_000_000;

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
    if !quiet.is_quiet() {
        found.extend(run.evidence.settle.missing.iter().cloned().map(unknown));
    }
    if !run.initial.sagas.is_empty() {
        let open = run.initial.sagas.len();
        found.push(unknown(format!(
            "{open} sagas were running before the load began"
        )));
    }
    found.extend(run.evidence.unmet.iter().cloned().map(unknown));
    found.extend(ending(run.history).map(unknown));
    found.extend(load(operations).into_iter().map(unknown));
    found.extend(coverage(run, scene.last).into_iter().map(unknown));
    found.extend(faults(run, operations).into_iter().map(unknown));
    found.extend(counts(run, operations).into_iter().map(unknown));
    let slow = budgets(run, availability).into_iter();
    let slow = slow.chain(late(run.evidence));
    found.extend(slow.map(|reason| (Verdict::Slo, reason)));
    found
}

/// The clients lived to see each of their operations end. What a stopped one planned to do, nobody knows.
fn ending(history: &History) -> Option<String> {
    if let Some(line) = history.truncated_line {
        return Some(format!("the history is cut off in line {line}"));
    }
    let ended = history.ended_at_us.is_some();
    (!ended).then(|| "the history has no end: whoever wrote it was stopped".to_owned())
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

/// Every planned fault took effect while load was in flight.
fn faults(run: &Run<'_>, operations: &[Operation]) -> Vec<String> {
    let mut reasons = Vec::new();
    for fault in &run.evidence.faults {
        let name = &fault.name;
        let Some(effective_us) = fault.effective_us else {
            reasons.push(format!("{name}: it was not seen to take effect"));
            continue;
        };
        for missing in &fault.missing {
            reasons.push(format!("{name}: not seen: {missing}"));
        }
        if let Some(held) = fault.held.filter(|held| !held.is_as_planned()) {
            reasons.push(format!("{name}: {held}"));
        }
        let sent = |from: u64, to: u64| {
            operations
                .iter()
                .any(|operation| (from..=to).contains(&operation.sent_us))
        };
        let before = sent(effective_us.saturating_sub(IN_FLIGHT_US), effective_us);
        let after = sent(effective_us, effective_us.saturating_add(IN_FLIGHT_US));
        let in_flight = operations
            .iter()
            .any(|operation| (operation.sent_us..=operation.last_seen_us).contains(&effective_us));
        if !(before && after || in_flight) {
            reasons.push(format!("{name}: there was no load when it took effect"));
        }
        if fault.healed_us.is_none() {
            reasons.push(format!("{name}: it was not seen to be healed"));
        }
    }
    reasons
}

/// Enough succeeded before, during and after the faults.
fn counts(run: &Run<'_>, operations: &[Operation]) -> Vec<String> {
    let faults = &run.evidence.faults;
    let ok = |from: u64, to: u64| {
        let within = |at: &u64| (from..to).contains(at);
        let ok = operations.iter().filter_map(|operation| operation.ok_at_us);
        ok.filter(within).count() as u64
    };
    let budgets = run.budgets;
    let mut wanted = Vec::new();
    let first = faults.iter().filter_map(|fault| fault.effective_us).min();
    let healed = faults.iter().filter_map(|fault| fault.healed_us).max();
    match (first, healed) {
        _ if faults.is_empty() => {
            wanted.push(("in the run", ok(0, u64::MAX), budgets.ok_before_min));
        }
        (Some(first), Some(healed)) => {
            wanted.push(("before the fault", ok(0, first), budgets.ok_before_min));
            wanted.push(("during the fault", ok(first, healed), budgets.ok_during_min));
            let after = ok(healed, u64::MAX);
            wanted.push(("after the fault was healed", after, budgets.ok_after_min));
        }
        // Said already: a fault without effect, or one that was never healed.
        (None, _) | (_, None) => {}
    }
    let mut reasons = amounts(operations, budgets);
    let few = wanted
        .into_iter()
        .filter(|(_, ok, min)| ok < min)
        .map(|(when, ok, min)| format!("{ok} operations were ok {when}, of at least {min}"));
    reasons.extend(few);
    reasons
}

/// Enough checkouts succeeded in all, and not too much is unknown.
fn amounts(operations: &[Operation], budgets: &Budgets) -> Vec<String> {
    let mut reasons = Vec::new();
    let checkouts = operations
        .iter()
        .filter(|operation| matches!(operation.op, Op::Checkout { .. }));
    let ok = checkouts
        .filter(|checkout| checkout.ok_at_us.is_some())
        .count() as u64;
    let min = budgets.ok_checkouts_min;
    if ok < min {
        reasons.push(format!("{ok} checkouts were ok, of at least {min}"));
    }
    let unknown = operations
        .iter()
        .filter(|operation| operation.class == Class::Info)
        .count();
    let share = unknown as f64 / operations.len().max(1) as f64;
    if let Some(max) = budgets.unknown_ratio_max
        && share > max
    {
        reasons.push(format!(
            "the outcome of {share:.4} of the operations is unknown, of at most {max}"
        ));
    }
    reasons
}

/// What came of the faults later than it was expected.
fn late(evidence: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    for fault in &evidence.faults {
        let Some(effective_us) = fault.effective_us else {
            // Said already: it took no effect.
            continue;
        };
        let after = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?) / 1000);
        let expected = &fault.expected;
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

/// What was slower or less available than allowed.
fn budgets(run: &Run<'_>, availability: &Availability) -> Vec<String> {
    let budgets = run.budgets;
    let mut reasons = Vec::new();
    for recovery in &availability.recoveries {
        let fault = &recovery.fault;
        for (what, took, max) in [
            ("recovery", recovery.recovery_ms, budgets.recovery_ms_max),
            (
                "the first ok checkout",
                recovery.first_ok_checkout_ms,
                budgets.first_checkout_ms_max,
            ),
        ] {
            match (took, max) {
                (Some(took), Some(max)) if took > max => {
                    reasons.push(format!("{fault}: {what} took {took} ms, of at most {max}"));
                }
                (None, Some(max)) => {
                    let watched = recovery.watched_ms;
                    reasons.push(format!(
                        "{fault}: {what} took > {watched} ms, of at most {max}"
                    ));
                }
                (_, None) | (Some(_), Some(_)) => {}
            }
        }
    }
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

//! A fault counts only where checkouts really were under way, and what counts around it are checkouts that were ok.

use crate::{
    availability::Operation,
    evidence::FaultEvidence,
    explain::seconds,
    history::{Attempt, Op},
    judge::Run,
    outcome::Class,
    verdict::Budgets,
};

/// How near to a fault's effect a checkout must have been sent on both sides of it.
const NEAR_US: u64 = 1_000_000;
/// Faults that follow each other within this time are one stretch: between them nobody need be served.
const APART_US: u64 = 1_000_000;

/// Every planned fault took effect while a checkout that was sent was in flight, or between two that were. The victims of
/// one fault are hit together: the first of them may be what every checkout goes through.
pub(super) fn faults(run: &Run<'_>) -> Vec<String> {
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
        let mut moments = moments(&run.evidence.faults, fault.place, effective_us);
        if !moments.any(|at_us| is_under_load(&run.history.attempts, at_us)) {
            reasons.push(format!(
                "{name}: no checkout was under way when it took effect"
            ));
        }
        if fault.healed_us.is_none() {
            reasons.push(format!("{name}: it was not seen to be healed"));
        }
    }
    reasons
}

/// When a fault took effect on a victim: then, or on another of its victims just before.
fn moments(
    faults: &[FaultEvidence],
    place: usize,
    effective_us: u64,
) -> impl Iterator<Item = u64> + '_ {
    let together = effective_us.saturating_sub(NEAR_US)..=effective_us;
    let own = faults.iter().filter(move |fault| fault.place == place);
    own.filter_map(|fault| fault.effective_us)
        .filter(move |at_us| together.contains(at_us))
}

fn is_under_load(attempts: &[Attempt], effective_us: u64) -> bool {
    let (mut before, mut after) = (false, false);
    for attempt in attempts {
        if !is_checkout(attempt.invoke.op) {
            continue;
        }
        let Some(in_flight) = attempt.in_flight_us() else {
            continue;
        };
        let sent_us = *in_flight.start();
        before |= sent_us <= effective_us && effective_us - sent_us <= NEAR_US;
        after |= sent_us >= effective_us && sent_us - effective_us <= NEAR_US;
        if in_flight.contains(&effective_us) || (before && after) {
            return true;
        }
    }
    false
}

fn is_checkout(op: Op) -> bool {
    matches!(op, Op::Checkout { .. })
}

/// Enough checkouts were ok before, during and after the faults, and one at least after each healing.
pub(super) fn counts(run: &Run<'_>, operations: &[Operation]) -> Vec<String> {
    let (faults, budgets) = (&run.evidence.faults, run.budgets);
    let ok: Vec<u64> = operations
        .iter()
        .filter(|operation| is_checkout(operation.op))
        .filter_map(|operation| operation.ok_at_us)
        .collect();
    let count = |within: &dyn Fn(u64) -> bool| ok.iter().filter(|at| within(**at)).count() as u64;
    let mut reasons = amounts(operations, ok.len() as u64, budgets);
    let mut wanted = Vec::new();
    let spans: Option<Vec<Span>> = faults.iter().map(Span::of).collect();
    match spans {
        _ if faults.is_empty() => {
            wanted.push(("in the run", count(&|_| true), budgets.ok_before_min));
        }
        Some(spans) => {
            let first = spans.iter().map(|span| span.from_us).min().unwrap_or(0);
            let last = spans.iter().map(|span| span.to_us).max().unwrap_or(0);
            let before = count(&|at| at < first);
            let during = count(&|at| spans.iter().any(|span| span.contains(at)));
            let after = count(&|at| at >= last);
            wanted.push(("before the fault", before, budgets.ok_before_min));
            wanted.push(("during the fault", during, budgets.ok_during_min));
            wanted.push(("after the fault was healed", after, budgets.ok_after_min));
            reasons.extend(unserved(spans, &ok));
        }
        // Said already: a fault without effect, or one that was never healed.
        None => {}
    }
    let few = wanted
        .into_iter()
        .filter(|(_, ok, min)| ok < min)
        .map(|(when, ok, min)| format!("{ok} checkouts were ok {when}, of at least {min}"));
    reasons.extend(few);
    reasons
}

/// The time in which a fault was in effect: from its effect until just before it was healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from_us: u64,
    to_us: u64,
}

impl Span {
    fn of(fault: &FaultEvidence) -> Option<Self> {
        let (from_us, healed_us) = (fault.effective_us?, fault.healed_us?);
        Some(Self {
            from_us,
            to_us: healed_us.max(from_us),
        })
    }

    fn contains(&self, at_us: u64) -> bool {
        (self.from_us..self.to_us).contains(&at_us)
    }
}

/// The spans, those that touch or follow each other closely as one, in the order of time.
fn stretches(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| span.from_us);
    let mut stretches: Vec<Span> = Vec::new();
    for span in spans {
        match stretches.last_mut() {
            Some(last) if span.from_us <= last.to_us.saturating_add(APART_US) => {
                last.to_us = last.to_us.max(span.to_us);
            }
            Some(_) | None => stretches.push(span),
        }
    }
    stretches
}

/// The healings after which no checkout was ok until the next stretch began.
fn unserved(spans: Vec<Span>, ok: &[u64]) -> Vec<String> {
    let stretches = stretches(spans);
    let next = stretches.iter().skip(1).map(|stretch| stretch.from_us);
    let until = next.chain([u64::MAX]);
    let served = |from: u64, until: u64| ok.iter().any(|at| (from..until).contains(at));
    stretches
        .iter()
        .zip(until)
        .filter(|(stretch, until)| !served(stretch.to_us, *until))
        .map(|(stretch, _)| {
            let at = seconds(stretch.to_us);
            format!("no checkout was ok after the healing at {at}")
        })
        .collect()
}

/// Enough checkouts succeeded in all, and not too much is unknown.
fn amounts(operations: &[Operation], ok: u64, budgets: &Budgets) -> Vec<String> {
    let mut reasons = Vec::new();
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

#[cfg(test)]
mod tests {
    use crate::{
        history::{Attempt, Miscount},
        outcome::Broken,
        testing::Case,
        verdict::{Judgement, Verdict},
    };

    use super::is_checkout;

    fn told(judgement: &Judgement) -> Vec<&str> {
        judgement.reasons.iter().map(String::as_str).collect()
    }

    /// Keeps of the attempts only what fits.
    fn keep(case: &mut Case, fits: impl Fn(&Attempt) -> bool) {
        case.history.attempts.retain(fits);
        case.number_anew();
    }

    fn never_sent(attempt: &mut Attempt) {
        if let Some(complete) = &mut attempt.complete {
            complete.class = crate::outcome::Class::Fail;
            complete.broken = Some(Broken::NotSent);
            complete.status = None;
            complete.value = None;
        }
    }

    const EFFECT_US: u64 = 10_000_000;

    /// Nothing that was sent is nearer to the fault's effect than two seconds, but for what `is_left` says.
    fn lonely(is_left: impl Fn(&Attempt) -> bool) -> Case {
        let mut case = Case::legal();
        keep(&mut case, |attempt| {
            let distance = attempt.invoke.sent_us.abs_diff(EFFECT_US);
            distance > 2_000_000 || is_left(attempt)
        });
        case
    }

    #[test]
    fn a_fault_among_checkouts_that_were_sent_counts() {
        let case = lonely(|attempt| is_checkout(attempt.invoke.op));
        assert_eq!(told(&case.judge()), [""; 0]);
    }

    #[test]
    fn reads_around_a_fault_prove_nothing() {
        let mut case = lonely(|attempt| !is_checkout(attempt.invoke.op));
        // Nothing came of them either.
        case.history.miscount = Some(Miscount { told: 9, read: 7 });
        let judgement = case.judge();
        assert_eq!(judgement.verdict, Verdict::Unknown);
        let reason = "kill stock-db-primary: no checkout was under way when it took effect";
        assert!(told(&judgement).contains(&reason), "{judgement:?}");
    }

    #[test]
    fn checkouts_that_were_never_sent_prove_nothing() {
        let mut case = lonely(|attempt| is_checkout(attempt.invoke.op));
        for attempt in &mut case.history.attempts {
            if attempt.invoke.sent_us.abs_diff(EFFECT_US) <= 2_000_000 {
                never_sent(attempt);
            }
        }
        let reasons = case.judge().reasons;
        let told = reasons
            .iter()
            .any(|reason| reason.contains("no checkout was under way"));
        assert!(told, "{reasons:?}");
    }

    /// The gateway is hit first, and nothing gets through to the shop while the next victims die.
    #[test]
    fn victims_that_are_hit_together_are_hit_under_one_load() {
        for (later_us, place, counts) in [
            (900_000, 0, true),
            (1_100_000, 0, false),
            (900_000, 1, false),
        ] {
            let mut case = lonely(|attempt| is_checkout(attempt.invoke.op));
            let effective_us = case.evidence.faults[0].effective_us.unwrap();
            let is_last = |it: &&mut Attempt| {
                let ended_us = it.complete.as_ref().map_or(u64::MAX, |end| end.at_us);
                is_checkout(it.invoke.op) && ended_us < effective_us
            };
            let mut attempts = case.history.attempts.iter_mut().rev();
            let on_its_way = attempts.find(is_last).unwrap();
            if let Some(complete) = &mut on_its_way.complete {
                complete.at_us = effective_us + 100_000;
            }
            for attempt in &mut case.history.attempts {
                let sent_us = attempt.invoke.sent_us;
                let ended_us = attempt.complete.as_ref().map_or(u64::MAX, |end| end.at_us);
                let is_over = ended_us < effective_us + 500_000;
                if !(is_over && sent_us < effective_us) && sent_us < effective_us + 4_000_000 {
                    never_sent(attempt);
                }
            }
            let mut second = case.evidence.faults[0].clone();
            second.target = "stock-db-1".to_owned();
            second.place = place;
            second.effective_us = Some(effective_us + later_us);
            case.evidence.faults.push(second);
            let reasons = case.judge().reasons;
            let missed = reasons
                .iter()
                .any(|told| told.contains("no checkout was under way"));
            assert_eq!(!missed, counts, "{later_us} {place}: {reasons:?}");
        }
    }

    #[test]
    fn only_checkouts_count_before_during_and_after() {
        let mut case = Case::legal();
        // Reads alone were ok after the healing.
        let healed_us = case.evidence.faults[0].healed_us.unwrap();
        keep(&mut case, |attempt| {
            !is_checkout(attempt.invoke.op) || attempt.invoke.sent_us < healed_us - 2_000_000
        });
        let judgement = case.judge();
        assert!(
            told(&judgement)
                .contains(&"0 checkouts were ok after the fault was healed, of at least 3"),
            "{:?}",
            judgement.reasons
        );
    }

    /// Two faults of two seconds each, far apart.
    fn twice() -> Case {
        let mut case = Case::legal();
        let first = &mut case.evidence.faults[0];
        (first.effective_us, first.healed_us) = (Some(EFFECT_US), Some(12_000_000));
        let mut second = first.clone();
        second.place = 1;
        second.injected_us = Some(20_000_000);
        (second.effective_us, second.healed_us) = (Some(20_000_000), Some(22_000_000));
        case.evidence.faults.push(second);
        let again = case.planned.faults[0].clone();
        case.planned.faults.push(again);
        case
    }

    #[test]
    fn what_was_ok_between_two_faults_was_not_during_them() {
        let mut case = twice();
        assert_eq!(told(&case.judge()), [""; 0]);
        case.budgets.ok_during_min = 1_000;
        let reasons = case.judge().reasons;
        let counted = |text: &str| -> u64 { text.split(' ').next().unwrap().parse().unwrap() };
        // Four seconds at ten orders a second, of which not all are ok.
        assert!(counted(&reasons[0]) < 40, "{reasons:?}");
        assert!(reasons[0].contains("checkouts were ok during the fault"));
    }

    #[test]
    fn after_each_healing_a_checkout_must_be_ok() {
        let mut case = twice();
        keep(&mut case, |attempt| {
            let between = 11_900_000..19_500_000;
            !between.contains(&attempt.invoke.sent_us)
        });
        let unserved = "no checkout was ok after the healing at 12.000 s";
        assert!(told(&case.judge()).contains(&unserved));
        // Faults that overlap are one stretch: after the first healing nobody need be served.
        case.evidence.faults[0].healed_us = Some(21_000_000);
        let reasons = case.judge().reasons;
        assert!(
            !reasons
                .iter()
                .any(|told| told.contains("after the healing"))
        );
    }
}

//! The evidence of each fault is of what the plan says: of its victims and as many, held for as long, and in its order.

use std::collections::BTreeSet;

use crate::{
    evidence::{FaultEvidence, HELD_SLACK_MS, PlannedFault},
    judge::Run,
};

/// How much sooner than planned a fault may be injected, in milliseconds: clocks are read one after the other.
const SOONER_MS: u64 = 100;

/// What in the evidence of the faults is not as planned, or cannot be as it says.
pub(super) fn unlike_planned(run: &Run<'_>) -> Vec<String> {
    let planned = &run.planned.faults;
    let mut reasons = Vec::new();
    let mut before_us = 0;
    for (place, plan) in planned.iter().enumerate() {
        let faults = run.evidence.faults.iter();
        let own: Vec<&FaultEvidence> = faults.filter(|fault| fault.place == place).collect();
        reasons.extend(victims(place, plan, &own));
        reasons.extend(order(plan, &own, &mut before_us));
        for fault in own.iter().filter(|fault| fault.effective_us.is_some()) {
            reasons.extend(times(fault));
            reasons.extend(hold(plan, fault));
        }
    }
    let named = |fault: &FaultEvidence| planned.get(fault.place).map(|plan| &plan.name);
    let strange = run.evidence.faults.iter();
    let strange = strange.filter(|fault| named(fault) != Some(&fault.name));
    reasons.extend(
        strange.map(|fault| format!("{}: it is not what the plan has in its place", fault.name)),
    );
    reasons
}

/// As many as the plan's targets were, each told of once, and nobody whom the plan does not aim at.
fn victims(place: usize, plan: &PlannedFault, own: &[&FaultEvidence]) -> Vec<String> {
    let (name, number) = (&plan.name, place + 1);
    if !own.iter().any(|fault| fault.name == *name) {
        return vec![format!(
            "of the planned fault {number}, {name}, there is no evidence"
        )];
    }
    let mut reasons = Vec::new();
    let mut targets = BTreeSet::new();
    for fault in own {
        if !targets.insert(&fault.target) {
            let target = &fault.target;
            reasons.push(format!("{name}: {target} is told of twice as its victim"));
        }
    }
    // One that never came to be names no victim, and that is said already.
    let happened = own.iter().all(|fault| fault.injected_us.is_some());
    if happened && targets.len() < plan.victims {
        let (seen, victims) = (targets.len(), plan.victims);
        reasons.push(format!("{name}: it hit {seen} tasks of {victims}"));
    }
    let hit = own.iter().filter(|fault| fault.injected_us.is_some());
    let hit: BTreeSet<&String> = hit.map(|fault| &fault.target).collect();
    if let Some(most) = plan.victims_max.filter(|most| hit.len() > *most) {
        let seen = hit.len();
        reasons.push(format!(
            "{name}: it hit {seen} tasks, and by the plan {most}"
        ));
    }
    let strangers = hit.into_iter().filter(|target| !plan.aim.may_hit(target));
    reasons.extend(
        strangers
            .map(|target| format!("{name}: it hit {target}, which is no target of the plan's")),
    );
    reasons
}

/// Faults are injected one after the other, each when all that the plan has before it is over. `before_us` is when the last
/// of those before was injected, and becomes when the last of these was.
fn order(plan: &PlannedFault, own: &[&FaultEvidence], before_us: &mut u64) -> Option<String> {
    let injected = own.iter().filter_map(|fault| fault.injected_us);
    let (first_us, last_us) = (injected.clone().min()?, injected.max()?);
    let after_us = plan.after_ms.saturating_sub(SOONER_MS).saturating_mul(1000);
    let soonest_us = before_us.saturating_add(after_us);
    *before_us = last_us.max(*before_us);
    (first_us < soonest_us).then(|| {
        format!(
            "{}: it was injected at {} ms, and by the plan not before {} ms",
            plan.name,
            first_us / 1000,
            soonest_us / 1000
        )
    })
}

/// It was injected, then seen to take effect, then healed.
fn times(fault: &FaultEvidence) -> Vec<String> {
    let name = &fault.name;
    let mut reasons = Vec::new();
    if fault.seen.is_empty() {
        reasons.push(format!("{name}: nothing says what was seen of its effect"));
    }
    match fault.injected_us {
        None => reasons.push(format!("{name}: it took effect and was never injected")),
        Some(injected_us) if fault.effective_us < Some(injected_us) => {
            reasons.push(format!("{name}: it took effect before it was injected"));
        }
        Some(_) => {}
    }
    if fault.writable_us.is_some() && fault.writable_us < fault.injected_us {
        reasons.push(format!(
            "{name}: its database had a new primary before it was injected"
        ));
    }
    if fault.healed_us.is_some() && fault.healed_us < fault.effective_us {
        reasons.push(format!("{name}: it was healed before it took effect"));
    }
    reasons
}

/// It was held for as long as the plan says, and then lifted.
fn hold(plan: &PlannedFault, fault: &FaultEvidence) -> Option<String> {
    let name = &fault.name;
    let (planned_ms, held) = match (plan.held_ms, fault.held) {
        (None, None) => return None,
        (None, Some(_)) => {
            return Some(format!("{name}: by the plan it is not held, and it was"));
        }
        (Some(_), None) => return Some(format!("{name}: nothing says for how long it was held")),
        (Some(planned_ms), Some(held)) => (planned_ms, held),
    };
    if held.planned_ms != planned_ms {
        let told_ms = held.planned_ms;
        return Some(format!(
            "{name}: it is told to be held for {told_ms} ms, and planned for {planned_ms} ms"
        ));
    }
    if held.is_as_planned() && !held.until.is_as_planned() {
        return Some(format!("{name}: it was not lifted by the run"));
    }
    let least_us = held
        .seen_ms
        .saturating_sub(HELD_SLACK_MS)
        .saturating_mul(1000);
    let gone_us = fault.effective_us?.saturating_add(least_us);
    let healed_us = fault.healed_us?;
    (healed_us < gone_us).then(|| format!("{name}: it was healed while it was held"))
}

#[cfg(test)]
mod tests {
    use crate::{
        evidence::{Aim, Expected, Held, HeldUntil},
        testing::Case,
        verdict::Verdict,
    };

    /// What is done to a run that is otherwise legal, and what is said of it.
    type Forgery = (fn(&mut Case), &'static str);

    const FORGERIES: [Forgery; 23] = [
        (
            |case| case.evidence.faults[0].writable_us = Some(9_999_999),
            "kill stock-db-primary: its database had a new primary before it was injected",
        ),
        (
            |case| {
                let name = "pause redis".to_owned();
                let fault = case.planned.faults[0].clone();
                case.planned
                    .faults
                    .push(super::PlannedFault { name, ..fault });
            },
            "of the planned fault 2, pause redis, there is no evidence",
        ),
        (
            |case| case.evidence.faults[0].place = 1,
            "kill stock-db-primary: it is not what the plan has in its place",
        ),
        (
            |case| case.evidence.faults[0].name = "kill redis".to_owned(),
            "kill redis: it is not what the plan has in its place",
        ),
        (
            |case| case.planned.faults[0].victims = 2,
            "kill stock-db-primary: it hit 1 tasks of 2",
        ),
        (
            |case| {
                case.planned.faults[0].victims = 2;
                let again = case.evidence.faults[0].clone();
                case.evidence.faults.push(again);
            },
            "kill stock-db-primary: stock-db-0 is told of twice as its victim",
        ),
        (
            |case| case.planned.faults[0].aim = Aim::TasksOf(vec!["stock-db-1".to_owned()]),
            "kill stock-db-primary: it hit stock-db-0, which is no target of the plan's",
        ),
        (
            |case| case.planned.faults[0].aim = Aim::Tasks(vec!["stock-db-0.1".to_owned()]),
            "kill stock-db-primary: it hit stock-db-0, which is no target of the plan's",
        ),
        (
            |case| {
                case.planned.faults[0].victims_max = Some(1);
                let mut again = case.evidence.faults[0].clone();
                again.target = "stock-db-1".to_owned();
                case.evidence.faults.push(again);
            },
            "kill stock-db-primary: it hit 2 tasks, and by the plan 1",
        ),
        (
            |case| case.evidence.faults[0].seen.clear(),
            "kill stock-db-primary: nothing says what was seen of its effect",
        ),
        (
            |case| case.evidence.faults[0].injected_us = None,
            "kill stock-db-primary: it took effect and was never injected",
        ),
        (
            |case| case.evidence.faults[0].injected_us = Some(10_000_001),
            "kill stock-db-primary: it took effect before it was injected",
        ),
        (
            |case| case.evidence.faults[0].healed_us = Some(9_999_999),
            "kill stock-db-primary: it was healed before it took effect",
        ),
        (
            |case| case.planned.faults[0].after_ms = 10_101,
            "kill stock-db-primary: it was injected at 10000 ms, and by the plan not before 10001 ms",
        ),
        (
            |case| {
                let (first, mut second) =
                    (&mut case.planned.faults, case.evidence.faults[0].clone());
                first.push(first[0].clone());
                second.place = 1;
                second.injected_us = Some(9_999_999);
                case.evidence.faults.push(second);
            },
            "kill stock-db-primary: it was injected at 9999 ms, and by the plan not before 10000 ms",
        ),
        (
            |case| held(case, |held| *held = None),
            "kill stock-db-primary: nothing says for how long it was held",
        ),
        (
            |case| {
                held(case, |_| {});
                case.planned.faults[0].held_ms = None;
            },
            "kill stock-db-primary: by the plan it is not held, and it was",
        ),
        (
            |case| {
                held(case, |held| {
                    let held = held.as_mut().unwrap();
                    (held.planned_ms, held.seen_ms) = (1_000, 1_000);
                });
            },
            "kill stock-db-primary: it is told to be held for 1000 ms, and planned for 8000 ms",
        ),
        (
            |case| held(case, |held| held.as_mut().unwrap().seen_ms = 7_499),
            "kill stock-db-primary: held 7.4 of 8 s",
        ),
        (
            |case| held(case, |held| held.as_mut().unwrap().until = HeldUntil::Gone),
            "kill stock-db-primary: it was not lifted by the run",
        ),
        (
            |case| {
                held(case, |held| {
                    held.as_mut().unwrap().until = HeldUntil::RunEnded
                })
            },
            "kill stock-db-primary: it was not lifted by the run",
        ),
        (
            |case| {
                held(case, |_| {});
                case.evidence.faults[0].healed_us = Some(17_499_999);
            },
            "kill stock-db-primary: it was healed while it was held",
        ),
        (
            |case| {
                held(case, |_| {});
                case.evidence.faults[0].healed_us = None;
            },
            "kill stock-db-primary: it was not seen to be healed",
        ),
    ];

    /// The fault is held for 8 s from 10 s on, but for what `change` does to its evidence.
    fn held(case: &mut Case, change: impl FnOnce(&mut Option<Held>)) {
        case.planned.faults[0].held_ms = Some(8_000);
        let held = &mut case.evidence.faults[0].held;
        *held = Some(Held {
            planned_ms: 8_000,
            seen_ms: 8_000,
            until: HeldUntil::Lifted,
        });
        change(held);
    }

    #[test]
    fn evidence_that_is_not_of_what_was_planned_earns_nothing() {
        for (forge, reason) in FORGERIES {
            let mut case = Case::legal();
            forge(&mut case);
            let judgement = case.judge();
            let told = judgement.reasons.iter().any(|told| told == reason);
            assert!(told, "{reason}: {:?}", judgement.reasons);
            assert_eq!(judgement.verdict, Verdict::Unknown, "{reason}");
        }
    }

    #[test]
    fn a_fault_that_is_held_as_planned_and_hits_more_than_planned_is_a_pass() {
        let mut case = Case::legal();
        held(&mut case, |_| {});
        case.planned.faults[0].after_ms = 10_000;
        let mut other = case.evidence.faults[0].clone();
        other.target = "stock-db-1".to_owned();
        case.evidence.faults.push(other);
        assert_eq!(case.judge().reasons, [""; 0]);
        assert_eq!(case.judge().verdict, Verdict::Pass);
    }

    #[test]
    fn what_is_expected_of_a_fault_is_what_the_plan_expects() {
        let mut case = Case::legal();
        let soon = |healed_ms_max| Expected {
            healed_ms_max,
            ..Expected::default()
        };
        case.evidence.faults[0].expected = soon(Some(1));
        assert_eq!(case.judge().verdict, Verdict::Pass);
        case.evidence.faults[0].expected = soon(None);
        case.planned.faults[0].expected = soon(Some(1));
        assert_eq!(case.judge().verdict, Verdict::Slo);
    }
}

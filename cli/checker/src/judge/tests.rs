use crate::{
    evidence::{Held, HeldUntil},
    history::{Miscount, Op},
    testing::Case,
    verdict::{Check, Status, Verdict},
};

mod acceptance;
mod oracle;
mod properties;
mod size;
mod witnesses;

#[test]
fn a_legal_run_passes_and_every_check_looked_at_something() {
    let judgement = Case::legal().judge();
    assert_eq!(judgement.reasons, [""; 0]);
    assert_eq!(judgement.verdict, Verdict::Pass);
    assert_eq!(judgement.checks.len(), Check::ALL.len());
    for check in &judgement.checks {
        assert_eq!(check.status, Status::Held, "{check:?}");
        assert!(check.counted > 0, "{check:?}");
    }
    assert_eq!(judgement.violations, []);
}

#[test]
fn a_result_reads_back_as_written() {
    let mut case = Case::legal();
    let paid = case.paid();
    case.undo(paid);
    let judgement = case.judge();
    let text = serde_json::to_string(&judgement).unwrap();
    let read: crate::Judgement = serde_json::from_str(&text).unwrap();
    assert_eq!(read, judgement);
    assert_eq!(case.judge(), judgement, "judged again it is the same");
}

/// What is done to a run that is otherwise legal, and what keeps it from a PASS then.
type Flaw = (fn(&mut Case), &'static str);

const FLAWS: [Flaw; 22] = [
    (
        |case| case.history.ended_at_us = None,
        "the history has no end: whoever wrote it was stopped",
    ),
    (
        |case| case.history.truncated_line = Some(7),
        "the history is cut off in line 7",
    ),
    (
        |case| case.history.miscount = Some(Miscount { told: 9, read: 7 }),
        "the history has 7 records, and its end says 9",
    ),
    (
        |case| case.history.attempts.clear(),
        "the history is empty: there was no load",
    ),
    (
        |case| case.evidence.faults[0].effective_us = None,
        "kill stock-db-primary: it was not seen to take effect",
    ),
    (
        |case| {
            case.evidence.faults[0]
                .missing
                .push("a new task".to_owned())
        },
        "kill stock-db-primary: not seen: a new task",
    ),
    (
        |case| case.evidence.faults[0].effective_us = Some(900_000_000),
        "kill stock-db-primary: no checkout was under way when it took effect",
    ),
    (
        |case| case.evidence.faults[0].healed_us = None,
        "kill stock-db-primary: it was not seen to be healed",
    ),
    (
        |case| {
            case.evidence.faults[0].held = Some(Held {
                planned_ms: 15_000,
                seen_ms: 1_230,
                until: HeldUntil::Gone,
            });
        },
        "kill stock-db-primary: held 1.2 of 15 s, then it was gone",
    ),
    (
        |case| case.budgets.ok_before_min = 1_000_000,
        "checkouts were ok before the fault, of at least 1000000",
    ),
    (
        |case| case.budgets.ok_during_min = 1_000_000,
        "checkouts were ok during the fault, of at least 1000000",
    ),
    (
        |case| case.budgets.ok_after_min = 1_000_000,
        "checkouts were ok after the fault was healed, of at least 1000000",
    ),
    (
        |case| case.evidence.settle.load_stopped = false,
        "the load did not stop",
    ),
    (
        |case| case.evidence.settle.faults_healed = false,
        "not every fault was healed",
    ),
    (
        |case| case.evidence.settle.converged = false,
        "the stack did not converge",
    ),
    (
        |case| case.evidence.settle.quiescent = false,
        "the shop did not come to rest",
    ),
    (
        |case| {
            let missing = &mut case.evidence.settle.missing;
            missing.push("1 of 2 tasks of order".to_owned());
        },
        "1 of 2 tasks of order",
    ),
    (
        |case| case.snapshots.truncate(1),
        "there are 1 final reads of 2",
    ),
    (
        |case| case.snapshots[1].users[3].credit += 1,
        "users: 1 rows differ between the two final reads, the first is 3",
    ),
    (
        |case| case.snapshots[1].lanes.truncate(2),
        "no lane of order.replies was read",
    ),
    (
        |case| case.initial.users.clear(),
        "the balances before the load are not known",
    ),
    (
        |case| case.snapshots.clear(),
        "the final reads have no orders",
    ),
];

#[test]
fn a_pass_is_earned() {
    for (flaw, reason) in FLAWS {
        let mut case = Case::legal();
        flaw(&mut case);
        let judgement = case.judge();
        let told = judgement.reasons.iter().any(|told| told.contains(reason));
        assert!(told, "{reason}: {:?}", judgement.reasons);
        assert_eq!(judgement.verdict, Verdict::Unknown, "{reason}");
        assert_eq!(judgement.exit_code, judgement.verdict.exit_code());
    }
}

#[test]
fn a_kind_of_operation_that_never_was_ok_is_too_little() {
    let mut case = Case::legal();
    let user = case.user_of(case.paid());
    case.add_funds_unknown(user, 5);
    let judgement = case.judge();
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert_eq!(judgement.reasons, ["no add_funds was ever ok"]);
}

#[test]
fn a_read_that_told_no_value_is_not_ok() {
    let mut case = Case::legal();
    for attempt in &mut case.history.attempts {
        if let (Op::FindUser { .. }, Some(complete)) = (attempt.invoke.op, &mut attempt.complete) {
            complete.value = None;
        }
    }
    let judgement = case.judge();
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert_eq!(judgement.reasons, ["no find_user was ever ok"]);
}

#[test]
fn before_quiescence_a_torn_order_is_only_suspected() {
    let mut case = Case::legal();
    case.lose_charge(case.paid());
    case.evidence.settle.quiescent = false;
    let judgement = case.judge();
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert!(judgement.violations.iter().all(|found| found.suspected));
    let status = |name| {
        judgement
            .checks
            .iter()
            .find(|c| c.name == name)
            .unwrap()
            .status
    };
    assert_eq!(status(Check::Atomicity), Status::Suspected);
}

#[test]
fn a_history_without_its_end_proves_no_phantom() {
    let mut case = Case::legal();
    case.apply(case.idle());
    case.history.ended_at_us = None;
    assert_eq!(case.labels(), []);
    assert_eq!(case.judge().verdict, Verdict::Unknown);
}

#[test]
fn slow_but_consistent_is_over_budget_and_a_broken_harness_is_worse_than_unknown() {
    let mut case = Case::legal();
    case.budgets.served_ratio_min = Some(1.0);
    let judgement = case.judge();
    assert_eq!(judgement.verdict, Verdict::Slo, "{:?}", judgement.reasons);

    case.evidence.settle.converged = false;
    assert_eq!(case.judge().verdict, Verdict::Unknown);
    case.evidence
        .harness_errors
        .push("a paused task was left behind".to_owned());
    let judgement = case.judge();
    assert_eq!(judgement.verdict, Verdict::Harness);
    assert_eq!(judgement.reasons[0], "a paused task was left behind");
}

use protocol::saga::RefusalCode;

use super::measure;
use crate::{
    evidence::{Evidence, Expected, FaultEvidence},
    history::{Attempt, Complete, Header, History, Invoke, Op},
    outcome::{Broken, Class},
};

/// What becomes of an operation that is due at some time: how long it takes, or that it breaks.
type Answer = fn(due_ms: u64) -> Result<(u64, u16), Broken>;

/// 100 checkouts a second for so many seconds.
fn history(seconds: u64, answer: Answer) -> History {
    let attempts = (0..seconds * 100).map(|id| {
        let due_ms = id * 10;
        let (took_ms, status, broken) = match answer(due_ms) {
            Ok((took_ms, status)) => (took_ms, Some(status), None),
            Err(broken) => (50, None, Some(broken)),
        };
        let class = match status {
            Some(200) => Class::Ok,
            Some(400) => Class::Fail,
            _ => Class::Info,
        };
        Attempt {
            invoke: Invoke {
                id,
                attempt: 1,
                process: 0,
                due_us: due_ms * 1000,
                sent_us: due_ms * 1000,
                op: Op::Checkout {
                    order: protocol::OrderId(id.try_into().unwrap()),
                },
            },
            complete: Some(Complete {
                id,
                attempt: 1,
                at_us: (due_ms + took_ms) * 1000,
                class,
                status,
                broken,
                refusal: (status == Some(400)).then_some(RefusalCode::OutOfStock),
                value: None,
            }),
        }
    });
    History {
        header: Header::new("quiet", 0, None),
        attempts: attempts.collect(),
        ended_at_us: Some(seconds * 1_000_000),
        truncated_line: None,
        miscount: None,
    }
}

fn fault(at_ms: u64) -> Evidence {
    Evidence {
        faults: vec![FaultEvidence {
            place: 0,
            name: "kill stock-db-primary".to_owned(),
            target: "stock-db-0".to_owned(),
            injected_us: Some(at_ms * 1000),
            effective_us: Some(at_ms * 1000),
            seen: Vec::new(),
            missing: Vec::new(),
            healed_us: Some(at_ms * 1000 + 5_000_000),
            held: None,
            writable_us: Some(at_ms * 1000 + 900_000),
            expected: Expected::default(),
        }],
        ..Evidence::default()
    }
}

#[test]
fn a_quiet_run_serves_everything() {
    let quiet = measure(&history(20, |_| Ok((4, 200))), &Evidence::default());
    assert_eq!((quiet.offered, quiet.served), (2000, 2000));
    assert_eq!(quiet.latency.p50_ms, 4.0);
    assert_eq!(quiet.latency.max_ms, 4.0);
    assert_eq!(quiet.longest_gap_ms, 10);
    assert_eq!(quiet.windows.len(), 20);
    assert!(
        quiet
            .windows
            .iter()
            .all(|w| w.offered == 100 && w.served == 100)
    );
    assert_eq!(quiet.recoveries, []);
}

#[test]
fn an_outage_is_measured_from_the_faults_effect() {
    // Two seconds of 503 from 10.05 s on, after a kill that took effect at 10 s.
    let outage = |due_ms| match due_ms {
        10_050..12_050 => Ok((3, 503)),
        _ => Ok((4, 200)),
    };
    let found = measure(&history(40, outage), &fault(10_000));
    assert_eq!(found.checkout_server_errors, 200);
    assert_eq!(found.longest_gap_ms, 2010);
    let recovery = &found.recoveries[0];
    assert_eq!(recovery.detection_gap_ms, Some(50));
    assert_eq!(recovery.first_ok_checkout_ms, Some(4));
    // The second that begins at 12 s still loses five of a hundred, which is enough.
    assert_eq!(recovery.recovery_ms, Some(2000));
    assert_eq!(recovery.lost_operations, 200);
    assert_eq!(recovery.writable_ms, Some(900));
    assert_eq!(recovery.watched_ms, 29_990);
}

#[test]
fn requests_that_wait_are_slow_not_lost() {
    // Everything due within the outage is answered at its end: open-loop latencies show it.
    let stall = |due_ms| match due_ms {
        10_000..12_000 => Ok((12_004 - due_ms, 200)),
        _ => Ok((4, 200)),
    };
    let found = measure(&history(40, stall), &fault(10_000));
    assert_eq!(found.served_ratio, 1.0);
    assert_eq!(found.latency.max_ms, 2004.0);
    let recovery = &found.recoveries[0];
    assert_eq!(recovery.detection_gap_ms, None);
    assert_eq!(recovery.first_ok_checkout_ms, Some(2004));
    assert!(
        recovery.recovery_ms.unwrap() > 1800,
        "p99 counts: {recovery:?}"
    );
}

#[test]
fn what_was_in_flight_at_the_fault_is_not_its_baseline() {
    // 400 ms each: forty operations are in flight at the kill, and all of them wait for the end of the outage.
    let stall = |due_ms| match due_ms {
        9_600..11_000 => Ok((11_400 - due_ms, 200)),
        _ => Ok((400, 200)),
    };
    let found = measure(&history(40, stall), &fault(10_000));
    let recovery = &found.recoveries[0];
    assert!(recovery.recovery_ms.unwrap() > 0, "{recovery:?}");
}

#[test]
fn a_rejection_is_served_and_a_broken_connection_is_not() {
    let found = measure(
        &history(10, |due_ms| match due_ms % 30 {
            0 => Ok((4, 400)),
            10 => Err(Broken::Reset),
            _ => Ok((4, 200)),
        }),
        &Evidence::default(),
    );
    assert_eq!((found.offered, found.served), (1000, 667));
    assert_eq!(found.checkout_server_errors, 0);
}

#[test]
fn an_answer_that_refuses_without_saying_why_serves_nobody() {
    let mut history = history(10, |due_ms| Ok((4, if due_ms < 5_000 { 200 } else { 400 })));
    let answers = history.attempts.iter_mut();
    answers
        .filter_map(|it| it.complete.as_mut())
        .for_each(|it| it.refusal = None);
    let found = measure(&history, &Evidence::default());
    assert_eq!((found.offered, found.served), (1000, 500));
}

#[test]
fn a_shop_that_is_down_at_first_has_a_gap() {
    let late = |due_ms| {
        if due_ms < 8_000 {
            Err(Broken::TimedOut)
        } else {
            Ok((4, 200))
        }
    };
    let found = measure(&history(20, late), &Evidence::default());
    assert_eq!((found.longest_gap_ms, found.longest_gap_at_us), (8_004, 0));
}

#[test]
fn the_victims_of_one_fault_are_watched_together() {
    let mut evidence = fault(10_000);
    let mut other = evidence.faults[0].clone();
    other.target = "stock-db-1".to_owned();
    other.effective_us = Some(10_011_000);
    evidence.faults.push(other);
    let found = measure(&history(40, |_| Ok((4, 200))), &evidence);
    let watched: Vec<u64> = found.recoveries.iter().map(|it| it.watched_ms).collect();
    assert_eq!(watched, [29_990, 29_979]);
    assert_eq!(found.recoveries[0].recovery_ms, Some(0));
}

#[test]
fn a_shop_that_never_comes_back_never_recovers() {
    let found = measure(
        &history(40, |due_ms| {
            if due_ms < 10_000 {
                Ok((4, 200))
            } else {
                Err(Broken::TimedOut)
            }
        }),
        &fault(10_000),
    );
    let recovery = &found.recoveries[0];
    assert_eq!(recovery.recovery_ms, None);
    assert_eq!(recovery.first_ok_checkout_ms, None);
    assert_eq!(recovery.detection_gap_ms, Some(0));
    assert_eq!(recovery.lost_operations, 2999);
    assert!(found.longest_gap_ms > 29_000);
}

#[test]
fn a_time_that_is_far_away_sizes_nothing() {
    let far_us = 100_000_000_000_000;
    let mut far = history(2, |_| Ok((4, 200)));
    far.attempts[150].invoke.due_us = far_us;
    let measured = measure(&far, &Evidence::default());
    assert_eq!(measured.offered, 200);
    assert_eq!(
        measured.windows.len(),
        2,
        "what was due later has no window"
    );

    let mut evidence = fault(500);
    evidence.faults[0].effective_us = Some(u64::MAX);
    let recovery = &measure(&history(2, |_| Ok((4, 200))), &evidence).recoveries[0];
    assert_eq!((recovery.watched_ms, recovery.recovery_ms), (0, None));
}

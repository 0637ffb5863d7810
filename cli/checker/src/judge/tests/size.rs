//! 100 000 orders are judged while one waits, and their snapshot is a file one can keep.

use std::time::{Duration, Instant};

use crate::{
    testing::{Case, Fate, Plan},
    verdict::Verdict,
};

#[test]
fn a_hundred_thousand_orders_are_judged_in_seconds_even_unoptimised() {
    let plans = (0..100_000).map(|n| Plan {
        user: n % 8,
        lines: vec![(n % 7, 1), (n % 7 + 1, 2)],
        fate: Fate::Paid,
    });
    let mut case = Case::simulate(plans.collect());
    let lost = case.paid();
    case.undo(lost);
    let began = Instant::now();
    let judgement = case.judge();
    let took = began.elapsed();
    assert_eq!(judgement.verdict, Verdict::Violation);
    assert_eq!(judgement.totals.lost_acknowledged, 1);
    assert!(took < Duration::from_secs(20), "{took:?}");
    println!("judged in {took:?}");

    let text = serde_json::to_string(&case.snapshots[0]).unwrap();
    println!("one snapshot: {} bytes", text.len());
    assert!(text.len() < 40_000_000, "{}", text.len());
}

//! The checker against a slow oracle that is written from the contract's table alone, over random small
//! shops: the same verdict, the same label for each order, the same subjects of everything else.

mod ruling;
mod shrink;
mod world;

use std::collections::BTreeSet;

use ruling::{Ruling, rule};
use world::World;

use crate::{
    judge::judge,
    snapshot::Subject,
    verdict::{Judgement, Label, Verdict},
};

/// In each of the tests, which run side by side.
const CASES: u64 = 30_000;

/// What the checker says, as the oracle says it.
fn ruling(judgement: &Judgement) -> Ruling {
    let mut ruling = Ruling {
        verdict: judgement.verdict,
        orders: BTreeSet::new(),
        subjects: BTreeSet::new(),
    };
    for found in &judgement.violations {
        match (found.label, &found.subject) {
            (label, Subject::Order(order)) if label <= Label::DoubleLine => {
                ruling.orders.insert((order.0, label, found.suspected));
            }
            (label, subject) => {
                let subject = format!("{subject:?}");
                ruling.subjects.insert((label, subject, found.suspected));
            }
        }
    }
    ruling
}

/// The two rulings where they differ.
fn disagreement(world: &World) -> Option<(Ruling, Ruling)> {
    let (ours, right) = (ruling(&judge(&world.run())), rule(world));
    (ours != right).then_some((ours, right))
}

fn agree_from(first: u64) {
    let mut seen = [0_u64; 5];
    for seed in first..first + CASES {
        let world = World::random(seed);
        if disagreement(&world).is_some() {
            let small = shrink::shrunk(world, |world| disagreement(world).is_some());
            let (ours, right) = disagreement(&small).unwrap();
            let reasons = judge(&small.run()).reasons;
            panic!("seed {seed}\nchecker: {ours:?} {reasons:?}\noracle: {right:?}\n{small:?}");
        }
        let verdict = judge(&world.run()).verdict;
        seen[usize::from(verdict.exit_code())] += 1;
    }
    // A generator that only ever breaks everything, or nothing, would prove little.
    for verdict in [Verdict::Pass, Verdict::Violation, Verdict::Unknown] {
        let count = seen[usize::from(verdict.exit_code())];
        assert!(count > CASES / 50, "{verdict}: {count} of {CASES}");
    }
}

#[test]
fn the_checker_agrees_with_the_oracle_1() {
    agree_from(0);
}

#[test]
fn the_checker_agrees_with_the_oracle_2() {
    agree_from(CASES);
}

#[test]
fn the_checker_agrees_with_the_oracle_3() {
    agree_from(2 * CASES);
}

#[test]
fn the_checker_agrees_with_the_oracle_4() {
    agree_from(3 * CASES);
}

/// Every label is met often, else their agreement would be worth little.
#[test]
fn the_random_shops_show_every_defect() {
    let mut found = std::collections::BTreeMap::new();
    for seed in 0..4_000 {
        let ruling = rule(&World::random(seed));
        let orders = ruling.orders.iter().map(|(_, label, _)| *label);
        for label in orders.chain(ruling.subjects.iter().map(|(label, _, _)| *label)) {
            *found.entry(label).or_insert(0_u32) += 1;
        }
    }
    for label in [
        Label::PhantomRefund,
        Label::Double,
        Label::Torn,
        Label::LostAck,
        Label::Phantom,
        Label::Altered,
        Label::LostLine,
        Label::DoubleLine,
        Label::DuplicateId,
        Label::Stale,
        Label::CreditLeak,
        Label::StockLeak,
        Label::Overspend,
        Label::Oversell,
        Label::Reverted,
        Label::SplitBrain,
        Label::Diverged,
        Label::Stuck,
    ] {
        let count = found.get(&label).copied().unwrap_or_default();
        assert!(count >= 20, "{label}: {count}");
    }
}

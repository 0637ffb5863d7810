//! A final state in which one witness is missing: what is left is still judged, and what cannot be judged is
//! said so. Never a PASS, never a false alarm.

use rstest::rstest;

use crate::{
    snapshot::Witnesses,
    testing::Case,
    verdict::{Check, Judgement, Label, Status, Verdict},
};

fn without_ledgers(mut case: Case) -> Case {
    for snapshot in &mut case.snapshots {
        snapshot.witnesses = Witnesses::Balances;
        snapshot.payment_movements.clear();
        snapshot.stock_movements.clear();
    }
    case
}

fn without_balances(mut case: Case) -> Case {
    for snapshot in &mut case.snapshots {
        snapshot.witnesses = Witnesses::Ledgers;
        snapshot.orders.clear();
        snapshot.users.clear();
        snapshot.items.clear();
    }
    case
}

fn undecided(judgement: &Judgement) -> Vec<(Check, String)> {
    let checks = judgement.checks.iter();
    checks
        .filter_map(|check| Some((check.name, check.undecided.clone()?)))
        .collect()
}

#[test]
fn a_right_run_without_ledgers_is_unknown_and_says_what_it_could_not_see() {
    let judgement = without_ledgers(Case::legal()).judge();
    assert_eq!(judgement.violations, []);
    assert_eq!(judgement.verdict, Verdict::Unknown);
    let alone = "the ledgers were not read, so paid flags alone speak".to_owned();
    assert_eq!(
        undecided(&judgement),
        [
            (Check::Compensation, "the ledgers were not read".to_owned()),
            (Check::Double, "the ledgers were not read".to_owned()),
            (Check::Atomicity, alone.clone()),
            (Check::Acknowledged, alone.clone()),
            (Check::Phantom, alone),
        ]
    );
    let held = |name| {
        let mut checks = judgement.checks.iter();
        checks.any(|check| check.name == name && check.status == Status::Held)
    };
    for check in [
        Check::Credit,
        Check::Stock,
        Check::NonNegative,
        Check::Monotone,
    ] {
        assert!(held(check), "{check}");
    }
}

#[test]
fn a_right_run_without_balances_is_unknown_and_says_what_it_could_not_see() {
    let judgement = without_balances(Case::legal()).judge();
    assert_eq!(judgement.violations, []);
    assert_eq!(judgement.verdict, Verdict::Unknown);
    let names: Vec<Check> = undecided(&judgement)
        .iter()
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(
        names,
        [
            Check::Atomicity,
            Check::Acknowledged,
            Check::Phantom,
            Check::Contents,
            Check::Credit,
            Check::Stock,
            Check::NonNegative,
            Check::Monotone,
            Check::Replicas,
        ]
    );
    let reasons = judgement.reasons.join("\n");
    for reason in [
        "atomicity: undecided, paid flags were not read, so the ledgers alone speak",
        "credit: undecided, the balances were not read",
        "monotone: undecided, paid flags were not read at the end",
    ] {
        assert!(reasons.contains(reason), "{reasons}");
    }
}

/// What befalls a paid, a rejected or an idle order, and what is found of it.
type Defect = fn(&mut Case);

#[rstest]
#[case::lost(|case: &mut Case| case.undo(case.paid()), &[Label::LostAck])]
#[case::applied(|case: &mut Case| case.apply(case.rejected()), &[Label::Phantom])]
#[case::gone(|case: &mut Case| case.lose_order(case.idle()), &[Label::LostAck])]
#[case::uncharged(|case: &mut Case| case.lose_charge(case.paid()), &[Label::CreditLeak])]
#[case::charged_twice(
    |case: &mut Case| case.charge(case.paid(), case.cost(case.paid())), &[Label::CreditLeak]
)]
#[case::unpaid(
    |case: &mut Case| case.set_paid(case.paid(), false),
    &[Label::LostAck, Label::CreditLeak, Label::StockLeak]
)]
#[case::overspent(|case: &mut Case| case.read_credit(case.user_of(case.paid()), -1), &[Label::Overspend])]
fn paid_flags_and_balances_alone_find(#[case] defect: Defect, #[case] labels: &[Label]) {
    let mut case = Case::legal();
    defect(&mut case);
    let case = without_ledgers(case);
    assert_eq!(case.labels(), labels);
    let judgement = case.judge();
    assert_eq!(judgement.verdict, Verdict::Violation);
    assert!(
        !undecided(&judgement).is_empty(),
        "it still says what is missing"
    );
}

#[rstest]
#[case::uncharged(|case: &mut Case| case.lose_charge(case.paid()), &[Label::Torn])]
#[case::untaken(|case: &mut Case| case.lose_taking(case.paid()), &[Label::Torn])]
#[case::wrong_account(|case: &mut Case| case.charge_somebody_else(case.paid()), &[Label::Torn])]
#[case::lost(|case: &mut Case| case.undo(case.paid()), &[Label::LostAck])]
#[case::applied(|case: &mut Case| case.apply(case.idle()), &[Label::Phantom])]
#[case::charged_twice(
    |case: &mut Case| case.charge(case.paid(), case.cost(case.paid())), &[Label::Double]
)]
#[case::minted(|case: &mut Case| case.refund(case.rejected(), 1), &[Label::PhantomRefund])]
fn ledgers_alone_find(#[case] defect: Defect, #[case] labels: &[Label]) {
    let mut case = Case::legal();
    defect(&mut case);
    let case = without_balances(case);
    assert_eq!(case.labels(), labels);
    assert_eq!(case.judge().verdict, Verdict::Violation);
}

/// An order that was made during the run: what it is for stands in its row alone.
#[test]
fn without_rows_an_order_of_unknown_lines_is_not_called_torn() {
    let mut case = Case::legal();
    let paid = case.paid();
    case.initial.orders.retain(|row| row.order_id != paid);
    let case = without_balances(case);
    assert_eq!(case.labels(), []);
    let judgement = case.judge();
    let double = undecided(&judgement)
        .into_iter()
        .find(|(name, _)| *name == Check::Double);
    let (_, why) = double.unwrap();
    assert_eq!(why, "of 1 orders it is not known what was ordered");
}

#[test]
fn before_quiescence_one_witness_proves_no_more_than_two() {
    let mut case = Case::legal();
    case.undo(case.paid());
    case.evidence.settle.quiescent = false;
    for case in [without_ledgers(case.clone()), without_balances(case)] {
        assert_eq!(case.labels(), []);
        assert_eq!(case.judge().verdict, Verdict::Unknown);
    }
}

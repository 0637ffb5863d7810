//! Any legal run passes; any one defect planted in it is found and named, and nothing else is.

use proptest::{prelude::Strategy, prop_assert_eq, proptest, sample::select};
use protocol::OrderId;

use crate::{
    snapshot::Subject,
    testing::{Case, Fate, Plan},
    verdict::{Label, Verdict},
};

const FATES: [Fate; 8] = [
    Fate::Paid,
    Fate::PaidAtSecondAttempt,
    Fate::PaidAfterRejection,
    Fate::Rejected,
    Fate::Compensated,
    Fate::UnknownDone,
    Fate::UnknownUndone,
    Fate::Idle,
];

fn plan() -> impl Strategy<Value = Plan> {
    let lines = proptest::collection::btree_map(0..8_usize, 1..4_i64, 1..4);
    (0..4_usize, lines, select(&FATES[..])).prop_map(|(user, lines, fate)| Plan {
        user,
        lines: lines.into_iter().collect(),
        fate,
    })
}

/// A legal run in which every fate occurs, and enough succeeds.
fn run() -> impl Strategy<Value = Case> {
    proptest::collection::vec(plan(), 0..60).prop_map(|more| {
        let mut plans: Vec<Plan> = (0..40)
            .map(|n| Plan {
                user: n % 4,
                lines: vec![(n % 8, 1)],
                fate: FATES[n % FATES.len()],
            })
            .collect();
        // Whatever befalls them, others are served between them.
        let paid = plans[0].clone();
        plans.extend(more.into_iter().flat_map(|plan| [paid.clone(), plan]));
        Case::simulate(plans)
    })
}

/// A defect: whom it befalls, what it does, and its name.
type Defect = (fn(&Case) -> OrderId, fn(&mut Case, OrderId), Label);

const DEFECTS: [Defect; 11] = [
    (Case::paid, Case::lose_charge, Label::Torn),
    (Case::paid, Case::lose_taking, Label::Torn),
    (
        Case::paid,
        |case, order| case.set_paid(order, false),
        Label::Torn,
    ),
    (Case::paid, Case::charge_somebody_else, Label::Torn),
    (Case::paid, Case::undo, Label::LostAck),
    (
        Case::paid,
        |case, order| case.charge(order, case.cost(order)),
        Label::Double,
    ),
    (Case::paid, |case, order| case.take(order, 9), Label::Double),
    (
        Case::rejected,
        |case, order| case.refund(order, 1),
        Label::PhantomRefund,
    ),
    (
        |case| case.unknown()[1],
        |case, order| case.restock(order, 1),
        Label::PhantomRefund,
    ),
    (Case::rejected, Case::apply, Label::Phantom),
    (Case::idle, Case::apply, Label::Phantom),
];

proptest! {
    #[test]
    fn any_legal_run_passes(case in run()) {
        let judgement = case.judge();
        prop_assert_eq!(&judgement.violations, &[]);
        prop_assert_eq!(judgement.verdict, Verdict::Pass, "{:?}", judgement.reasons);
    }

    #[test]
    fn any_one_defect_is_found_and_named(case in run(), defect in select(&DEFECTS[..])) {
        let (whom, what, label) = defect;
        let mut case = case;
        let order = whom(&case);
        what(&mut case, order);
        prop_assert_eq!(case.order_labels(), [(order, label)]);
        prop_assert_eq!(case.judge().verdict, Verdict::Violation);
    }

    #[test]
    fn any_altered_balance_is_a_leak_of_its_owner_alone(case in run(), delta in 1..100_i64) {
        let mut case = case;
        let user = case.user_of(case.paid());
        case.alter_credit(user, delta);
        let item = case.item_of(case.rejected());
        case.alter_stock(item, -delta);
        let judgement = case.judge();
        let labels: Vec<Label> = judgement.violations.iter().map(|v| v.label).collect();
        prop_assert_eq!(labels, [Label::CreditLeak, Label::StockLeak]);
        prop_assert_eq!(&judgement.violations[0].subject, &Subject::User(user));
        prop_assert_eq!(&judgement.violations[1].subject, &Subject::Item(item));
    }
}

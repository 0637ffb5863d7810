//! Every kind of operation that the plan's load is drawn from is in the history, where it must have been drawn.

use std::collections::BTreeMap;

use crate::{availability::Operation, evidence::KindShare, history::Op, judge::Run};

/// How often a kind must have been expected before its absence says anything. Each operation is drawn by itself, so
/// that a kind never is drawn has a chance of e^-30, which is below 10^-13.
const EXPECTED_MIN: u64 = 30;

/// The kinds that the load should have had and the history does not have.
pub(super) fn missing(run: &Run<'_>, operations: &[Operation]) -> Vec<String> {
    let planned = run.planned.mix.iter();
    let missing = planned.filter(|share| {
        let is_absent = operations.iter().all(|it| it.op.name() != share.kind);
        is_absent && share.expected_of(draws(run, share, operations)) >= EXPECTED_MIN
    });
    missing
        .map(|KindShare { kind, percent }| {
            let all = operations.len();
            format!(
                "the plan has {percent} % {kind}, and of the {all} operations of the history none is one"
            )
        })
        .collect()
}

/// The kinds that the history has and the plan's load is not drawn from. What makes carts and fills them may be forced.
pub(super) fn strangers(run: &Run<'_>, operations: &[Operation]) -> Vec<String> {
    let planned = &run.planned.mix;
    let mut strangers: BTreeMap<&'static str, usize> = BTreeMap::new();
    for operation in operations {
        let kind = operation.op.name();
        let is_drawn = planned.is_empty() || planned.iter().any(|share| share.kind == kind);
        if !is_drawn && !matches!(operation.op, Op::CreateOrder { .. } | Op::AddItem { .. }) {
            *strangers.entry(kind).or_default() += 1;
        }
    }
    let told = strangers.into_iter();
    told.map(|(kind, count)| {
        format!("the history has {count} {kind}, and the plan's load is drawn from none")
    })
    .collect()
}

impl KindShare {
    fn expected_of(&self, draws: usize) -> u64 {
        (draws as u64).saturating_mul(u64::from(self.percent)) / 100
    }
}

/// How many operations at the least were drawn when this kind might have come of it. An `add_item` may have been forced
/// by the checkout before it instead of being drawn. One is drawn only for a cart: until a client was told of one, and
/// while none wants a line, a `create_order` is sent in its place.
fn draws(run: &Run<'_>, share: &KindShare, operations: &[Operation]) -> usize {
    let is_line = |op: Op| matches!(op, Op::AddItem { .. });
    if share.kind != "add_item" {
        return operations.iter().filter(|it| !is_line(it.op)).count();
    }
    let attempts = &run.history.attempts;
    let told = attempts.iter().filter_map(|attempt| {
        let makes = matches!(attempt.invoke.op, Op::CreateOrder { .. });
        attempt.value().filter(|_| makes)?;
        attempt.complete.as_ref().map(|complete| complete.at_us)
    });
    let Some(first_us) = told.min() else {
        return 0;
    };
    let after = attempts
        .iter()
        .filter(|attempt| attempt.invoke.attempt == 1 && attempt.invoke.sent_us > first_us);
    after.count()
}

#[cfg(test)]
mod tests {
    use protocol::{ItemId, OrderId, UserId};

    use super::*;
    use crate::{
        history::Value,
        testing::{Case, Told},
        verdict::Verdict,
    };

    fn planned(case: &mut Case, mix: &[(&'static str, u32)]) {
        // Of what the run has besides, nobody need say how much it is.
        let others = ["find_order", "find_item", "find_user"].map(|kind| (kind, 0));
        let shares = mix.iter().copied().chain(others);
        let shares = shares.map(|(kind, percent)| KindShare { kind, percent });
        case.planned.mix = shares.collect();
    }

    /// What is said of missing kinds, in a run that is otherwise legal.
    fn told(case: &Case) -> Vec<String> {
        let judgement = case.judge();
        let verdict = if judgement.reasons.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Unknown
        };
        assert_eq!(judgement.verdict, verdict);
        judgement.reasons
    }

    fn operations(case: &Case) -> u32 {
        let firsts = case.history.attempts.iter();
        let firsts = firsts.filter(|attempt| attempt.invoke.attempt == 1);
        u32::try_from(firsts.count()).unwrap()
    }

    /// The least share of which the run's operations should have had so many.
    fn percent_for(case: &Case, expected: u32) -> u32 {
        (expected * 100).div_ceil(operations(case))
    }

    #[test]
    fn a_kind_that_was_planned_and_never_happened_is_missed() {
        let mut case = Case::legal();
        let all = operations(&case);
        let enough = percent_for(&case, 30);
        planned(&mut case, &[("checkout", 100 - enough), ("pay", enough)]);
        let reason = format!(
            "the plan has {enough} % pay, and of the {all} operations of the history none is one"
        );
        assert_eq!(told(&case), [reason]);
        // A kind that is there is not missed, and neither is one that need not have been drawn.
        planned(&mut case, &[("checkout", 50), ("find_order", 50)]);
        assert_eq!(told(&case), [""; 0]);
        planned(
            &mut case,
            &[("checkout", 101 - enough), ("pay", enough - 1)],
        );
        assert_eq!(told(&case), [""; 0]);
    }

    #[test]
    fn a_kind_that_the_plan_does_not_have_is_a_stranger() {
        let mut case = Case::legal();
        planned(&mut case, &[("checkout", 100)]);
        case.planned.mix.retain(|share| share.kind != "find_order");
        let reads = case.history.attempts.iter();
        let reads =
            reads.filter(|it| it.invoke.attempt == 1 && it.invoke.op.name() == "find_order");
        let count = reads.count();
        assert!(count > 0);
        let reason =
            format!("the history has {count} find_order, and the plan's load is drawn from none");
        assert_eq!(told(&case), [reason]);
        case.planned.mix.clear();
        assert_eq!(told(&case), [""; 0], "nobody says what it is drawn from");
    }

    #[test]
    fn lines_are_only_due_to_a_cart_that_somebody_was_told_of() {
        let mut case = Case::legal();
        planned(&mut case, &[("checkout", 50), ("add_item", 50)]);
        assert_eq!(told(&case), [""; 0], "no cart was made");

        let cart = case.open();
        case.create_order(cart, UserId(1));
        for _ in 0..59 {
            case.read_as_it_is(cart);
        }
        assert_eq!(told(&case), [""; 0], "29.5 were due to it");
        case.read_as_it_is(cart);
        let missed = told(&case);
        assert!(missed[0].starts_with("the plan has 50 % add_item"));
        case.add_item(cart, ItemId(2), 1, Told::Rejected);
        // It was never ok, and that is all.
        assert_eq!(told(&case), ["no add_item was ever ok"]);
    }

    #[test]
    fn a_create_that_nobody_was_told_of_makes_no_cart() {
        let mut case = Case::legal();
        planned(&mut case, &[("checkout", 50), ("add_item", 50)]);
        let create = Op::CreateOrder { user: UserId(1) };
        case.write(create, Told::Nothing, Some(Value::Created(OrderId(9).0)));
        for _ in 0..99 {
            case.read_as_it_is(OrderId(1));
        }
        assert_eq!(told(&case), ["no create_order was ever ok"]);
    }
}

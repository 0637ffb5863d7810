//! What a client was told never happens, or never asked for, has no effect: class fail or none ⇒ all zero.

use super::Finding;
use crate::{
    book::{OrderFacts, sent_us},
    explain::seconds,
    history::{Attempt, Value},
    outcome::Class,
    verdict::Label,
};

pub(super) fn find(order: &OrderFacts<'_>) -> Option<Finding> {
    unasked(order).or_else(|| early(order))
}

/// A read that ended before any checkout was sent, and saw the order paid.
fn early(order: &OrderFacts<'_>) -> Option<Finding> {
    let sent_us = sent_us(order.checkouts);
    let saw_too_much = |read: &&&Attempt| {
        let paid = matches!(read.value(), Some(Value::Order { paid: true, .. }));
        let ended_us = read.complete.as_ref().map(|complete| complete.at_us);
        let before = sent_us.is_none_or(|sent_us| ended_us.is_some_and(|at| at < sent_us));
        paid && before
    };
    let read = order.reads.iter().filter(|_| !order.paid_before);
    let read = read.into_iter().find(saw_too_much)?;
    let at = seconds(read.invoke.sent_us);
    let contradiction =
        format!("a read at {at} saw it paid, before anybody asked for its checkout");
    Some(Finding::of_order(Label::Phantom, order, contradiction))
}

fn unasked(order: &OrderFacts<'_>) -> Option<Finding> {
    let excuse = match order.class {
        Some(Class::Ok | Class::Info) => return None,
        Some(Class::Fail) => "its client was told that nothing would happen",
        None if order.ordered.is_none() && !order.created => "no such order is known",
        None => "nobody asked for its checkout",
    };
    if order.effect.may_be_none() || (order.paid_before && order.effect.may_be_whole()) {
        return None;
    }
    let mut happened: Vec<String> = order
        .effect
        .parts
        .iter()
        .filter(|part| part.taken > 0)
        .map(|part| format!("{} of {} taken", part.taken, part.good))
        .collect();
    if order.effect.is_paid() {
        happened.push("paid".to_owned());
    }
    let contradiction = format!("{excuse}, and it is: {}", happened.join(", "));
    Some(Finding::of_order(Label::Phantom, order, contradiction))
}

#[cfg(test)]
mod tests {
    use protocol::OrderId;

    use crate::{testing::Case, verdict::Label};

    #[test]
    fn a_rejected_or_unasked_order_that_took_effect_is_a_phantom() {
        for pick in [Case::rejected, Case::idle] {
            let mut case = Case::legal();
            let order = pick(&case);
            case.apply(order);
            assert_eq!(case.order_labels(), [(order, Label::Phantom)]);
        }
    }

    #[test]
    fn a_read_that_saw_an_order_paid_before_its_checkout_was_sent_is_a_phantom() {
        let mut case = Case::legal();
        let paid = case.paid();
        case.read_paid(paid, true, 100..200);
        assert_eq!(case.order_labels(), [(paid, Label::Phantom)]);
        case.history.ended_at_us = None;
        assert_eq!(case.order_labels(), []);
    }

    #[test]
    fn a_movement_of_an_order_that_nobody_knows_is_a_phantom() {
        let mut case = Case::legal();
        let stranger = OrderId(999_999);
        case.charge(stranger, 5);
        assert_eq!(case.order_labels(), [(stranger, Label::Phantom)]);
    }

    #[test]
    fn an_order_paid_before_the_load_is_none() {
        let mut case = Case::legal();
        let idle = case.idle();
        case.set_paid(idle, true);
        case.initial.paid_orders.push(idle);
        assert_eq!(case.order_labels(), []);
    }
}

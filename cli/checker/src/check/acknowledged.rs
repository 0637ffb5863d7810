//! What a client was told has happened is there: class ok ⇒ all one.

use super::Finding;
use crate::{book::OrderFacts, outcome::Class, verdict::Label};

pub(super) fn find(order: &OrderFacts<'_>) -> Option<Finding> {
    let effect = &order.effect;
    let contradiction = if order.class == Some(Class::Ok) && !effect.may_be_whole() {
        match (effect.seen.ledgers, effect.seen.paid) {
            (true, Some(_)) => {
                "nothing of it is left: it was not charged, nothing was taken, and it is not paid"
            }
            (true, None) => "nothing of it is left: it was not charged, and nothing was taken",
            (false, _) => "it is not paid",
        }
    } else if order.paid_before && !effect.may_be_whole() {
        "it was paid before the load"
    } else if order.created && order.is_gone() {
        "its row is gone, and its creation was acknowledged"
    } else {
        return None;
    };
    Some(Finding::of_order(
        Label::LostAck,
        order,
        contradiction.to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use crate::{testing::Case, verdict::Label};

    #[test]
    fn an_acknowledged_order_without_any_effect_is_a_lost_ack() {
        let mut case = Case::legal();
        let paid = case.paid();
        case.undo(paid);
        assert_eq!(case.order_labels(), [(paid, Label::LostAck)]);
    }

    #[test]
    fn an_acknowledged_creation_that_is_gone_is_a_lost_ack() {
        let mut case = Case::legal();
        let idle = case.idle();
        case.lose_order(idle);
        assert_eq!(case.order_labels(), [(idle, Label::LostAck)]);
    }

    #[test]
    fn an_order_with_an_unknown_outcome_may_be_done_or_not() {
        let case = Case::legal();
        let [done, undone] = case.unknown();
        assert!(case.is_paid(done) && !case.is_paid(undone));
        assert_eq!(case.order_labels(), []);
    }
}

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
    } else if order.is_gone() && order.additions.iter().any(|it| it.acked_us.is_some()) {
        "it is not there, and a line in it was acknowledged"
    } else if order.is_gone() && !order.reads.is_empty() {
        "it is not there, and a client read it"
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
    use protocol::{ItemId, OrderId};

    use crate::{
        testing::{Case, Told},
        verdict::Label,
    };

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
    fn an_order_that_only_an_acknowledged_line_or_a_read_speaks_of_is_a_lost_ack() {
        let nobody = OrderId(77_777_777);
        let mut added = Case::legal();
        added.add_item(nobody, ItemId(1), 1, Told::Ok);
        let mut read = Case::legal();
        let mut row = read.final_row(read.idle());
        row.order_id = nobody;
        read.load_read(&row, 20_000_000..20_001_000);
        for case in [added, read] {
            assert_eq!(case.order_labels(), [(nobody, Label::LostAck)]);
        }
        let mut perhaps = Case::legal();
        for told in [Told::Ok, Told::Nothing, Told::Rejected] {
            let order = if told == Told::Ok {
                perhaps.idle()
            } else {
                nobody
            };
            perhaps.add_item(order, ItemId(1), 0, told);
        }
        assert_eq!(perhaps.order_labels(), []);
    }

    #[test]
    fn an_order_with_an_unknown_outcome_may_be_done_or_not() {
        let case = Case::legal();
        let [done, undone] = case.unknown();
        assert!(case.is_paid(done) && !case.is_paid(undone));
        assert_eq!(case.order_labels(), []);
    }
}

//! All of an order happens, or nothing: (π, σ…, paid) is all zero or all one.

use super::Finding;
use crate::{book::OrderFacts, outcome::Class, verdict::Label};

pub(super) fn find(order: &OrderFacts<'_>) -> Option<Finding> {
    let effect = &order.effect;
    if effect.may_be_none() || effect.may_be_whole() {
        return None;
    }
    if order.ordered.is_none() && matches!(order.class, None | Some(Class::Fail)) {
        // Nobody knows what this order is for: what moved is a phantom, not a part of something.
        return None;
    }
    let mut missing = Vec::new();
    for part in &effect.parts {
        if part.ordered == 0 && part.taken > 0 {
            missing.push(format!(
                "it took {} of {}, which is not in the order",
                part.taken, part.good
            ));
        } else if part.taken < part.ordered {
            missing.push(format!(
                "it took {} of {} instead of {}",
                part.taken, part.good, part.ordered
            ));
        }
    }
    if order.is_gone() {
        missing.push("its row is gone".to_owned());
    } else if effect.seen.paid == Some(false) {
        missing.push("it is not paid".to_owned());
    }
    Some(Finding::of_order(
        Label::Torn,
        order,
        missing.join(", and "),
    ))
}

#[cfg(test)]
mod tests {
    use crate::{testing::Case, verdict::Label};

    #[test]
    fn an_order_of_which_one_part_is_missing_is_torn() {
        type Tear = fn(&mut Case, protocol::OrderId);
        let tears: [(&str, Tear); 4] = [
            ("charge lost", |case, order| case.lose_charge(order)),
            ("stock lost", |case, order| case.lose_taking(order)),
            ("flag lost", |case, order| case.set_paid(order, false)),
            ("row lost", |case, order| case.lose_order(order)),
        ];
        for (name, tear) in tears {
            let mut case = Case::legal();
            let paid = case.paid();
            tear(&mut case, paid);
            assert_eq!(case.order_labels(), [(paid, Label::Torn)], "{name}");
        }
    }

    #[test]
    fn a_rejected_order_that_was_only_charged_is_torn() {
        let mut case = Case::legal();
        let rejected = case.rejected();
        case.charge(rejected, case.cost(rejected));
        assert_eq!(case.order_labels(), [(rejected, Label::Torn)]);
    }

    #[test]
    fn a_charge_to_another_user_is_torn() {
        let mut case = Case::legal();
        let paid = case.paid();
        case.charge_somebody_else(paid);
        assert_eq!(case.order_labels(), [(paid, Label::Torn)]);
    }
}

//! Nothing is taken twice, however often it was tried: π ≤ 1 and every σ ≤ 1.

use super::Finding;
use crate::{book::OrderFacts, verdict::Label};

pub(super) fn find(order: &OrderFacts<'_>) -> Option<Finding> {
    if !order.effect.seen.lines {
        return None;
    }
    let doubled: Vec<String> = order
        .effect
        .parts
        .iter()
        .filter(|part| part.ordered > 0 && part.taken > part.ordered)
        .map(|part| {
            format!(
                "{} of {} where {} were ordered",
                part.taken, part.good, part.ordered
            )
        })
        .collect();
    if doubled.is_empty() {
        return None;
    }
    let contradiction = format!("it took {}", doubled.join(", and "));
    Some(Finding::of_order(Label::Double, order, contradiction))
}

#[cfg(test)]
mod tests {
    use crate::{testing::Case, verdict::Label};

    #[test]
    fn a_second_charge_or_a_second_taking_is_a_double() {
        let mut case = Case::legal();
        let paid = case.paid();
        case.charge(paid, case.cost(paid));
        assert_eq!(case.order_labels(), [(paid, Label::Double)]);

        let mut case = Case::legal();
        case.take(paid, 1);
        assert_eq!(case.order_labels(), [(paid, Label::Double)]);
    }

    #[test]
    fn a_checkout_tried_twice_that_took_effect_once_is_none() {
        let mut case = Case::legal();
        let paid = case.paid();
        case.checkout_again(paid);
        assert_eq!(case.order_labels(), []);
    }
}

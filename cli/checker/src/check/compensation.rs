//! Nothing is given back that was not taken: π ≥ 0 and every σ ≥ 0.

use super::Finding;
use crate::{book::OrderFacts, verdict::Label};

pub(super) fn find(order: &OrderFacts<'_>) -> Option<Finding> {
    let minted: Vec<String> = order
        .effect
        .parts
        .iter()
        .filter(|part| part.taken < 0)
        .map(|part| {
            format!(
                "{} more of {} given back than taken",
                -part.taken, part.good
            )
        })
        .collect();
    if minted.is_empty() {
        return None;
    }
    let contradiction = format!("there was {}", minted.join(", and "));
    Some(Finding::of_order(
        Label::PhantomRefund,
        order,
        contradiction,
    ))
}

#[cfg(test)]
mod tests {
    use crate::{testing::Case, verdict::Label};

    #[test]
    fn money_or_stock_given_back_without_having_been_taken_is_a_phantom_refund() {
        let mut case = Case::legal();
        let rejected = case.rejected();
        case.refund(rejected, 3);
        assert_eq!(case.order_labels(), [(rejected, Label::PhantomRefund)]);

        let mut case = Case::legal();
        case.restock(rejected, 1);
        assert_eq!(case.order_labels(), [(rejected, Label::PhantomRefund)]);
    }

    #[test]
    fn what_was_taken_and_given_back_is_a_compensation() {
        let mut case = Case::legal();
        let rejected = case.rejected();
        case.charge(rejected, 3);
        case.refund(rejected, 3);
        assert_eq!(case.order_labels(), []);
    }
}

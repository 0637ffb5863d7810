//! Each item's stock is what it was, plus restocks, less the quantities of the orders that are paid.

use super::{
    Looked, Scene,
    balances::{self, Kind},
};
use crate::{snapshot::Subject, verdict::Label};

pub(super) fn check(scene: &Scene<'_>) -> Looked {
    balances::check(
        &scene.book.items,
        scene.last.witnesses,
        &Kind {
            label: Label::StockLeak,
            subject: Subject::Item,
            noun: "stock",
        },
    )
}

#[cfg(test)]
mod tests {
    use crate::{testing::Case, verdict::Label};

    #[test]
    fn stock_altered_by_hand_is_a_leak_that_names_the_items_orders() {
        let mut case = Case::legal();
        let paid = case.paid();
        let item = case.item_of(paid);
        case.alter_stock(item, 1);
        let judgement = case.judge();
        let [leak] = &judgement.violations[..] else {
            panic!("{:?}", judgement.violations)
        };
        assert_eq!(leak.label, Label::StockLeak);
        assert!(leak.orders.contains(&paid));
    }

    #[test]
    fn a_restock_counts() {
        let mut case = Case::legal();
        let item = case.item_of(case.paid());
        case.add_stock(item, 5);
        case.alter_stock(item, 5);
        assert_eq!(case.labels(), []);
    }
}

//! The headline figures: never the only check, since sums cancel.

use std::collections::BTreeMap;

use crate::{
    availability::Operation,
    book::Book,
    outcome::Class,
    verdict::{OperationTotal, Totals},
};

pub(super) fn of(operations: &[Operation], book: &Book<'_>) -> Totals {
    let mut totals = Totals {
        money_charged: sum(book.users.iter().map(|user| user.ledger)),
        stock_taken: sum(book.items.iter().map(|item| item.ledger)),
        ..Totals::default()
    };
    book.each_order(|order| {
        totals.orders += 1;
        let whole = order.effect.may_be_whole();
        let done = whole && !order.effect.may_be_none();
        match order.class {
            Some(Class::Ok) => {
                totals.orders_ok += 1;
                totals.lost_acknowledged += u64::from(!whole);
            }
            Some(Class::Info) => {
                totals.orders_info += 1;
                totals.orders_info_done += u64::from(done);
            }
            Some(Class::Fail) => totals.orders_fail += 1,
            None => {}
        }
    });
    let mut kinds: BTreeMap<&str, OperationTotal> = BTreeMap::new();
    for operation in operations {
        let name = operation.op.name();
        let total = kinds.entry(name).or_insert_with(|| OperationTotal {
            name: name.to_owned(),
            ..OperationTotal::default()
        });
        match operation.class {
            Class::Ok => total.ok += 1,
            Class::Fail => total.fail += 1,
            Class::Info => total.info += 1,
        }
    }
    totals.operations = kinds.into_values().collect();
    totals
}

/// A headline may be capped: the checks count with the whole sums.
fn sum(amounts: impl Iterator<Item = i128>) -> i64 {
    let total: i128 = amounts.sum();
    i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX })
}

//! What one order may take of each balance, from when on, and what it has certainly taken by when.

use std::collections::BTreeSet;

use protocol::UserId;

use crate::{
    book::{Addition, Claims, OrderFacts, acked_us, sent_us},
    effect::Good,
};

/// From when an amount may have been taken, or is certainly taken. Times are microseconds on the history's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taking {
    pub(super) good: Good,
    pub(super) at_us: u64,
    pub(super) amount: i64,
}

/// What one order takes of all balances.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Purchase {
    /// What may have been taken once it was asked for.
    pub(super) perhaps: Vec<Taking>,
    /// What was certainly taken once it was acknowledged.
    pub(super) certain: Vec<Taking>,
}

/// What an order takes that is right by itself; one that was paid before the load takes nothing.
pub(super) fn of(order: &OrderFacts<'_>) -> Purchase {
    let mut purchase = Purchase::default();
    let Some(sent_us) = sent_us(order.checkouts).filter(|_| !order.paid_before) else {
        return purchase;
    };
    let Some(claims) = &order.claims else {
        // Nobody knows what it is for: by its row and its movements alone.
        purchase
            .perhaps
            .extend(order.effect.parts.iter().map(|part| Taking {
                good: part.good,
                at_us: sent_us,
                amount: i64::try_from(part.taken.max(part.ordered).max(0)).unwrap_or(i64::MAX),
            }));
        return purchase;
    };
    // What costs nobody knows how much may cost anything, and certainly costs nothing.
    let whole = |_: &Addition| true;
    take(&mut purchase.perhaps, claims, sent_us, whole, i64::MAX);
    if let Some((checked_out_us, acked_us)) = acknowledged(order)
        && claims.owners().count() == 1
    {
        let by_then = |addition: &Addition| addition.acked_us.is_some_and(|at| at < checked_out_us);
        take(&mut purchase.certain, claims, acked_us, by_then, 0);
    }
    purchase
}

/// Every balance that an order has moved or may be for, by anybody's word.
pub(super) fn touched(order: &OrderFacts<'_>) -> Vec<Good> {
    let mut goods: Vec<Good> = order.effect.parts.iter().map(|part| part.good).collect();
    if let Some(row) = order.row {
        goods.push(Good::Credit(row.user_id));
        goods.extend(row.lines.iter().map(|line| Good::Item(line.item_id)));
    }
    if let Some(claims) = &order.claims {
        goods.extend(claims.owners().map(Good::Credit));
        goods.extend(claims.lines().iter().map(|line| Good::Item(line.item)));
    }
    goods
}

/// When the checkout that was acknowledged first was asked for, and when it was acknowledged.
fn acknowledged(order: &OrderFacts<'_>) -> Option<(u64, u64)> {
    let acked_us = acked_us(order.checkouts)?;
    let is_it = |at: Option<u64>| at == Some(acked_us);
    let ok = order
        .checkouts
        .iter()
        .find(|attempt| is_it(self::acked_us(&[attempt])))?;
    let own = order.checkouts.iter().copied();
    let own: Vec<_> = own
        .filter(|attempt| attempt.invoke.id == ok.invoke.id)
        .collect();
    Some((sent_us(&own).unwrap_or(ok.invoke.sent_us), acked_us))
}

/// Adds what an order's prepared lines and some of its additions take, and what they cost whoever may own it.
fn take(
    takings: &mut Vec<Taking>,
    claims: &Claims<'_>,
    at_us: u64,
    counts: impl Fn(&Addition) -> bool,
    unknown_price: i64,
) {
    let mut cost = 0_i64;
    let prepared = claims.known.map_or(&[][..], |row| &row.lines);
    let prepared = prepared.iter().map(|line| (line.item_id, line.quantity));
    let added = claims.additions.iter().filter(|addition| counts(addition));
    let taking = |good, amount| Taking {
        good,
        at_us,
        amount,
    };
    for (item, amount) in prepared.chain(added.map(|it| (it.item, it.quantity))) {
        let price = claims.price(item).unwrap_or(unknown_price);
        cost = cost.saturating_add(amount.saturating_mul(price));
        takings.push(taking(Good::Item(item), amount));
    }
    // An id that one user was given twice is one order of his all the same.
    let owners: BTreeSet<UserId> = claims.owners().collect();
    takings.extend(
        owners
            .into_iter()
            .map(|owner| taking(Good::Credit(owner), cost)),
    );
}

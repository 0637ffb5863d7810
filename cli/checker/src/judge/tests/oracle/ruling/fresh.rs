//! The row of the table on reads that miss what was acknowledged before.

use std::collections::BTreeSet;

use protocol::OrderId;

use super::{
    balances::{Good, asked, moved},
    claims::{self, operations, operations_of, ordered},
    contents::{Saw, reads, saw},
    is_whole_history, last, order_ids, paid_before,
};
use crate::{
    history::{Op, Value},
    judge::tests::oracle::world::World,
    outcome::Class,
};

/// A read of an order that missed its checkout, or a line where nothing else is wrong with it.
pub(super) fn is_stale(world: &World, id: OrderId, is_wrong: bool) -> bool {
    let acked = checkouts(world, id)
        .into_iter()
        .filter_map(|(_, acked)| acked)
        .min();
    let unpaid = reads(world, id).into_iter().any(|read| {
        let paid = matches!(read.value(), Some(Value::Order { paid: true, .. }));
        !paid && acked.is_some_and(|at| at < read.invoke.sent_us)
    });
    let former = || {
        let mut reads = reads(world, id).into_iter();
        reads.any(|read| saw(world, id, read) == Some(Saw::Former))
    };
    unpaid || (!is_wrong && former())
}

/// When each checkout of an order was sent, and when it was acknowledged.
fn checkouts(world: &World, id: OrderId) -> Vec<(u64, Option<u64>)> {
    let checkout = Op::Checkout { order: id };
    let own = operations_of(world, |op| op == checkout);
    own.iter().map(|it| (it.sent(), it.acked())).collect()
}

/// Whether an order that is wrong by itself has anything to do with a good.
fn touches(world: &World, id: OrderId, good: Good) -> bool {
    let last = last(world);
    let row = last.orders.iter().find(|row| row.order_id == id);
    let prepared = claims::prepared(world, id);
    let is_for = |lines: &[crate::snapshot::OrderLine]| {
        lines.iter().any(|line| good == Good::Pieces(line.item_id))
    };
    let payments = last.payment_movements.iter().any(|m| {
        m.order_id == id
            && m.movement_id > world.initial.payment_watermark
            && good == Good::Credit(m.user_id)
    });
    let stock = last.stock_movements.iter().any(|m| {
        m.order_id == id
            && m.movement_id > world.initial.stock_watermark
            && good == Good::Pieces(m.item_id)
    });
    let additions = || !claims::owners(world, id).is_empty();
    payments
        || stock
        || row.is_some_and(|row| good == Good::Credit(row.user_id) || is_for(&row.lines))
        || prepared.is_some_and(|row| is_for(&row.lines))
        || claims::owners(world, id)
            .into_iter()
            .any(|owner| good == Good::Credit(owner))
        || (additions()
            && claims::additions(world, id)
                .iter()
                .any(|it| good == Good::Pieces(it.item)))
}

fn start(world: &World, good: Good) -> Option<i64> {
    let created = |is_it: &dyn Fn(Op, i64) -> bool| {
        let all = operations(world);
        let mut all = all.iter();
        all.any(|it| it.made().is_some_and(|made| is_it(it.op, made)))
            .then_some(0)
    };
    match good {
        Good::Credit(user) => {
            let mut rows = world.initial.users.iter();
            rows.find(|row| row.user_id == user)
                .map(|row| row.credit)
                .or_else(|| created(&|op, made| op == Op::CreateUser && made == user.0))
        }
        Good::Pieces(item) => {
            let mut rows = world.initial.items.iter();
            let is_it = |op, made| matches!(op, Op::CreateItem { .. }) && made == item.0;
            rows.find(|row| row.item_id == item)
                .map(|row| row.stock)
                .or_else(|| created(&is_it))
        }
    }
}

/// A read of a balance that is not in its interval.
pub(super) fn is_out_of_bounds(world: &World, good: Good, wrong: &BTreeSet<OrderId>) -> bool {
    let Some(start) = start(world, good).filter(|_| is_whole_history(world)) else {
        return false;
    };
    if wrong.iter().any(|id| touches(world, *id, good)) {
        return false;
    }
    world.history.attempts.iter().any(|read| {
        let seen = match (read.invoke.op, read.value(), good) {
            (Op::FindUser { user }, Some(Value::Credit(seen)), Good::Credit(of)) if user == of => {
                seen
            }
            (Op::FindItem { item }, Some(Value::Stock(seen)), Good::Pieces(of)) if item == of => {
                seen
            }
            _ => return false,
        };
        let began = read.invoke.sent_us;
        let ended = read.complete.as_ref().unwrap().at_us;
        let (low, high) = bounds(world, good, start, began, ended);
        seen >= 0 && (seen < low || seen > high)
    })
}

fn bounds(world: &World, good: Good, start: i64, began: u64, ended: u64) -> (i64, i64) {
    let (mut low, mut high) = (start, start);
    for it in operations(world)
        .iter()
        .filter(|it| it.class() != Class::Fail)
    {
        let (amount, added) = match (it.op, good) {
            (Op::AddFunds { user, amount }, Good::Credit(of)) if user == of => (amount.0, true),
            (Op::AddStock { item, amount }, Good::Pieces(of)) if item == of => (amount.0, true),
            (Op::Pay { user, amount }, Good::Credit(of)) if user == of => (amount.0, false),
            (Op::SubtractStock { item, amount }, Good::Pieces(of)) if item == of => {
                (amount.0, false)
            }
            _ => continue,
        };
        let invoked = it.sent() <= ended;
        let acked = it.acked().is_some_and(|at| at < began);
        match added {
            true if invoked => high += amount,
            false if invoked => low -= amount,
            _ => {}
        }
        match added {
            true if acked => low += amount,
            false if acked => high -= amount,
            _ => {}
        }
    }
    for id in order_ids(world)
        .into_iter()
        .filter(|id| !paid_before(world, *id))
    {
        let checkouts = checkouts(world, id);
        if !checkouts.iter().any(|(sent, _)| *sent <= ended) {
            continue;
        }
        let owners = claims::owners(world, id);
        let most = |owner| {
            let all = claims::additions(world, id);
            asked(
                claims::priced(world, id, owner, &all, Some(1_000_000)).as_ref(),
                good,
            )
        };
        low -= match owners[..] {
            [] => {
                let row = ordered(world, id);
                moved(world, id, good).max(asked(row.as_ref(), good)).max(0)
            }
            _ => owners.iter().map(|owner| most(*owner)).max().unwrap(),
        };
        let first = checkouts.iter().filter(|(_, acked)| acked.is_some());
        let first = first.min_by_key(|(_, acked)| *acked);
        if let (Some((sent, Some(acked))), [owner]) = (first, &owners[..])
            && *acked < began
        {
            let by_then: Vec<_> = claims::additions(world, id)
                .into_iter()
                .filter(|it| it.acked.is_some_and(|at| at < *sent))
                .collect();
            let row = claims::priced(world, id, *owner, &by_then, Some(0));
            high -= asked(row.as_ref(), good);
        }
    }
    (low, high)
}

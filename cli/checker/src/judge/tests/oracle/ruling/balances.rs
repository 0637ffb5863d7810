//! What users and items had, have and should have.

use std::collections::BTreeSet;

use protocol::{ItemId, OrderId, UserId};

use super::{
    claims::{operations, ordered, prepared},
    last,
    order::class_of,
    order_ids, paid_before, watermarks,
};
use crate::{
    history::{Op, Value},
    judge::tests::oracle::world::World,
    outcome::Class,
    snapshot::OrderRow,
};

/// Something that an order can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Good {
    Credit(UserId),
    Pieces(ItemId),
}

/// What the ledger says an order took of a good.
pub(super) fn moved(world: &World, id: OrderId, good: Good) -> i64 {
    let last = last(world);
    let (payments_from, stock_from) = watermarks(world);
    let deltas: i64 =
        match good {
            Good::Credit(user) => {
                let of = last.payment_movements.iter().filter(|m| {
                    m.movement_id > payments_from && m.order_id == id && m.user_id == user
                });
                of.map(|m| m.delta).sum()
            }
            Good::Pieces(item) => {
                let of = last.stock_movements.iter().filter(|m| {
                    m.movement_id > stock_from && m.order_id == id && m.item_id == item
                });
                of.map(|m| m.delta).sum()
            }
        };
    -deltas
}

pub(super) fn asked(order: Option<&OrderRow>, good: Good) -> i64 {
    let Some(order) = order else { return 0 };
    match good {
        Good::Credit(user) if user == order.user_id => order.total_cost,
        Good::Credit(_) => 0,
        Good::Pieces(item) => {
            let lines = order.lines.iter().filter(|line| line.item_id == item);
            lines.map(|line| line.quantity).sum()
        }
    }
}

/// Every good of the world.
pub(super) fn goods(world: &World) -> BTreeSet<Good> {
    let last = last(world);
    let mut goods = BTreeSet::new();
    goods.extend(
        world
            .initial
            .users
            .iter()
            .map(|row| Good::Credit(row.user_id)),
    );
    goods.extend(last.users.iter().map(|row| Good::Credit(row.user_id)));
    goods.extend(
        world
            .initial
            .items
            .iter()
            .map(|row| Good::Pieces(row.item_id)),
    );
    goods.extend(last.items.iter().map(|row| Good::Pieces(row.item_id)));
    let (payments_from, stock_from) = watermarks(world);
    let payments = last.payment_movements.iter();
    let payments = payments.filter(|m| m.movement_id > payments_from);
    goods.extend(payments.map(|m| Good::Credit(m.user_id)));
    let stock = last.stock_movements.iter();
    let stock = stock.filter(|m| m.movement_id > stock_from);
    goods.extend(stock.map(|m| Good::Pieces(m.item_id)));
    for attempt in &world.history.attempts {
        // What was topped up, as its client was told, is there.
        match (attempt.invoke.op, attempt.class()) {
            (Op::AddFunds { user, .. } | Op::Pay { user, .. }, Class::Ok) => {
                goods.insert(Good::Credit(user));
            }
            (Op::FindUser { user }, Class::Ok) => _ = goods.insert(Good::Credit(user)),
            (Op::FindItem { item }, Class::Ok) => _ = goods.insert(Good::Pieces(item)),
            (Op::AddStock { item, .. } | Op::SubtractStock { item, .. }, Class::Ok) => {
                goods.insert(Good::Pieces(item));
            }
            _ => {}
        }
    }
    // What was made, as its client was told, is there too.
    for it in operations(world) {
        match (it.op, it.made()) {
            (Op::CreateUser, Some(id)) => _ = goods.insert(Good::Credit(UserId(id))),
            (Op::CreateItem { .. }, Some(id)) => _ = goods.insert(Good::Pieces(ItemId(id))),
            _ => {}
        }
    }
    for id in order_ids(world) {
        // What was paid before took what its row said then.
        if let Some(order) = prepared(world, id).filter(|_| paid_before(world, id)) {
            goods.insert(Good::Credit(order.user_id));
            goods.extend(order.lines.iter().map(|line| Good::Pieces(line.item_id)));
        }
        if let Some(order) = ordered(world, id) {
            goods.insert(Good::Credit(order.user_id));
            goods.extend(order.lines.iter().map(|line| Good::Pieces(line.item_id)));
        }
    }
    goods
}

/// Final = initial + top-ups − what the paid orders come to, and the ledger says the same.
pub(super) fn leaks(world: &World, good: Good) -> bool {
    let last = last(world);
    let (before, after) = match good {
        Good::Credit(user) => (
            world
                .initial
                .users
                .iter()
                .find(|row| row.user_id == user)
                .map(|row| row.credit),
            last.users
                .iter()
                .find(|row| row.user_id == user)
                .map(|row| row.credit),
        ),
        Good::Pieces(item) => (
            world
                .initial
                .items
                .iter()
                .find(|row| row.item_id == item)
                .map(|row| row.stock),
            last.items
                .iter()
                .find(|row| row.item_id == item)
                .map(|row| row.stock),
        ),
    };
    let Some(after) = after else { return true };
    let (mut by_orders, mut by_ledger) = (0, 0);
    for id in order_ids(world) {
        let order = ordered(world, id);
        let row = last.orders.iter().find(|row| row.order_id == id);
        if row.is_some_and(|row| row.paid) && !paid_before(world, id) {
            by_orders += asked(order.as_ref(), good);
        }
        by_ledger += moved(world, id, good);
    }
    let start = before.unwrap_or(0);
    let mut possible = vec![0];
    for (amount, class) in top_ups(world, good) {
        possible = match class {
            Class::Ok => possible.iter().map(|sum| sum + amount).collect(),
            Class::Info => possible
                .iter()
                .flat_map(|sum| [*sum, sum + amount])
                .collect(),
            Class::Fail => possible,
        };
    }
    !possible
        .iter()
        .any(|top_up| after == start + top_up - by_orders && after == start + top_up - by_ledger)
}

/// The logical operations that change a good outside orders: amount and class.
pub(super) fn top_ups(world: &World, good: Good) -> Vec<(i64, Class)> {
    let attempts = &world.history.attempts;
    let ids: BTreeSet<u64> = attempts.iter().map(|attempt| attempt.invoke.id).collect();
    let mut found = Vec::new();
    for id in ids {
        let own: Vec<_> = attempts.iter().filter(|a| a.invoke.id == id).collect();
        let amount = match (own[0].invoke.op, good) {
            (Op::AddFunds { user, amount }, Good::Credit(of)) if user == of => amount.0,
            (Op::Pay { user, amount }, Good::Credit(of)) if user == of => -amount.0,
            (Op::AddStock { item, amount }, Good::Pieces(of)) if item == of => amount.0,
            (Op::SubtractStock { item, amount }, Good::Pieces(of)) if item == of => -amount.0,
            _ => continue,
        };
        let classes: Vec<Class> = own.iter().map(|attempt| attempt.class()).collect();
        found.extend(class_of(&classes).map(|class| (amount, class)));
    }
    found
}

/// Every good, and what clients read that nobody else speaks of.
pub(super) fn read_goods(world: &World) -> BTreeSet<Good> {
    let mut all = goods(world);
    for attempt in &world.history.attempts {
        match attempt.invoke.op {
            Op::FindUser { user } => _ = all.insert(Good::Credit(user)),
            Op::FindItem { item } => _ = all.insert(Good::Pieces(item)),
            _ => {}
        }
    }
    for read in &world.snapshots {
        let users = read.users.iter().chain(&read.api.users);
        all.extend(users.map(|row| Good::Credit(row.user_id)));
        let items = read.items.iter().chain(&read.api.items);
        all.extend(items.map(|row| Good::Pieces(row.item_id)));
    }
    all
}

/// Every read of a balance, ever.
pub(super) fn is_negative(world: &World, good: Good) -> bool {
    let mut reads = Vec::new();
    for attempt in &world.history.attempts {
        match (attempt.invoke.op, attempt.value(), good) {
            (Op::FindUser { user }, Some(Value::Credit(seen)), Good::Credit(of)) if user == of => {
                reads.push(seen);
            }
            (Op::FindItem { item }, Some(Value::Stock(seen)), Good::Pieces(of)) if item == of => {
                reads.push(seen);
            }
            _ => {}
        }
    }
    let mut users = world.initial.users.clone();
    let mut items = world.initial.items.clone();
    for snapshot in &world.snapshots {
        users.extend(snapshot.users.iter().chain(&snapshot.api.users));
        items.extend(snapshot.items.iter().chain(&snapshot.api.items));
    }
    match good {
        Good::Credit(of) => {
            reads.extend(
                users
                    .iter()
                    .filter(|row| row.user_id == of)
                    .map(|row| row.credit),
            );
        }
        Good::Pieces(of) => {
            reads.extend(
                items
                    .iter()
                    .filter(|row| row.item_id == of)
                    .map(|row| row.stock),
            );
        }
    }
    reads.iter().any(|seen| *seen < 0)
}

pub(super) fn subject(good: Good) -> String {
    match good {
        Good::Credit(user) => format!("User({user:?})"),
        Good::Pieces(item) => format!("Item({item:?})"),
    }
}

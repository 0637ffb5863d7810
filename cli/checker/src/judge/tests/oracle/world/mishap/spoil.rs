//! What can happen to the contents of orders, to prices and to ids.

use protocol::{ItemId, OrderId, Quantity, UserId};

use super::{World, each, move_credit, move_stock};
use crate::{
    contents::Digest,
    history::{Attempt, Complete, Invoke, Op, Value},
    judge::tests::oracle::world::{ITEMS, STEP_US, USERS, cart},
    outcome::Class,
    snapshot::{ItemRow, OrderRow, Snapshot, UserRow},
    testing::Dice,
};

pub(super) fn befall(world: &mut World, dice: &mut Dice, order: OrderId) {
    let item = ItemId(dice.between(0, ITEMS - 1));
    let user = UserId(dice.between(0, USERS - 1));
    let costs = dice.percent(50);
    match dice.roll(12) {
        0 | 1 => each(world, |s| with_order(s, order, |row| lose(row, costs))),
        2 => each(world, |s| with_order(s, order, |row| double(row, costs))),
        3 => double_and_charge(world, order),
        4 => each(world, |s| {
            for row in s.items.iter_mut().filter(|row| row.item_id == item) {
                row.price += 1;
            }
        }),
        5 => each(world, |s| {
            with_order(s, order, |row| {
                for line in row.lines.iter_mut().take(1) {
                    line.price += 1;
                }
            });
        }),
        6 => each(world, |s| with_order(s, order, |row| row.user_id = user)),
        7 => each(world, |s| with_order(s, order, |row| row.total_cost += 1)),
        8 => give_twice(world, dice, order, user),
        9 => strange(world, dice, user),
        10 => {
            let quantity = Quantity(dice.between(1, 2));
            let op = Op::AddItem {
                order,
                item,
                quantity,
            };
            happen(world, op, None);
            if costs {
                former_read(world, order);
            }
        }
        _ => {
            let quantity = Quantity(1);
            let op = Op::AddItem {
                order,
                item,
                quantity,
            };
            happen(world, op, None);
            former_read(world, order);
            each(world, |s| {
                with_order(s, order, |row| cart::put(row, item, 1))
            });
        }
    }
}

fn with_order(snapshot: &mut Snapshot, order: OrderId, change: impl Fn(&mut OrderRow)) {
    let rows = snapshot.orders.iter_mut();
    rows.filter(|row| row.order_id == order).for_each(change);
}

fn lose(row: &mut OrderRow, costs: bool) {
    let mut lines = row.lines.to_vec();
    if let Some(lost) = lines.pop().filter(|_| costs) {
        row.total_cost -= lost.quantity * lost.price;
    }
    row.lines = lines.into();
}

fn double(row: &mut OrderRow, costs: bool) {
    for line in row.lines.iter_mut().take(1) {
        row.total_cost += if costs { line.quantity * line.price } else { 0 };
        line.quantity *= 2;
    }
}

/// A line that is there twice, and was charged and taken twice where the order is paid.
fn double_and_charge(world: &mut World, order: OrderId) {
    each(world, |snapshot| {
        let row = snapshot.orders.iter().find(|row| row.order_id == order);
        let Some(row) = row.cloned() else { return };
        if let Some(line) = row.lines.first().filter(|_| row.paid) {
            let cost = line.quantity * line.price;
            move_credit(snapshot, order, row.user_id, -cost, true);
            move_stock(snapshot, order, line.item_id, -line.quantity, true);
        }
        with_order(snapshot, order, |row| double(row, true));
    });
}

/// One more ok operation after all others.
fn happen(world: &mut World, op: Op, value: Option<Value>) {
    let attempts = &mut world.history.attempts;
    let last = attempts.iter().map(|it| (it.invoke.id, it.invoke.sent_us));
    let id = last.clone().map(|(id, _)| id + 1).max().unwrap_or(0);
    let sent_us = last.map(|(_, at)| at).max().unwrap_or(0) + STEP_US;
    attempts.push(Attempt {
        invoke: Invoke {
            id,
            attempt: 1,
            process: 0,
            due_us: sent_us,
            sent_us,
            op,
        },
        complete: Some(Complete {
            id,
            attempt: 1,
            at_us: sent_us + STEP_US / 2,
            class: Class::Ok,
            status: Some(200),
            broken: None,
            refusal: None,
            value,
        }),
    });
}

/// A client reads an order as its row is now.
fn former_read(world: &mut World, order: OrderId) {
    let rows = world
        .snapshots
        .first()
        .map(|snapshot| snapshot.orders.clone());
    let row = rows.and_then(|rows| rows.iter().find(|row| row.order_id == order).cloned());
    if let Some(row) = row {
        let contents: Digest = row.contents();
        let value = Value::Order {
            paid: row.paid,
            contents,
        };
        happen(world, Op::FindOrder { order }, Some(value));
    }
}

fn give_twice(world: &mut World, dice: &mut Dice, order: OrderId, user: UserId) {
    let price = protocol::Credits(1);
    let (op, id) = match dice.roll(3) {
        0 => (Op::CreateOrder { user }, order.0),
        1 => (Op::CreateUser, user.0),
        _ => (Op::CreateItem { price }, 0),
    };
    happen(world, op, Some(Value::Created(id)));
}

/// Something that nobody made.
fn strange(world: &mut World, dice: &mut Dice, user_id: UserId) {
    let which = dice.roll(3);
    each(world, |s| match which {
        0 => s.orders.push(OrderRow {
            order_id: OrderId(40),
            user_id,
            paid: false,
            total_cost: 0,
            lines: Box::default(),
        }),
        1 => s.users.push(UserRow {
            user_id: UserId(40),
            credit: 0,
        }),
        _ => s.items.push(ItemRow {
            item_id: ItemId(40),
            price: 1,
            stock: 0,
        }),
    });
}

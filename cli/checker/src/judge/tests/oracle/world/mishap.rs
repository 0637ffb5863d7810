//! What can happen to a shop, and to whoever reads it.

mod spoil;

use protocol::{ItemId, OrderId, UserId};

use super::{ITEMS, USERS, World, busy_lane, open_saga, payment, status_of, taking};
use crate::{
    evidence::{Held, HeldUntil},
    outcome::Class,
    snapshot::{OrderRow, Snapshot},
    testing::Dice,
};

pub(super) fn alter_credit(snapshot: &mut Snapshot, user: UserId, delta: i64) {
    for row in snapshot.users.iter_mut().filter(|row| row.user_id == user) {
        row.credit += delta;
    }
}

pub(super) fn alter_stock(snapshot: &mut Snapshot, item: ItemId, delta: i64) {
    for row in snapshot.items.iter_mut().filter(|row| row.item_id == item) {
        row.stock += delta;
    }
}

/// Writes to the payment ledger, and to the balance where both are `in_step`.
pub(super) fn move_credit(
    s: &mut Snapshot,
    order: OrderId,
    user: UserId,
    delta: i64,
    in_step: bool,
) {
    let id = s.payment_movements.len() as i64 + 1;
    s.payment_movements.push(payment(id, order, user, delta));
    if in_step {
        alter_credit(s, user, delta);
    }
}

pub(super) fn move_stock(
    s: &mut Snapshot,
    order: OrderId,
    item: ItemId,
    delta: i64,
    in_step: bool,
) {
    let id = s.stock_movements.len() as i64 + 1;
    s.stock_movements.push(taking(id, order, item, delta));
    if in_step {
        alter_stock(s, item, delta);
    }
}

/// A movement that is older than the watermark.
pub(super) fn move_old(snapshot: &mut Snapshot, order: OrderId) {
    snapshot
        .payment_movements
        .push(payment(-1, order, UserId(0), -3));
    snapshot
        .stock_movements
        .push(taking(-1, order, ItemId(0), -3));
}

fn orders(world: &World) -> Vec<OrderId> {
    let rows = world.snapshots.iter().flat_map(|snapshot| &snapshot.orders);
    let mut ids: Vec<OrderId> = rows.map(|row| row.order_id).collect();
    ids.extend(world.initial.orders.iter().map(|row| row.order_id));
    // One that nobody knows.
    ids.push(OrderId(90));
    ids
}

fn each(world: &mut World, mut change: impl FnMut(&mut Snapshot)) {
    world.snapshots.iter_mut().for_each(&mut change);
}

/// What goes wrong in the shop.
pub(super) fn befall(world: &mut World, dice: &mut Dice) {
    let order = dice.pick(&orders(world));
    let user = UserId(dice.between(0, USERS - 1));
    let item = ItemId(dice.between(0, ITEMS - 1));
    let amount = dice.pick(&[1, 1, 2, 3, -1, -2, 60]);
    let in_step = dice.percent(60);
    match dice.roll(26) {
        0 => each(world, |s| move_credit(s, order, user, -amount, in_step)),
        1 => each(world, |s| move_stock(s, order, item, -amount, in_step)),
        2 => lose_payments(world, order, in_step),
        3 => lose_takings(world, order, in_step),
        4 => repeat(world, order, in_step),
        5 | 6 => each(world, |s| {
            for row in s.orders.iter_mut().filter(|row| row.order_id == order) {
                row.paid = !row.paid;
            }
        }),
        7 => each(world, |s| s.orders.retain(|row| row.order_id != order)),
        8 => match in_step {
            true => each(world, |s| s.users.retain(|row| row.user_id != user)),
            false => each(world, |s| s.items.retain(|row| row.item_id != item)),
        },
        9 => each(world, |s| alter_credit(s, user, amount)),
        10 => each(world, |s| alter_stock(s, item, -amount)),
        11 => apply(world, order),
        12 => undo(world, order),
        13 => {
            let chosen = dice.roll(world.history.attempts.len().max(1));
            let class = dice.pick(&[Class::Ok, Class::Fail, Class::Info]);
            if let Some(complete) = world
                .history
                .attempts
                .get_mut(chosen)
                .and_then(|a| a.complete.as_mut())
            {
                complete.class = class;
                complete.broken = None;
                complete.status = Some(status_of(class));
            }
        }
        14 => world.initial.orders.retain(|row| row.order_id != order),
        16..=24 => spoil::befall(world, dice, order),
        _ => {
            let from = dice.pick(&[1, 2, 3]);
            world.initial.payment_watermark = from;
            world.initial.stock_watermark = from - 1;
        }
    }
}

fn lose_payments(world: &mut World, order: OrderId, in_step: bool) {
    each(world, |snapshot| {
        let movements = snapshot.payment_movements.iter().copied();
        let (lost, kept): (Vec<_>, Vec<_>) = movements.partition(|m| m.order_id == order);
        snapshot.payment_movements = kept.into();
        for movement in lost.iter().filter(|_| in_step) {
            alter_credit(snapshot, movement.user_id, -movement.delta);
        }
    });
}

fn lose_takings(world: &mut World, order: OrderId, in_step: bool) {
    each(world, |snapshot| {
        let movements = snapshot.stock_movements.iter().copied();
        let (lost, kept): (Vec<_>, Vec<_>) = movements.partition(|m| m.order_id == order);
        snapshot.stock_movements = kept.into();
        for movement in lost.iter().filter(|_| in_step) {
            alter_stock(snapshot, movement.item_id, -movement.delta);
        }
    });
}

/// Everything that an order moved is moved once more.
fn repeat(world: &mut World, order: OrderId, in_step: bool) {
    each(world, |snapshot| {
        let payments = snapshot
            .payment_movements
            .iter()
            .filter(|m| m.order_id == order);
        for movement in payments.copied().collect::<Vec<_>>() {
            move_credit(snapshot, order, movement.user_id, movement.delta, in_step);
        }
        let stock = snapshot
            .stock_movements
            .iter()
            .filter(|m| m.order_id == order);
        for movement in stock.copied().collect::<Vec<_>>() {
            move_stock(snapshot, order, movement.item_id, movement.delta, in_step);
        }
    });
}

fn row(world: &World, order: OrderId) -> Option<OrderRow> {
    let rows = &world.snapshots.first()?.orders;
    rows.iter().find(|row| row.order_id == order).cloned()
}

/// An order takes all its effect, whatever its clients were told.
fn apply(world: &mut World, order: OrderId) {
    let Some(row) = row(world, order).filter(|row| !row.paid) else {
        return;
    };
    each(world, |snapshot| {
        move_credit(snapshot, order, row.user_id, -row.total_cost, true);
        for line in &row.lines {
            move_stock(snapshot, order, line.item_id, -line.quantity, true);
        }
        for found in snapshot
            .orders
            .iter_mut()
            .filter(|found| found.order_id == order)
        {
            found.paid = true;
        }
    });
}

/// Nothing of an order is left, and the balances are as if it never had been.
fn undo(world: &mut World, order: OrderId) {
    lose_payments(world, order, true);
    lose_takings(world, order, true);
    each(world, |snapshot| {
        for found in snapshot
            .orders
            .iter_mut()
            .filter(|found| found.order_id == order)
        {
            found.paid = false;
        }
    });
}

/// What goes wrong when the shop is read, and what is lacking around it.
pub(super) fn befall_reading(world: &mut World, dice: &mut Dice) {
    let order = dice.pick(&orders(world));
    let which = dice.roll(world.snapshots.len().max(1));
    let both = dice.percent(70);
    let late = dice.percent(60);
    let settle = &mut world.evidence.settle;
    match dice.roll(41) {
        15 => settle.missing.push("a task of stock".to_owned()),
        0 => settle.load_stopped = false,
        1 => settle.faults_healed = false,
        2 => settle.converged = false,
        3 => settle.quiescent = false,
        4..=6 => {
            settle.quiescent = false;
            settle.waited_ms = if late { settle.deadline_ms } else { 1 };
            let from = usize::from(!both);
            for snapshot in world.snapshots.iter_mut().skip(from) {
                snapshot.sagas.push(open_saga(order));
            }
        }
        7 => {
            settle.waited_ms = settle.deadline_ms;
            let from = usize::from(!both);
            for snapshot in world.snapshots.iter_mut().skip(from) {
                busy_lane(snapshot, which);
            }
        }
        8 => each(world, |snapshot| snapshot.lanes.truncate(2)),
        9 => world.history.ended_at_us = None,
        10 => world.history.truncated_line = Some(9),
        14 => lose_record(world, dice),
        11 => world.history.attempts.clear(),
        12 => drop(world.snapshots.pop()),
        13 => world
            .evidence
            .harness_errors
            .push("a paused task was left".to_owned()),
        _ => misread_rows(world, dice, order, which),
    }
}

/// A record is lost from a history that has its end.
fn lose_record(world: &mut World, dice: &mut Dice) {
    let attempts = &mut world.history.attempts;
    let chosen = dice.roll(attempts.len().max(1));
    if dice.percent(50) {
        attempts
            .iter_mut()
            .skip(chosen)
            .take(1)
            .for_each(|it| it.complete = None);
    } else if chosen < attempts.len() {
        attempts.remove(chosen);
    }
}

/// A final read, or a client, sees something else than there is.
fn misread_rows(world: &mut World, dice: &mut Dice, order: OrderId, which: usize) {
    match dice.roll(27) {
        0 => alter_one(world, which, |s| alter_credit(s, UserId(1), 1)),
        1 => alter_one(world, which, |s| {
            s.orders.retain(|row| row.order_id != order)
        }),
        2 => alter_one(world, which, |s| move_stock(s, order, ItemId(1), -1, false)),
        3 | 4 => alter_one(world, which, |s| {
            for row in s.orders.iter_mut().filter(|row| row.order_id == order) {
                row.paid = !row.paid;
            }
        }),
        5 => each(world, |s| {
            let repeated = s.orders.iter().find(|row| row.order_id == order).cloned();
            s.orders.extend(repeated);
        }),
        6 => each(world, |s| {
            let repeated = s.stock_movements.last().copied();
            s.stock_movements.extend(repeated);
        }),
        7 => each(world, |s| {
            let repeated = s.users.last().copied();
            s.users.extend(repeated);
        }),
        8 => alter_one(world, which, |s| {
            for row in s.api.users.iter_mut().take(1) {
                row.credit = -1;
            }
        }),
        9 => alter_one(world, which, |s| {
            for row in s.api.orders.iter_mut().take(1) {
                row.paid = !row.paid;
            }
        }),
        10 => each(world, |s| s.api.unanswered += 1),
        11 => each(world, |s| s.api.items.clear()),
        12 => world.budgets.ok_before_min = 1_000,
        13 => world.initial.sagas.push(open_saga(order)),
        14 => world.initial.users.clear(),
        15 => world.initial.items.truncate(1),
        16 => alter_one(world, which, |s| {
            for row in s.items.iter_mut().take(1) {
                row.stock = -1;
            }
        }),
        17 => world.snapshots.clear(),
        18 => {
            for fault in &mut world.evidence.faults {
                fault.missing.push("a new task".to_owned());
            }
        }
        26 => hold(world, dice),
        19..=22 => misread(world, dice),
        _ => {
            for row in world.initial.users.iter_mut().take(1) {
                row.credit = -1;
            }
        }
    }
}

/// The fault is held, as planned or not.
fn hold(world: &mut World, dice: &mut Dice) {
    let planned_ms = dice.pick(&[15_000, 15_000, 15_000, 15_000, 9_000]);
    let seen_ms = dice.pick(&[0, 14_499, 14_500, 15_000, 15_000, 15_000]);
    let until = dice.pick(&[
        HeldUntil::Lifted,
        HeldUntil::Lifted,
        HeldUntil::TaskEnded,
        HeldUntil::Unseen,
        HeldUntil::Gone,
        HeldUntil::HelperEnded,
        HeldUntil::RunEnded,
    ]);
    let heals = dice.percent(80);
    for plan in &mut world.planned.faults {
        plan.held_ms = Some(15_000).filter(|_| dice.percent(90));
    }
    for fault in &mut world.evidence.faults {
        let held = Held {
            planned_ms,
            seen_ms,
            until,
        };
        fault.held = Some(held).filter(|_| dice.percent(90));
        if heals {
            fault.healed_us = fault.healed_us.map(|healed_us| healed_us + 14_500_000);
        }
    }
}

fn alter_one(world: &mut World, which: usize, change: impl FnOnce(&mut Snapshot)) {
    if let Some(snapshot) = world.snapshots.get_mut(which) {
        change(snapshot);
    }
}

/// A client reads something else.
fn misread(world: &mut World, dice: &mut Dice) {
    use crate::history::Value;
    let reads = world
        .history
        .attempts
        .iter_mut()
        .filter_map(|attempt| attempt.complete.as_mut()?.value.as_mut());
    let mut reads: Vec<&mut Value> = reads.collect();
    if reads.is_empty() {
        return;
    }
    let chosen = dice.roll(reads.len());
    let (flips, by) = (dice.percent(40), dice.pick(&[-3, -1, 1, 2, 60]));
    match &mut *reads[chosen] {
        Value::Order { paid, .. } if flips => *paid = !*paid,
        Value::Order { contents, .. } => contents.0 ^= 1,
        Value::Credit(balance) | Value::Stock(balance) if flips => *balance = -1,
        Value::Credit(balance) | Value::Stock(balance) => *balance = (*balance + by).max(0),
        Value::Created(_) => {}
    }
}

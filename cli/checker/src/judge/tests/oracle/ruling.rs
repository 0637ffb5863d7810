//! The oracle: the contract's table, word by word, by looking through everything again for every question.

use std::collections::BTreeSet;

use protocol::OrderId;

use super::world::World;
use crate::{
    history::{Op, Value},
    outcome::Class,
    snapshot::{Snapshot, Subject},
    verdict::{Label, Verdict},
};

mod balances;
mod claims;
mod contents;
mod direct;
mod footing;
mod fresh;
mod order;
mod parts;
mod replicas;
mod rest;

use balances::{Good, goods, is_negative, leaks, read_goods, subject};
use claims::operations_of;
use footing::{is_firm, is_read_too_early};
use order::order;
use rest::{is_earned, is_quiescent, reads_agree, stuck};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    /// Order, label, and whether it is only suspected.
    pub(super) orders: BTreeSet<(i64, Label, bool)>,
    /// What the other labels are about.
    pub(super) subjects: BTreeSet<(Label, String, bool)>,
}

fn last(world: &World) -> Snapshot {
    world.snapshots.last().cloned().unwrap_or_default()
}

fn is_whole_history(world: &World) -> bool {
    let history = &world.history;
    let ends_last = |ended: u64| {
        history.attempts.iter().all(|attempt| {
            let complete = attempt.complete.as_ref();
            attempt.invoke.sent_us <= ended && complete.is_none_or(|c| c.at_us <= ended)
        })
    };
    history.ended_at_us.is_some_and(ends_last)
        && history.truncated_line.is_none()
        && history.miscount.is_none()
        && has_every_operation(world)
}

/// Each operation has ended, and none is missing of those that were numbered from 0.
fn has_every_operation(world: &World) -> bool {
    let attempts = &world.history.attempts;
    let ids: BTreeSet<u64> = attempts.iter().map(|attempt| attempt.invoke.id).collect();
    attempts.iter().all(|attempt| attempt.complete.is_some())
        && ids.into_iter().eq(0..ids_end(world))
}

fn ids_end(world: &World) -> u64 {
    let ids = world
        .history
        .attempts
        .iter()
        .map(|attempt| attempt.invoke.id + 1);
    ids.max().unwrap_or(0)
}

/// Every order that anybody speaks of.
fn order_ids(world: &World) -> BTreeSet<OrderId> {
    let last = last(world);
    let mut ids: BTreeSet<OrderId> = last.orders.iter().map(|row| row.order_id).collect();
    ids.extend(world.initial.orders.iter().map(|row| row.order_id));
    ids.extend(&world.initial.paid_orders);
    for attempt in &world.history.attempts {
        match (attempt.invoke.op, attempt.value()) {
            (Op::Checkout { order }, _) => _ = ids.insert(order),
            (Op::AddItem { order, .. }, _) if attempt.class() != Class::Fail => {
                ids.insert(order);
            }
            (Op::FindOrder { order }, Some(_)) => _ = ids.insert(order),
            _ => {}
        }
    }
    let creates = operations_of(world, |op| matches!(op, Op::CreateOrder { .. }));
    ids.extend(creates.iter().filter_map(|it| it.made().map(OrderId)));
    let (from, stock_from) = watermarks(world);
    let payments = last.payment_movements.iter();
    ids.extend(
        payments
            .filter(|m| m.movement_id > from)
            .map(|m| m.order_id),
    );
    let stock = last.stock_movements.iter();
    ids.extend(
        stock
            .filter(|m| m.movement_id > stock_from)
            .map(|m| m.order_id),
    );
    ids
}

fn watermarks(world: &World) -> (i64, i64) {
    (
        world.initial.payment_watermark,
        world.initial.stock_watermark,
    )
}

fn paid_before(world: &World, id: OrderId) -> bool {
    let initial = &world.initial;
    initial.paid_orders.contains(&id)
        || initial
            .orders
            .iter()
            .any(|row| row.order_id == id && row.paid)
}

/// Every order that was ever read.
fn read_orders(world: &World) -> BTreeSet<OrderId> {
    let mut all = order_ids(world);
    for attempt in &world.history.attempts {
        if let Op::FindOrder { order } = attempt.invoke.op {
            all.insert(order);
        }
    }
    for snapshot in &world.snapshots {
        all.extend(snapshot.orders.iter().map(|row| row.order_id));
        all.extend(snapshot.api.orders.iter().map(|read| read.order_id));
    }
    all
}

/// Once a read saw it paid, every later read does. What overlaps has no order.
fn is_reverted(world: &World, id: OrderId) -> bool {
    const AFTER_ALL: u64 = 1 << 60;
    let mut reads: Vec<(u64, u64, bool)> = Vec::new();
    for attempt in &world.history.attempts {
        if let (Op::FindOrder { order }, Some(Value::Order { paid, .. }), Some(complete)) =
            (attempt.invoke.op, attempt.value(), &attempt.complete)
            && order == id
        {
            // One later, so that what was read before the load is before it.
            reads.push((attempt.invoke.sent_us + 1, complete.at_us + 1, paid));
        }
    }
    if paid_before(world, id) {
        reads.push((0, 0, true));
    }
    for (number, snapshot) in (0..).zip(&world.snapshots) {
        let rows = AFTER_ALL + 10 * number;
        let of = snapshot.orders.iter().filter(|row| row.order_id == id);
        reads.extend(of.map(|row| (rows, rows + 1, row.paid)));
        let api = rows + 5;
        let of = snapshot.api.orders.iter().filter(|row| row.order_id == id);
        reads.extend(of.map(|row| (api, api + 1, row.paid)));
    }
    reads.iter().any(|(_, ended, paid)| {
        *paid && reads.iter().any(|(began, _, paid)| !paid && began > ended)
    })
}

/// Whatever else the two rows on contents and on fresh reads find.
fn contents_and_reads(
    world: &World,
    wrong: &BTreeSet<OrderId>,
    unsure: bool,
    subjects: &mut BTreeSet<(Label, String, bool)>,
) {
    for subject in contents::altered(world) {
        subjects.insert((Label::Altered, subject, unsure));
    }
    for subject in contents::given_twice(world) {
        subjects.insert((Label::DuplicateId, subject, false));
    }
    for id in order_ids(world) {
        if !is_reverted(world, id) && fresh::is_stale(world, id, wrong.contains(&id)) {
            subjects.insert((Label::Stale, format!("Order({id:?})"), false));
        }
    }
    for good in read_goods(world) {
        if fresh::is_out_of_bounds(world, good, wrong) {
            subjects.insert((Label::Stale, subject(good), false));
        }
    }
}

/// Whatever the nodes of the databases show to be wrong, at rest or not.
fn of_nodes(world: &World, quiet: bool, subjects: &mut BTreeSet<(Label, String, bool)>) {
    for (label, subject) in replicas::wrong(world, quiet) {
        subjects.insert((label, subject, false));
    }
    for database in direct::split(world) {
        let subject = format!("{:?}", Subject::Database(database));
        subjects.insert((Label::SplitBrain, subject, false));
    }
}

pub(super) fn rule(world: &World) -> Ruling {
    let quiet = is_quiescent(world);
    // Absence proves nothing where what the clients did is not all known.
    let known = is_whole_history(world) && !world.history.attempts.is_empty();
    let mut orders = BTreeSet::new();
    let mut subjects = BTreeSet::new();
    // Without any final read nothing can be missing from it.
    let was_read = !world.snapshots.is_empty();
    let mut wrong = BTreeSet::new();
    for id in order_ids(world) {
        let by_effect = order(world, id).label().filter(|_| was_read);
        let too_early = || is_read_too_early(world, id).then_some(Label::Phantom);
        let by_effect = by_effect.or_else(too_early);
        if let Some(label) = by_effect.or_else(|| contents::label(world, id)) {
            let absent = matches!(label, Label::Phantom | Label::Altered | Label::DoubleLine);
            orders.insert((id.0, label, !quiet || (absent && !known)));
            wrong.insert(id);
        }
    }
    contents_and_reads(world, &wrong, !quiet || !known, &mut subjects);
    for id in read_orders(world) {
        if is_reverted(world, id) {
            subjects.insert((Label::Reverted, format!("Order({id:?})"), false));
        }
    }
    for good in read_goods(world) {
        if is_negative(world, good) {
            let (label, name) = match good {
                Good::Credit(user) => (Label::Overspend, format!("User({user:?})")),
                Good::Pieces(item) => (Label::Oversell, format!("Item({item:?})")),
            };
            subjects.insert((label, name, false));
        }
    }
    for good in goods(world) {
        let (label, name) = match good {
            Good::Credit(user) => (Label::CreditLeak, format!("User({user:?})")),
            Good::Pieces(item) => (Label::StockLeak, format!("Item({item:?})")),
        };
        if was_read && leaks(world, good) {
            subjects.insert((label, name, !quiet || !known));
        }
    }
    for subject in stuck(world) {
        subjects.insert((Label::Stuck, subject, !reads_agree(world)));
    }
    of_nodes(world, quiet, &mut subjects);
    if !is_firm(world) {
        orders = orders
            .into_iter()
            .map(|(id, label, _)| (id, label, true))
            .collect();
        subjects = subjects
            .into_iter()
            .map(|(label, what, _)| (label, what, true))
            .collect();
    }
    let certain = orders.iter().any(|(_, _, suspected)| !suspected)
        || subjects.iter().any(|(_, _, suspected)| !suspected);
    let verdict = if certain {
        Verdict::Violation
    } else if !world.evidence.harness_errors.is_empty() {
        Verdict::Harness
    } else if is_earned(world) && orders.is_empty() && subjects.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Unknown
    };
    Ruling {
        verdict,
        orders,
        subjects,
    }
}

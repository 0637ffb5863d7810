//! The oracle: the contract's table, word by word, by looking through everything again for every question.

use std::collections::BTreeSet;

use protocol::{ItemId, OrderId, UserId};

use super::world::World;
use crate::{
    history::{Op, Value},
    outcome::Class,
    snapshot::{OrderRow, Snapshot},
    verdict::{Label, Verdict},
};

mod claims;
mod contents;
mod footing;
mod fresh;
mod parts;
mod rest;

use claims::ordered;
use footing::{is_firm, is_read_too_early};
use rest::{api_differs, is_earned, is_quiescent, reads_agree, stuck};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    /// Order, label, and whether it is only suspected.
    pub(super) orders: BTreeSet<(i64, Label, bool)>,
    /// What the other labels are about.
    pub(super) subjects: BTreeSet<(Label, String, bool)>,
}

/// Something that an order can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Good {
    Credit(UserId),
    Pieces(ItemId),
}

/// What the table asks of one order.
struct Order {
    class: Option<Class>,
    /// Taken less given back, and what was ordered, of every good that it is for or has moved.
    goods: Vec<(Good, i64, i64)>,
    paid: bool,
    paid_before: bool,
    has_row: bool,
    /// Somebody was told that it exists.
    acknowledged: bool,
    /// Its user and lines are known.
    known: bool,
}

impl Order {
    fn all_zero(&self) -> bool {
        !self.paid && self.goods.iter().all(|(_, taken, _)| *taken == 0)
    }

    fn all_one(&self) -> bool {
        self.paid && self.goods.iter().all(|(_, taken, of)| taken == of)
    }

    /// One label, first match.
    fn label(&self) -> Option<Label> {
        let (zero, one) = (self.all_zero(), self.all_one());
        let never = matches!(self.class, Some(Class::Fail) | None);
        if self.goods.iter().any(|(_, taken, _)| *taken < 0) {
            return Some(Label::PhantomRefund);
        }
        // More than one time what was ordered. What was not ordered at all has no such fraction.
        if self
            .goods
            .iter()
            .any(|(_, taken, of)| *of > 0 && taken > of)
        {
            return Some(Label::Double);
        }
        // Without knowing what an order is for there is no saying that a part of it is missing.
        if !zero && !one && (self.known || !never) {
            return Some(Label::Torn);
        }
        let should_be_whole = self.class == Some(Class::Ok) || self.paid_before;
        if (should_be_whole && !one) || (self.acknowledged && !self.has_row) {
            return Some(Label::LostAck);
        }
        // What was paid before the load is an effect of that time.
        (never && !zero && !(self.paid_before && one)).then_some(Label::Phantom)
    }
}

fn class_of(classes: &[Class]) -> Option<Class> {
    [Class::Ok, Class::Info, Class::Fail]
        .into_iter()
        .find(|class| classes.contains(class))
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
            (Op::CreateOrder { .. }, Some(Value::Created(id))) => _ = ids.insert(OrderId(id)),
            (Op::AddItem { order, .. }, _) if attempt.class() != Class::Fail => {
                ids.insert(order);
            }
            (Op::FindOrder { order }, Some(_)) => _ = ids.insert(order),
            _ => {}
        }
    }
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

/// What the ledger says an order took of a good.
fn moved(world: &World, id: OrderId, good: Good) -> i64 {
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

fn asked(order: Option<&OrderRow>, good: Good) -> i64 {
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
fn goods(world: &World) -> BTreeSet<Good> {
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
    for id in order_ids(world) {
        if let Some(order) = ordered(world, id) {
            goods.insert(Good::Credit(order.user_id));
            goods.extend(order.lines.iter().map(|line| Good::Pieces(line.item_id)));
        }
    }
    goods
}

fn order(world: &World, id: OrderId) -> Order {
    let last = last(world);
    let row = last.orders.iter().find(|row| row.order_id == id);
    let ordered = ordered(world, id);
    let was_paid = paid_before(world, id);
    let attempts = &world.history.attempts;
    let checkouts = attempts
        .iter()
        .filter(|attempt| matches!(attempt.invoke.op, Op::Checkout { order } if order == id));
    let classes: Vec<Class> = checkouts
        .map(|attempt| attempt.complete.as_ref().map_or(Class::Info, |c| c.class))
        .collect();
    let created = attempts.iter().any(|attempt| {
        matches!(attempt.invoke.op, Op::CreateOrder { .. })
            && attempt.value() == Some(Value::Created(id.0))
    });
    let goods = goods(world).into_iter().map(|good| {
        let of = asked(ordered.as_ref(), good);
        let before = if was_paid { of } else { 0 };
        (good, before + moved(world, id, good), of)
    });
    Order {
        class: class_of(&classes),
        goods: goods.collect(),
        paid: row.is_some_and(|row| row.paid),
        paid_before: was_paid,
        has_row: row.is_some(),
        acknowledged: created
            || was_paid
            || is_told_of(world, id)
            || world.initial.orders.iter().any(|row| row.order_id == id),
        known: ordered.is_some(),
    }
}

/// Somebody was told of a line in it, or read it.
fn is_told_of(world: &World, id: OrderId) -> bool {
    let attempts = world.history.attempts.iter();
    let mut oks = attempts.filter(|attempt| attempt.class() == Class::Ok);
    oks.any(|attempt| match attempt.invoke.op {
        Op::AddItem { order, .. } | Op::FindOrder { order } => order == id,
        _ => false,
    })
}

/// Final = initial + top-ups − what the paid orders come to, and the ledger says the same.
fn leaks(world: &World, good: Good) -> bool {
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
fn top_ups(world: &World, good: Good) -> Vec<(i64, Class)> {
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
fn read_goods(world: &World) -> BTreeSet<Good> {
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
fn is_negative(world: &World, good: Good) -> bool {
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

fn subject(good: Good) -> String {
    match good {
        Good::Credit(user) => format!("User({user:?})"),
        Good::Pieces(item) => format!("Item({item:?})"),
    }
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
        || subjects.iter().any(|(_, _, suspected)| !suspected)
        || (quiet && is_firm(world) && api_differs(world));
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

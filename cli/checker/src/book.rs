//! Everything that is known of each order, user and item, side by side.

use std::collections::HashMap;

use protocol::{ItemId, OrderId, UserId};

use crate::{
    effect::Effect,
    history::{Attempt, History, Op, Value},
    outcome::Class,
    snapshot::{Initial, OrderRow, PaymentMovement, Snapshot, StockMovement},
};

mod balance;

pub(crate) use balance::Balance;

/// The rows of both ledgers that belong to the run, by order.
pub(crate) struct Ledgers {
    payments: Vec<PaymentMovement>,
    stock: Vec<StockMovement>,
}

impl Ledgers {
    pub(crate) fn new(initial: &Initial, last: &Snapshot) -> Self {
        let mut payments: Vec<_> = last
            .payment_movements
            .iter()
            .filter(|movement| movement.movement_id > initial.payment_watermark)
            .copied()
            .collect();
        payments.sort_unstable_by_key(|movement| (movement.order_id, movement.movement_id));
        let mut stock: Vec<_> = last
            .stock_movements
            .iter()
            .filter(|movement| movement.movement_id > initial.stock_watermark)
            .copied()
            .collect();
        stock.sort_unstable_by_key(|movement| (movement.order_id, movement.movement_id));
        Self { payments, stock }
    }
}

/// One order, from every side.
pub(crate) struct OrderFacts<'a> {
    pub(crate) order_id: OrderId,
    /// Every attempt at a checkout, in the order in which they were sent.
    pub(crate) checkouts: &'a [&'a Attempt],
    /// What all those attempts together told; `None`: there were none.
    pub(crate) class: Option<Class>,
    /// Its row at the final read.
    pub(crate) row: Option<&'a OrderRow>,
    /// What was ordered: as acknowledged before the load where that is known, else the final row.
    pub(crate) ordered: Option<&'a OrderRow>,
    /// Whether somebody was told that this order exists.
    pub(crate) created: bool,
    pub(crate) paid_before: bool,
    pub(crate) payments: &'a [PaymentMovement],
    pub(crate) stock: &'a [StockMovement],
    pub(crate) effect: Effect,
}

impl OrderFacts<'_> {
    /// Whether it became paid in this run.
    pub(crate) fn is_newly_paid(&self) -> bool {
        self.effect.paid && !self.paid_before
    }
}

/// The history, sorted as the book needs it.
pub(crate) struct Index<'a> {
    checkouts: Vec<(OrderId, Vec<&'a Attempt>)>,
    /// Orders that an ok answer said were created, and those whose lines the run may have changed.
    created: Vec<OrderId>,
    extended: Vec<OrderId>,
}

impl<'a> Index<'a> {
    pub(crate) fn new(history: &'a History) -> Self {
        let mut checkouts: HashMap<OrderId, Vec<&Attempt>> = HashMap::new();
        let (mut created, mut extended) = (Vec::new(), Vec::new());
        for attempt in &history.attempts {
            match attempt.invoke.op {
                Op::Checkout { order } => checkouts.entry(order).or_default().push(attempt),
                Op::AddItem { order, .. } => extended.push(order),
                Op::CreateOrder { .. } => {
                    if let Some(Value::Created(id)) = attempt.value() {
                        created.push(OrderId(id));
                    }
                }
                _ => {}
            }
        }
        let mut checkouts: Vec<_> = checkouts.into_iter().collect();
        checkouts.sort_unstable_by_key(|(order, _)| *order);
        for list in [&mut created, &mut extended] {
            list.sort_unstable();
            list.dedup();
        }
        Self {
            checkouts,
            created,
            extended,
        }
    }
}

/// All that is known after a run, ascending by id.
pub(crate) struct Book<'a> {
    pub(crate) orders: Vec<OrderFacts<'a>>,
    pub(crate) users: Vec<Balance<UserId>>,
    pub(crate) items: Vec<Balance<ItemId>>,
}

impl<'a> Book<'a> {
    pub(crate) fn new(
        history: &'a History,
        initial: &'a Initial,
        last: &'a Snapshot,
        ledgers: &'a Ledgers,
        index: &'a Index<'a>,
    ) -> Self {
        let orders = orders(initial, last, ledgers, index);
        let users = balance::users(history, initial, last, &orders);
        let items = balance::items(history, initial, last, &orders);
        Self {
            orders,
            users,
            items,
        }
    }

    /// The orders of a user, with the suspicious ones first where there are any.
    pub(crate) fn order(&self, order_id: OrderId) -> Option<&OrderFacts<'a>> {
        self.orders
            .binary_search_by_key(&order_id, |order| order.order_id)
            .ok()
            .map(|at| &self.orders[at])
    }
}

fn orders<'a>(
    initial: &'a Initial,
    last: &'a Snapshot,
    ledgers: &'a Ledgers,
    index: &'a Index<'a>,
) -> Vec<OrderFacts<'a>> {
    let rows = by_id(&last.orders);
    let before = by_id(&initial.orders);
    let mut paid_before = initial.paid_orders.clone();
    paid_before.extend(initial.orders.iter().filter(|r| r.paid).map(|r| r.order_id));
    paid_before.sort_unstable();

    let mut ids: Vec<OrderId> = rows.iter().chain(&before).map(|row| row.order_id).collect();
    ids.extend(index.checkouts.iter().map(|(order, _)| *order));
    ids.extend(&index.created);
    ids.extend(&paid_before);
    ids.extend(ledgers.payments.iter().map(|movement| movement.order_id));
    ids.extend(ledgers.stock.iter().map(|movement| movement.order_id));
    ids.sort_unstable();
    ids.dedup();

    ids.into_iter()
        .map(|order_id| {
            let row = find(&rows, order_id);
            let known = find(&before, order_id);
            let extended = index.extended.binary_search(&order_id).is_ok();
            let ordered = if extended {
                row.or(known)
            } else {
                known.or(row)
            };
            let paid_before = paid_before.binary_search(&order_id).is_ok();
            let checkouts = index
                .checkouts
                .binary_search_by_key(&order_id, |(order, _)| *order)
                .map_or(&[][..], |at| &index.checkouts[at].1);
            let payments = run_of(&ledgers.payments, order_id, |m| m.order_id);
            let stock = run_of(&ledgers.stock, order_id, |m| m.order_id);
            let paid = row.is_some_and(|row| row.paid);
            OrderFacts {
                order_id,
                checkouts,
                class: class_of(checkouts.iter().map(|attempt| attempt.class())),
                row,
                ordered,
                created: known.is_some()
                    || paid_before
                    || index.created.binary_search(&order_id).is_ok(),
                paid_before,
                payments,
                stock,
                effect: Effect::of(ordered, paid, paid_before, payments, stock),
            }
        })
        .collect()
}

/// Ok if any attempt was, else info if any was, else fail if there was one.
pub(crate) fn class_of(attempts: impl Iterator<Item = Class>) -> Option<Class> {
    attempts.fold(None, |whole, attempt| match (whole, attempt) {
        (Some(Class::Ok), _) | (_, Class::Ok) => Some(Class::Ok),
        (Some(Class::Info), _) | (_, Class::Info) => Some(Class::Info),
        (_, Class::Fail) => Some(Class::Fail),
    })
}

fn by_id(rows: &[OrderRow]) -> Vec<&OrderRow> {
    let mut sorted: Vec<_> = rows.iter().collect();
    sorted.sort_by_key(|row| row.order_id);
    sorted
}

fn find<'a>(sorted: &[&'a OrderRow], order_id: OrderId) -> Option<&'a OrderRow> {
    let at = sorted.binary_search_by_key(&order_id, |row| row.order_id);
    at.ok().map(|at| sorted[at])
}

/// The stretch of a list sorted by order that belongs to one order.
fn run_of<T>(sorted: &[T], order_id: OrderId, key: impl Fn(&T) -> OrderId) -> &[T] {
    let from = sorted.partition_point(|row| key(row) < order_id);
    let length = sorted[from..].partition_point(|row| key(row) == order_id);
    &sorted[from..from + length]
}

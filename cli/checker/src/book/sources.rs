use protocol::OrderId;

use super::{OrderFacts, class_of};
use crate::{
    effect::{Effect, Seen},
    history::{Attempt, History, Op, Value},
    snapshot::{Initial, OrderRow, PaymentMovement, Snapshot, StockMovement, Witnesses},
};

/// Whoever speaks of orders, each list ascending by order.
pub(super) struct Sources<'a> {
    rows: Vec<&'a OrderRow>,
    before: Vec<&'a OrderRow>,
    paid_before: Vec<OrderId>,
    /// Orders that an ok answer said were created, and those whose lines the run may have changed.
    created: Vec<OrderId>,
    extended: Vec<OrderId>,
    /// The attempts at one order in the order in which they were sent.
    checkouts: Vec<&'a Attempt>,
    /// The movements that belong to the run.
    payments: Vec<&'a PaymentMovement>,
    stock: Vec<&'a StockMovement>,
    witnesses: Witnesses,
    /// Whether every request is known, so that no unseen one changed an order.
    whole_history: bool,
}

/// The stretches of all lists that belong to one order.
struct Stretches<'s, 'a> {
    rows: &'s [&'a OrderRow],
    before: &'s [&'a OrderRow],
    paid_before: &'s [OrderId],
    created: &'s [OrderId],
    extended: &'s [OrderId],
    checkouts: &'s [&'a Attempt],
    payments: &'s [&'a PaymentMovement],
    stock: &'s [&'a StockMovement],
}

impl<'a> Sources<'a> {
    pub(super) fn new(history: &'a History, initial: &'a Initial, last: &'a Snapshot) -> Self {
        let (mut checkouts, mut created, mut extended) = (Vec::new(), Vec::new(), Vec::new());
        for attempt in &history.attempts {
            match attempt.invoke.op {
                Op::Checkout { .. } => checkouts.push(attempt),
                Op::AddItem { order, .. } => extended.push(order),
                Op::CreateOrder { .. } => {
                    if let Some(Value::Created(id)) = attempt.value() {
                        created.push(OrderId(id));
                    }
                }
                _ => {}
            }
        }
        // Stable sorts: they are quick on what is nearly sorted, as rows and histories are.
        checkouts.sort_by_key(|attempt| checkout_of(attempt));
        let paid = initial.orders.iter().filter(|row| row.paid);
        let mut paid_before: Vec<_> = paid.map(|row| row.order_id).collect();
        paid_before.extend(&initial.paid_orders);
        for list in [&mut created, &mut extended, &mut paid_before] {
            list.sort();
            list.dedup();
        }
        let payments = last.payment_movements.iter();
        let mut payments: Vec<_> = payments
            .filter(|movement| movement.movement_id > initial.payment_watermark)
            .collect();
        payments.sort_by_key(|movement| (movement.order_id, movement.movement_id));
        let stock = last.stock_movements.iter();
        let mut stock: Vec<_> = stock
            .filter(|movement| movement.movement_id > initial.stock_watermark)
            .collect();
        stock.sort_by_key(|movement| (movement.order_id, movement.movement_id));
        Self {
            rows: by_id(&last.orders),
            before: by_id(&initial.orders),
            paid_before,
            created,
            extended,
            checkouts,
            payments,
            stock,
            witnesses: last.witnesses,
            whole_history: history.is_complete(),
        }
    }

    pub(super) fn paid_before(&self) -> &[OrderId] {
        &self.paid_before
    }

    pub(super) fn each_order(&self, mut visit: impl FnMut(&OrderFacts<'_>)) {
        let mut rest = self.all();
        while let Some(order_id) = rest.first() {
            let stretches = rest.take(order_id);
            visit(&self.facts(order_id, &stretches));
        }
    }

    pub(super) fn order(&self, order_id: OrderId) -> Option<OrderFacts<'_>> {
        let mut from = self.all().skip_to(order_id);
        let is_known = from.first() == Some(order_id);
        is_known.then(|| self.facts(order_id, &from.take(order_id)))
    }

    fn all(&self) -> Stretches<'_, 'a> {
        Stretches {
            rows: &self.rows,
            before: &self.before,
            paid_before: &self.paid_before,
            created: &self.created,
            extended: &self.extended,
            checkouts: &self.checkouts,
            payments: &self.payments,
            stock: &self.stock,
        }
    }

    fn facts<'s>(&'s self, order_id: OrderId, own: &Stretches<'s, 'a>) -> OrderFacts<'s> {
        let row: Option<&'s OrderRow> = own.rows.first().copied();
        let known: Option<&'s OrderRow> = own.before.first().copied();
        let paid_before = !own.paid_before.is_empty();
        let extended = !own.extended.is_empty() || !self.whole_history;
        let ordered = if extended {
            row.or(known)
        } else {
            known.or(row)
        };
        let balances = self.witnesses.have_balances();
        let seen = Seen {
            paid: balances.then(|| row.is_some_and(|row| row.paid)),
            ledgers: self.witnesses.have_ledgers(),
            lines: balances || (known.is_some() && !extended),
        };
        OrderFacts {
            order_id,
            checkouts: own.checkouts,
            class: class_of(own.checkouts.iter().map(|attempt| attempt.class())),
            row,
            known,
            ordered,
            created: known.is_some() || paid_before || !own.created.is_empty(),
            paid_before,
            payments: own.payments,
            stock: own.stock,
            effect: Effect::of(ordered, seen, paid_before, own.payments, own.stock),
        }
    }
}

impl<'s, 'a> Stretches<'s, 'a> {
    /// The lowest order that anybody speaks of. Added lines alone do not make an order known.
    fn first(&self) -> Option<OrderId> {
        [
            self.rows.first().map(|row| row.order_id),
            self.before.first().map(|row| row.order_id),
            self.paid_before.first().copied(),
            self.created.first().copied(),
            self.checkouts.first().map(|attempt| checkout_of(attempt)),
            self.payments.first().map(|movement| movement.order_id),
            self.stock.first().map(|movement| movement.order_id),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes what belongs to an order from the front of every list.
    fn take(&mut self, order_id: OrderId) -> Self {
        while self.extended.first().is_some_and(|id| *id < order_id) {
            self.extended = &self.extended[1..];
        }
        Self {
            rows: take(&mut self.rows, order_id, |row| row.order_id),
            before: take(&mut self.before, order_id, |row| row.order_id),
            paid_before: take(&mut self.paid_before, order_id, |id| *id),
            created: take(&mut self.created, order_id, |id| *id),
            extended: take(&mut self.extended, order_id, |id| *id),
            checkouts: take(&mut self.checkouts, order_id, |it| checkout_of(it)),
            payments: take(&mut self.payments, order_id, |it| it.order_id),
            stock: take(&mut self.stock, order_id, |it| it.order_id),
        }
    }

    /// What is left from an order on.
    fn skip_to(self, order_id: OrderId) -> Self {
        Self {
            rows: skip(self.rows, order_id, |row| row.order_id),
            before: skip(self.before, order_id, |row| row.order_id),
            paid_before: skip(self.paid_before, order_id, |id| *id),
            created: skip(self.created, order_id, |id| *id),
            extended: skip(self.extended, order_id, |id| *id),
            checkouts: skip(self.checkouts, order_id, |it| checkout_of(it)),
            payments: skip(self.payments, order_id, |it| it.order_id),
            stock: skip(self.stock, order_id, |it| it.order_id),
        }
    }
}

/// The order that an attempt wants to check out; only such attempts are kept.
fn checkout_of(attempt: &Attempt) -> OrderId {
    match attempt.invoke.op {
        Op::Checkout { order } => order,
        _ => OrderId(i64::MIN),
    }
}

fn by_id(rows: &[OrderRow]) -> Vec<&OrderRow> {
    let mut sorted: Vec<_> = rows.iter().collect();
    sorted.sort_by_key(|row| row.order_id);
    sorted
}

/// An order has a handful of each: a step at a time beats a search.
fn take<'s, T>(list: &mut &'s [T], order_id: OrderId, key: impl Fn(&T) -> OrderId) -> &'s [T] {
    let length = list.iter().take_while(|it| key(it) == order_id).count();
    let (own, rest) = list.split_at(length);
    *list = rest;
    own
}

fn skip<T>(list: &[T], order_id: OrderId, key: impl Fn(&T) -> OrderId) -> &[T] {
    &list[list.partition_point(|it| key(it) < order_id)..]
}

use protocol::OrderId;

use super::{
    Addition, Claims, Creation, OrderFacts, Prices, Write, acked_us, class_of, existence,
    reading::{Reading, Voices},
};
use crate::{
    effect::Seen,
    history::{Attempt, History, Op, Value},
    snapshot::{Initial, OrderRow, PaymentMovement, Snapshot, StockMovement, Witnesses},
};

/// Whoever speaks of orders, each list ascending by order.
pub(super) struct Sources<'a> {
    rows: Vec<&'a OrderRow>,
    before: Vec<&'a OrderRow>,
    paid_before: Vec<OrderId>,
    creations: Vec<Creation>,
    additions: Vec<Addition>,
    /// Orders with a row that nobody created.
    strangers: Vec<OrderId>,
    /// The ok reads of orders.
    reads: Vec<&'a Attempt>,
    prices: Prices,
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
    creations: &'s [Creation],
    additions: &'s [Addition],
    reads: &'s [&'a Attempt],
    checkouts: &'s [&'a Attempt],
    payments: &'s [&'a PaymentMovement],
    stock: &'s [&'a StockMovement],
}

impl<'a> Sources<'a> {
    pub(super) fn new(
        history: &'a History,
        writes: &[Write],
        initial: &'a Initial,
        last: &'a Snapshot,
    ) -> Self {
        let (mut checkouts, mut reads) = (Vec::new(), Vec::new());
        for attempt in &history.attempts {
            match (attempt.invoke.op, attempt.value()) {
                (Op::Checkout { .. }, _) => checkouts.push(attempt),
                (Op::FindOrder { .. }, Some(Value::Order { .. })) => reads.push(attempt),
                _ => {}
            }
        }
        // Stable sorts: they are quick on what is nearly sorted, as rows and histories are.
        checkouts.sort_by_key(|attempt| order_of(attempt));
        reads.sort_by_key(|attempt| order_of(attempt));
        let mut creations: Vec<_> = writes.iter().filter_map(existence::creation).collect();
        creations.sort();
        let mut additions: Vec<_> = writes.iter().filter_map(Addition::of).collect();
        additions.sort_by_key(|addition| addition.order);
        let paid = initial.orders.iter().filter(|row| row.paid);
        let mut paid_before: Vec<_> = paid.map(|row| row.order_id).collect();
        paid_before.extend(&initial.paid_orders);
        paid_before.sort();
        paid_before.dedup();
        let closed = closed(&checkouts);
        additions.retain(|it: &Addition| {
            let was_open = |sent_us: u64| {
                let at = closed.binary_search_by_key(&it.order, |(order, _)| *order);
                at.is_err() || at.is_ok_and(|at| sent_us < closed[at].1)
            };
            let may_be =
                paid_before.binary_search(&it.order).is_err() && it.sent_us.is_none_or(was_open);
            it.acked_us.is_some() || may_be
        });
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
        let (rows, before) = (by_id(&last.orders), by_id(&initial.orders));
        let is_known = |id: &OrderId| {
            before.binary_search_by_key(id, |row| row.order_id).is_ok()
                || paid_before.binary_search(id).is_ok()
                || creations.binary_search_by_key(id, |it| it.order).is_ok()
        };
        Self {
            strangers: existence::stranger_orders(&rows, is_known, writes),
            rows,
            before,
            paid_before,
            creations,
            additions,
            reads,
            prices: Prices::of(initial, writes, last),
            checkouts,
            payments,
            stock,
            witnesses: last.witnesses,
            whole_history: history.is_complete(),
        }
    }

    pub(super) fn have_whole_history(&self) -> bool {
        self.whole_history
    }

    pub(super) fn prices(&self) -> &Prices {
        &self.prices
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
            creations: &self.creations,
            additions: &self.additions,
            reads: &self.reads,
            checkouts: &self.checkouts,
            payments: &self.payments,
            stock: &self.stock,
        }
    }

    fn facts<'s>(&'s self, order_id: OrderId, own: &Stretches<'s, 'a>) -> OrderFacts<'s> {
        let row: Option<&'s OrderRow> = own.rows.first().copied();
        let known: Option<&'s OrderRow> = own.before.first().copied();
        let paid_before = !own.paid_before.is_empty();
        let is_stranger = self.strangers.binary_search(&order_id).is_ok();
        let claims = self.claims(own, is_stranger);
        let balances = self.witnesses.have_balances();
        let seen = Seen {
            paid: balances.then(|| row.is_some_and(|row| row.paid)),
            ledgers: self.witnesses.have_ledgers(),
            lines: balances || (claims.is_some() && self.whole_history),
        };
        let Reading {
            ordered,
            effect,
            misfit,
        } = Voices {
            row,
            claims,
            is_stranger,
            paid_before,
            payments: own.payments,
            stock: own.stock,
            seen,
            whole_history: self.whole_history,
        }
        .read();
        OrderFacts {
            order_id,
            checkouts: own.checkouts,
            class: class_of(own.checkouts.iter().map(|attempt| attempt.class())),
            row,
            known,
            claims,
            misfit,
            additions: own.additions,
            reads: own.reads,
            ordered,
            created: known.is_some() || paid_before || !own.creations.is_empty(),
            paid_before,
            payments: own.payments,
            stock: own.stock,
            effect,
        }
    }

    /// What was claimed of an order; `None`: nobody is known to have made it, or nobody knows what it held when it
    /// was paid before the load.
    fn claims<'s>(&'s self, own: &Stretches<'s, 'a>, is_stranger: bool) -> Option<Claims<'s>> {
        let known: Option<&'s OrderRow> = own.before.first().copied();
        let is_told = known.is_some() || !own.creations.is_empty();
        let guessed = own.rows.first().map(|row| row.user_id);
        let guessed = guessed.filter(|_| !is_told && !is_stranger && own.paid_before.is_empty());
        (is_told || guessed.is_some()).then_some(Claims {
            known,
            creations: own.creations,
            additions: own.additions,
            guessed,
            prices: &self.prices,
        })
    }
}

/// When each order that was paid was so at the latest: when the first ok answer to a checkout of it was there. What is
/// sent for it afterwards is refused, or changes nothing. Ascending by order, as the checkouts are.
fn closed(checkouts: &[&Attempt]) -> Vec<(OrderId, u64)> {
    let of_orders = checkouts.chunk_by(|a, b| order_of(a) == order_of(b));
    let closed = of_orders.filter_map(|own| Some((order_of(own.first()?), acked_us(own)?)));
    closed.collect()
}

impl<'s, 'a> Stretches<'s, 'a> {
    /// The lowest order that anybody speaks of: who was told of a line in it, or read it, was told that it is there.
    fn first(&self) -> Option<OrderId> {
        [
            self.rows.first().map(|row| row.order_id),
            self.before.first().map(|row| row.order_id),
            self.paid_before.first().copied(),
            self.creations.first().map(|creation| creation.order),
            self.additions.first().map(|addition| addition.order),
            self.reads.first().map(|attempt| order_of(attempt)),
            self.checkouts.first().map(|attempt| order_of(attempt)),
            self.payments.first().map(|movement| movement.order_id),
            self.stock.first().map(|movement| movement.order_id),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes what belongs to an order from the front of every list.
    fn take(&mut self, order_id: OrderId) -> Self {
        Self {
            rows: take(&mut self.rows, order_id, |row| row.order_id),
            before: take(&mut self.before, order_id, |row| row.order_id),
            paid_before: take(&mut self.paid_before, order_id, |id| *id),
            creations: take(&mut self.creations, order_id, |it| it.order),
            additions: take(&mut self.additions, order_id, |it| it.order),
            reads: take(&mut self.reads, order_id, |it| order_of(it)),
            checkouts: take(&mut self.checkouts, order_id, |it| order_of(it)),
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
            creations: skip(self.creations, order_id, |it| it.order),
            additions: skip(self.additions, order_id, |it| it.order),
            reads: skip(self.reads, order_id, |it| order_of(it)),
            checkouts: skip(self.checkouts, order_id, |it| order_of(it)),
            payments: skip(self.payments, order_id, |it| it.order_id),
            stock: skip(self.stock, order_id, |it| it.order_id),
        }
    }
}

/// The order that an attempt wants to check out or to read; only such attempts are kept.
fn order_of(attempt: &Attempt) -> OrderId {
    match attempt.invoke.op {
        Op::Checkout { order } | Op::FindOrder { order } => order,
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

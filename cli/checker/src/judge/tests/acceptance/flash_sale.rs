use protocol::{ItemId, OrderId, SagaId, UserId};

use crate::{
    Judgement,
    evidence::Evidence,
    history::History,
    judge::{Run, judge},
    outcome::{Broken, Class},
    snapshot::{
        Initial, ItemRow, OrderLine, OrderRow, PaymentMovement, Snapshot, StockMovement, UserRow,
    },
    testing::{Load, Surroundings},
    verdict::Budgets,
};

const ORDERS: i64 = 1000;
const PIECES: i64 = 100;
const PACE_US: u64 = 10_000;

/// What the client of an order was told.
type Told = (Class, Result<u16, Broken>);
const OK: Told = (Class::Ok, Ok(200));
const REJECTED: Told = (Class::Fail, Ok(400));

/// What happened to an order in truth: how often it was charged and its goods taken, and its flag.
#[derive(Clone, Copy)]
struct Truth {
    charges: i64,
    takings: i64,
    paid: bool,
}

const DONE: Truth = Truth {
    charges: 1,
    takings: 1,
    paid: true,
};
const NOTHING: Truth = Truth {
    charges: 0,
    takings: 0,
    paid: false,
};

/// One flash sale: what each order's client was told, and what happened.
pub(super) struct Sale {
    orders: Vec<(Told, Truth)>,
    pub(super) evidence: Evidence,
    /// Charges that the first final read does not see yet.
    late: bool,
}

impl Sale {
    fn of(order: impl Fn(i64) -> (Told, Truth)) -> Self {
        Self {
            orders: (0..ORDERS).map(order).collect(),
            evidence: Surroundings::quiet(),
            late: false,
        }
    }

    /// The first hundred get the goods, the others are rejected.
    pub(super) fn correct() -> Self {
        Self::of(|n| {
            if n < PIECES {
                (OK, DONE)
            } else {
                (REJECTED, NOTHING)
            }
        })
    }

    pub(super) fn drop_and_apply(count: i64) -> Self {
        Self::of(|n| match n {
            _ if n < count => (OK, NOTHING),
            _ if n < PIECES => (OK, DONE),
            _ if n < PIECES + count => (REJECTED, DONE),
            _ => (REJECTED, NOTHING),
        })
    }

    pub(super) fn charge_twice_and_free(count: i64) -> Self {
        Self::of(|n| match n {
            _ if n < count => (OK, Truth { charges: 2, ..DONE }),
            _ if n < PIECES => (OK, Truth { charges: 0, ..DONE }),
            _ => (REJECTED, NOTHING),
        })
    }

    pub(super) fn one_sided(count: i64) -> Self {
        Self::of(|n| match n {
            _ if n < count => (OK, Truth { takings: 0, ..DONE }),
            _ if n < 2 * count => {
                let taken = Truth {
                    charges: 0,
                    paid: false,
                    ..DONE
                };
                (REJECTED, taken)
            }
            _ => (REJECTED, NOTHING),
        })
    }

    pub(super) fn down_after(count: i64, status: u16) -> Self {
        Self::of(|n| {
            if n < count {
                (OK, DONE)
            } else {
                ((Class::Info, Ok(status)), NOTHING)
            }
        })
    }

    pub(super) fn closed_after(count: i64) -> Self {
        Self::of(|n| {
            if n < count {
                (OK, DONE)
            } else {
                (REJECTED, NOTHING)
            }
        })
    }

    /// Debits land after the answer, and before the final reads: the verdict waits for them.
    pub(super) fn late_debits() -> Self {
        Self::correct()
    }

    /// The final reads were made too early.
    pub(super) fn late_debits_seen_early() -> Self {
        Self {
            late: true,
            ..Self::correct()
        }
    }

    pub(super) fn one_reset() -> Self {
        let mut sale = Self::correct();
        sale.orders[7].0 = (Class::Info, Err(Broken::Reset));
        sale
    }

    fn history(&self) -> History {
        let mut load = Load::new();
        for (n, (told, _)) in (0..).zip(&self.orders) {
            load.checkout(OrderId(n), u64::try_from(n).unwrap() * PACE_US, &[*told]);
        }
        load.end(60_000_000)
    }

    fn initial(&self) -> Initial {
        Initial {
            run: Surroundings::planned(&[]).run,
            users: (0..ORDERS).map(|n| user(n, 1)).collect(),
            items: vec![item(PIECES)],
            orders: (0..ORDERS).map(|n| order(n, false)).collect(),
            ..Initial::default()
        }
    }

    fn snapshot(&self, late: bool, taken_at_us: i64) -> Snapshot {
        let mut snapshot = Snapshot {
            taken_at_us,
            ..Surroundings::snapshot()
        };
        let mut pieces = PIECES;
        for (n, (_, truth)) in (0..).zip(&self.orders) {
            let charges = if late { 0 } else { truth.charges };
            snapshot.users.push(user(n, 1 - charges));
            snapshot.orders.push(order(n, truth.paid));
            pieces -= truth.takings;
            for _ in 0..charges {
                let movement_id = i64::try_from(snapshot.payment_movements.len()).unwrap() + 1;
                snapshot.payment_movements.push(PaymentMovement {
                    movement_id,
                    saga_id: SagaId(n),
                    order_id: OrderId(n),
                    user_id: UserId(n),
                    delta: -1,
                    recorded_at_us: 0,
                });
            }
            for _ in 0..truth.takings {
                let movement_id = i64::try_from(snapshot.stock_movements.len()).unwrap() + 1;
                snapshot.stock_movements.push(StockMovement {
                    movement_id,
                    saga_id: SagaId(n),
                    order_id: OrderId(n),
                    item_id: ItemId(0),
                    delta: -1,
                    recorded_at_us: 0,
                });
            }
        }
        snapshot.items.push(item(pieces));
        Surroundings::answer(&mut snapshot);
        Surroundings::count(&mut snapshot);
        snapshot
    }

    pub(super) fn judge(&self) -> Judgement {
        let history = self.history();
        let started_us = i64::try_from(history.header.started_at_ms).unwrap() * 1000;
        let read = |after_s: i64| self.snapshot(self.late, started_us + after_s * 1_000_000);
        judge(&Run {
            planned: &Surroundings::planned(&[]),
            history: &history,
            initial: &Initial {
                taken_at_us: started_us,
                ..self.initial()
            },
            snapshots: &[read(70), read(73)],
            evidence: &self.evidence,
            budgets: &Budgets {
                served_ratio_min: Some(0.95),
                ..Budgets::default()
            },
        })
    }
}

fn user(n: i64, credit: i64) -> UserRow {
    UserRow {
        user_id: UserId(n),
        credit,
    }
}

fn item(stock: i64) -> ItemRow {
    ItemRow {
        item_id: ItemId(0),
        price: 1,
        stock,
    }
}

fn order(n: i64, paid: bool) -> OrderRow {
    OrderRow {
        order_id: OrderId(n),
        user_id: UserId(n),
        paid,
        total_cost: 1,
        lines: vec![OrderLine {
            item_id: ItemId(0),
            quantity: 1,
            price: 1,
        }]
        .into(),
    }
}

//! A shop that does everything right, under clients that live through everything legal.

use protocol::{Credits, ItemId, OrderId, Quantity, UserId};

use super::{ITEMS, STEP_US, USERS, World, cart, mishap, status_of};
use crate::{
    evidence::{Expected, FaultEvidence},
    history::{Attempt, Complete, Header, History, Invoke, Op, Value},
    outcome::{Broken, Class},
    snapshot::{ApiReads, Initial, ItemRow, OrderLine, OrderRow, Snapshot, UserRow},
    testing::{Dice, Surroundings},
    verdict::Budgets,
};

/// What may come of an attempt; `None`: it never completed.
const CLASSES: [Option<Class>; 5] = [
    Some(Class::Ok),
    Some(Class::Ok),
    Some(Class::Fail),
    Some(Class::Info),
    None,
];

/// Long after every operation of a random load.
const LONG_AFTER_US: u64 = 900_000_000;

/// What is true of it, and what its clients were told.
pub(super) struct Shop {
    pub(super) initial: Initial,
    pub(super) last: Snapshot,
    pub(super) attempts: Vec<Attempt>,
}

impl Shop {
    pub(super) fn open(dice: &mut Dice) -> Self {
        let users = (0..USERS).map(|id| UserRow {
            user_id: UserId(id),
            credit: dice.pick(&[50, 50, 50, 5]),
        });
        let users: Vec<UserRow> = users.collect();
        let items = (0..ITEMS).map(|id| ItemRow {
            item_id: ItemId(id),
            price: price_of(id),
            stock: dice.pick(&[50, 50, 50, 4]),
        });
        let items: Vec<ItemRow> = items.collect();
        let mut last = Surroundings::snapshot();
        last.users = users.clone().into();
        last.items = items.clone().into();
        let initial = Initial {
            run: Surroundings::planned(&[]).run,
            users,
            items,
            ..Initial::default()
        };
        Self {
            initial,
            last,
            attempts: Vec::new(),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.attempts.last().map_or(0, |last| last.invoke.id + 1)
    }

    /// One attempt, some time after all before it; without a class it never completed.
    pub(super) fn attempt(
        &mut self,
        id: u64,
        attempt: u32,
        op: Op,
        class: Option<Class>,
        value: Option<Value>,
    ) {
        let sent_us = STEP_US * (self.attempts.len() as u64 + 1);
        let complete = class.map(|class| Complete {
            id,
            attempt,
            at_us: sent_us + STEP_US / 2,
            class,
            status: Some(status_of(class)),
            broken: None,
            refusal: None,
            value: value.filter(|_| class == Class::Ok),
        });
        self.attempts.push(Attempt {
            invoke: Invoke {
                id,
                attempt,
                process: 0,
                due_us: sent_us,
                sent_us,
                op,
            },
            complete,
        });
    }

    /// One order with its lines, its checkouts, and all that follows.
    pub(super) fn order(&mut self, dice: &mut Dice, order_id: OrderId) {
        let row = order_row(dice, order_id);
        if dice.percent(6) {
            self.order_of_before(dice, row);
            return;
        }
        let row = cart::fill(self, dice, row);
        let done = self.checkouts(dice, order_id);
        if dice.percent(15) {
            self.take(&row, 1);
            self.take(&row, -1);
        }
        if done {
            self.take(&row, 1);
            self.charge(&row, 1);
        }
        self.last.orders.push(OrderRow { paid: done, ..row });
    }

    /// An order that was paid before the load, and perhaps is checked out again.
    fn order_of_before(&mut self, dice: &mut Dice, row: OrderRow) {
        let order = row.order_id;
        let told_by_row = dice.percent(50);
        if !told_by_row {
            self.initial.paid_orders.push(order);
        }
        self.initial.orders.push(OrderRow {
            paid: told_by_row,
            ..row.clone()
        });
        self.last.orders.push(OrderRow { paid: true, ..row });
        if dice.percent(50) {
            let class = dice.pick(&[Class::Ok, Class::Fail, Class::Info]);
            self.attempt(self.id(), 1, Op::Checkout { order }, Some(class), None);
        }
    }

    /// Checks an order out, once or several times, and says whether it was done in truth.
    fn checkouts(&mut self, dice: &mut Dice, order: OrderId) -> bool {
        let mut done = false;
        for _ in 0..dice.pick(&[0, 1, 1, 1, 1, 1, 2]) {
            let (id, mut number) = (self.id(), 1);
            loop {
                let class = dice.pick(&CLASSES);
                self.attempt(id, number, Op::Checkout { order }, class, None);
                done |= match class {
                    Some(Class::Ok) => true,
                    Some(Class::Fail) => false,
                    Some(Class::Info) | None => dice.percent(40),
                };
                number += 1;
                if class == Some(Class::Ok) || dice.percent(60) {
                    break;
                }
            }
        }
        done
    }

    /// Takes an order's pieces, or gives them back.
    fn take(&mut self, row: &OrderRow, sign: i64) {
        for line in &row.lines {
            let delta = -sign * line.quantity;
            mishap::move_stock(&mut self.last, row.order_id, line.item_id, delta, true);
        }
    }

    fn charge(&mut self, row: &OrderRow, sign: i64) {
        let delta = -sign * row.total_cost;
        mishap::move_credit(&mut self.last, row.order_id, row.user_id, delta, true);
    }

    /// A change of a balance outside any order.
    pub(super) fn top_up(&mut self, dice: &mut Dice) {
        let (user, item) = (
            UserId(dice.between(0, USERS - 1)),
            ItemId(dice.between(0, ITEMS - 1)),
        );
        let amount = dice.between(1, 4);
        let (op, credit, stock) = match dice.roll(4) {
            0 => (
                Op::AddFunds {
                    user,
                    amount: Credits(amount),
                },
                amount,
                0,
            ),
            1 => (
                Op::Pay {
                    user,
                    amount: Credits(amount),
                },
                -amount,
                0,
            ),
            2 => (
                Op::AddStock {
                    item,
                    amount: Quantity(amount),
                },
                0,
                amount,
            ),
            _ => (
                Op::SubtractStock {
                    item,
                    amount: Quantity(amount),
                },
                0,
                -amount,
            ),
        };
        let id = self.id();
        let mut done = false;
        for number in 1..=dice.pick(&[1, 1, 2]) {
            let class = dice.pick(&[
                Some(Class::Ok),
                Some(Class::Ok),
                Some(Class::Fail),
                Some(Class::Info),
                None,
            ]);
            self.attempt(id, number, op, class, None);
            done |= class == Some(Class::Ok) || (class != Some(Class::Fail) && dice.percent(50));
        }
        if done {
            mishap::alter_credit(&mut self.last, user, credit);
            mishap::alter_stock(&mut self.last, item, stock);
        }
    }

    /// A read, of what is true now or was so before.
    pub(super) fn read(&mut self, dice: &mut Dice) {
        let (op, value) = match dice.roll(4) {
            0 => {
                let row = dice.pick(&self.last.users.iter().copied().collect::<Vec<_>>());
                (
                    Op::FindUser { user: row.user_id },
                    Value::Credit(row.credit),
                )
            }
            1 => {
                let row = dice.pick(&self.last.items.iter().copied().collect::<Vec<_>>());
                (Op::FindItem { item: row.item_id }, Value::Stock(row.stock))
            }
            _ => {
                let at = dice.roll(self.last.orders.len());
                let row = &self.last.orders[at];
                let was_paid = self.initial.paid_orders.contains(&row.order_id)
                    || self
                        .initial
                        .orders
                        .iter()
                        .any(|b| b.order_id == row.order_id && b.paid);
                // The first read of an order may have come before it was paid.
                let first = !self.attempts.iter().any(|attempt| {
                    attempt.invoke.op
                        == (Op::FindOrder {
                            order: row.order_id,
                        })
                });
                let checkout = Op::Checkout {
                    order: row.order_id,
                };
                let acked = self
                    .attempts
                    .iter()
                    .any(|it| it.invoke.op == checkout && it.class() == Class::Ok);
                let paid = row.paid && (was_paid || acked || !first || dice.percent(60));
                (
                    Op::FindOrder {
                        order: row.order_id,
                    },
                    Value::Order {
                        paid,
                        contents: row.contents(),
                    },
                )
            }
        };
        let class = dice.pick(&[
            Some(Class::Ok),
            Some(Class::Ok),
            Some(Class::Ok),
            Some(Class::Fail),
        ]);
        self.attempt(self.id(), 1, op, class, Some(value));
    }

    pub(super) fn close(mut self, dice: &mut Dice) -> World {
        self.time_out(dice);
        let end_us = self.pace(dice);
        let mut evidence = Surroundings::quiet();
        if dice.percent(50) {
            let effective_us = if dice.percent(94) {
                end_us / dice.pick(&[2, 2, 3])
            } else {
                LONG_AFTER_US
            };
            let name = "kill stock-db-primary";
            evidence
                .faults
                .push(fault(dice, (0, name, "stock-db-0"), effective_us));
            if dice.percent(25) {
                let later_us = dice.pick(&[0, STEP_US, 3 * STEP_US, end_us / 3, end_us / 2]);
                let effective_us = effective_us + later_us;
                evidence
                    .faults
                    .push(fault(dice, (1, "kill redis", "redis"), effective_us));
            }
            if dice.percent(3) {
                evidence.faults.rotate_left(1);
            }
        }
        if dice.percent(5) {
            // What happened before the load is none of its business.
            self.initial.payment_watermark = 0;
            mishap::move_old(&mut self.last, OrderId(1));
        }
        Surroundings::answer(&mut self.last);
        let mut first = self.last.clone();
        first.api = ApiReads::default();
        let faults: Vec<&str> = evidence.faults.iter().map(|f| f.name.as_str()).collect();
        let planned = Surroundings::planned(&faults);
        let ended_us = end_us + LONG_AFTER_US;
        first.taken_at_us = i64::try_from(ended_us).unwrap() + dice.between(0, 1_000);
        let stable_us = i64::try_from(planned.stable_ms).unwrap() * 1000;
        self.last.taken_at_us = first.taken_at_us + stable_us;
        World {
            history: History {
                header: Header::new(&planned.run, 0, planned.seed),
                attempts: self.attempts,
                ended_at_us: Some(ended_us),
                truncated_line: None,
                miscount: None,
            },
            planned,
            initial: self.initial,
            snapshots: vec![first, self.last],
            evidence,
            budgets: Budgets {
                ok_before_min: u64::from(dice.percent(20)),
                ok_during_min: 0,
                ok_after_min: 0,
                ..Budgets::default()
            },
        }
    }
}

impl Shop {
    /// Lets some loads take their time. Says when the load was over.
    fn pace(&mut self, dice: &mut Dice) -> u64 {
        let slower = dice.pick(&[1, 1, 1, 10]);
        for Attempt { invoke, complete } in &mut self.attempts {
            invoke.due_us *= slower;
            invoke.sent_us *= slower;
            if let Some(complete) = complete {
                complete.at_us *= slower;
            }
        }
        slower * STEP_US * (self.attempts.len() as u64 + 1)
    }

    /// What was not answered has timed out: an end says so of nearly every load.
    fn time_out(&mut self, dice: &mut Dice) {
        for Attempt { invoke, complete } in &mut self.attempts {
            if complete.is_none() && dice.percent(95) {
                *complete = Some(Complete {
                    id: invoke.id,
                    attempt: invoke.attempt,
                    at_us: invoke.sent_us + STEP_US / 2,
                    class: Class::Info,
                    status: None,
                    broken: Some(Broken::TimedOut),
                    refusal: None,
                    value: None,
                });
            }
        }
    }
}

/// The evidence of one fault: its place, name and victim, and when it took effect.
fn fault(dice: &mut Dice, of: (usize, &str, &str), effective_us: u64) -> FaultEvidence {
    let (place, name, target) = of;
    FaultEvidence {
        place,
        name: name.to_owned(),
        target: target.to_owned(),
        injected_us: Some(effective_us),
        effective_us: Some(effective_us).filter(|_| dice.percent(96)),
        seen: vec!["die event".to_owned()],
        missing: Vec::new(),
        healed_us: Some(effective_us + STEP_US).filter(|_| dice.percent(96)),
        held: None,
        writable_us: None,
        expected: Expected::default(),
    }
}

/// What the items of before the load cost.
pub(super) fn price_of(item: i64) -> i64 {
    1 + item % 2
}

fn order_row(dice: &mut Dice, order_id: OrderId) -> OrderRow {
    let mut lines: Vec<OrderLine> = Vec::new();
    for item in 0..ITEMS {
        if dice.percent(60) {
            lines.push(OrderLine {
                item_id: ItemId(item),
                quantity: dice.between(1, 3),
                price: price_of(item),
            });
        }
    }
    OrderRow {
        order_id,
        user_id: UserId(dice.between(0, USERS - 1)),
        paid: false,
        total_cost: lines.iter().map(|line| line.quantity * line.price).sum(),
        lines: lines.into(),
    }
}

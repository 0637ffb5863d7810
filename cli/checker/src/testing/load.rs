//! Writes a history operation by operation.

use protocol::{Credits, ItemId, OrderId, Quantity, UserId, saga::RefusalCode};

use super::{
    Case,
    simulate::{RUN, SEED, STARTED_AT_MS},
};
use crate::{
    history::{Attempt, Complete, Header, History, Invoke, Op, Value},
    outcome::{Broken, Class},
    snapshot::OrderRow,
};

/// A client's record of what it does.
pub(crate) struct Load {
    attempts: Vec<Attempt>,
}

impl Load {
    pub(crate) fn new() -> Self {
        Self {
            attempts: Vec::new(),
        }
    }

    /// Checks an order out, in one operation of several attempts 2 ms apart.
    pub(crate) fn checkout(
        &mut self,
        order: OrderId,
        due_us: u64,
        attempts: &[(Class, Result<u16, Broken>)],
    ) {
        let id = self.next_id();
        for (number, (class, answer)) in (1..).zip(attempts) {
            let sent_us = due_us + u64::from(number) * 2000;
            let mut attempt = attempt(id, Op::Checkout { order }, due_us, sent_us..sent_us + 1500);
            attempt.invoke.attempt = number;
            let complete = attempt.complete.as_mut().unwrap();
            complete.attempt = number;
            complete.class = *class;
            complete.refusal = (*class == Class::Fail).then_some(RefusalCode::OutOfStock);
            complete.status = answer.ok();
            complete.broken = answer.err();
            self.attempts.push(attempt);
        }
    }

    pub(crate) fn read_order(&mut self, row: &OrderRow, from_us: u64, to_us: u64, paid: bool) {
        let order = row.order_id;
        let contents = row.contents();
        let op = Op::FindOrder { order };
        self.ok(op, from_us..to_us, Some(Value::Order { paid, contents }));
    }

    pub(crate) fn read_user(&mut self, user: UserId, from_us: u64, credit: i64) {
        let op = Op::FindUser { user };
        self.ok(op, from_us..from_us + 900, Some(Value::Credit(credit)));
    }

    pub(crate) fn read_item(&mut self, item: ItemId, from_us: u64, stock: i64) {
        let op = Op::FindItem { item };
        self.ok(op, from_us..from_us + 900, Some(Value::Stock(stock)));
    }

    pub(super) fn ok(&mut self, op: Op, time: std::ops::Range<u64>, value: Option<Value>) {
        let mut attempt = attempt(self.next_id(), op, time.start, time);
        attempt.complete.as_mut().unwrap().value = value;
        self.attempts.push(attempt);
    }

    pub(crate) fn end(self, at_us: u64) -> History {
        History {
            header: Header::new(RUN, STARTED_AT_MS, Some(SEED)),
            attempts: self.attempts,
            ended_at_us: Some(at_us),
            truncated_line: None,
            miscount: None,
        }
    }

    fn next_id(&self) -> u64 {
        let ids = self.attempts.iter().rev();
        ids.map(|attempt| attempt.invoke.id)
            .next()
            .map_or(0, |id| id + 1)
    }
}

fn attempt(id: u64, op: Op, due_us: u64, time: std::ops::Range<u64>) -> Attempt {
    Attempt {
        invoke: Invoke {
            id,
            attempt: 1,
            process: 0,
            due_us,
            sent_us: time.start,
            op,
        },
        complete: Some(Complete {
            id,
            attempt: 1,
            at_us: time.end,
            class: Class::Ok,
            status: Some(200),
            broken: None,
            refusal: None,
            value: None,
        }),
    }
}

/// More operations, after the run was simulated.
impl Case {
    pub(super) fn load(&mut self, with: impl FnOnce(&mut Load)) {
        let mut load = Load {
            attempts: std::mem::take(&mut self.history.attempts),
        };
        with(&mut load);
        self.history.attempts = load.attempts;
    }

    pub(crate) fn read_paid(&mut self, order: OrderId, paid: bool, time: std::ops::Range<u64>) {
        let row = self.row(order).clone();
        self.load(|load| load.read_order(&row, time.start, time.end, paid));
    }

    /// A client reads an order as this row has it.
    pub(crate) fn load_read(&mut self, row: &OrderRow, time: std::ops::Range<u64>) {
        self.load(|load| load.read_order(row, time.start, time.end, row.paid));
    }

    pub(crate) fn read_credit(&mut self, user: UserId, credit: i64) {
        self.load(|load| load.read_user(user, 15_000_000, credit));
    }

    pub(crate) fn read_stock(&mut self, item: ItemId, stock: i64) {
        self.load(|load| load.read_item(item, 15_000_000, stock));
    }

    pub(crate) fn checkout_again(&mut self, order: OrderId) {
        self.load(|load| load.checkout(order, 25_000_000, &[(Class::Ok, Ok(200))]));
    }

    pub(crate) fn add_funds(&mut self, user: UserId, amount: i64) {
        let amount = Credits(amount);
        self.load(|load| load.ok(Op::AddFunds { user, amount }, 5_000_000..5_001_000, None));
    }

    /// A top-up that was answered with a timeout.
    pub(crate) fn add_funds_unknown(&mut self, user: UserId, amount: i64) {
        self.add_funds(user, amount);
        let complete = self.history.attempts.last_mut().unwrap().complete.as_mut();
        let complete = complete.unwrap();
        complete.class = Class::Info;
        complete.status = None;
        complete.broken = Some(Broken::TimedOut);
    }

    pub(crate) fn add_stock(&mut self, item: ItemId, amount: i64) {
        let amount = Quantity(amount);
        self.load(|load| load.ok(Op::AddStock { item, amount }, 5_000_000..5_001_000, None));
    }
}

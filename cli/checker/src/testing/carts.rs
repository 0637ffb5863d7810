//! Orders that are made and filled while the load runs: a legal run with every operation of a cart in it.

use protocol::{Credits, ItemId, OrderId, Quantity, SagaId, UserId};

use super::{
    Case,
    simulate::{Surroundings, unix_us},
};
use crate::{
    history::{Op, Value},
    outcome::{Broken, Class},
    snapshot::{ItemRow, OrderLine, OrderRow, PaymentMovement, StockMovement, UserRow},
};

/// When the first cart is made: after every other order of a legal run.
const FROM_US: u64 = 31_000_000;
/// Between one operation of a cart and the next.
const STEP_US: u64 = 10_000;
const PRICE: i64 = 5;

/// What the client of a write was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Ok,
    Rejected,
    Nothing,
}

impl Case {
    /// A legal run in which carts are made, filled and checked out, and credit and stock are withdrawn.
    pub(crate) fn with_carts() -> Self {
        let mut case = Self::legal();
        let (bought, open) = (case.bought(), case.open());
        for order in [bought, open] {
            case.create_order(order, UserId(1));
            case.add_item(order, ItemId(2), 1, Told::Ok);
            case.add_item(order, ItemId(3), 2, Told::Ok);
            case.add_item(order, ItemId(3), 4, Told::Nothing);
            case.add_item(order, ItemId(4), 1, Told::Nothing);
            case.add_item(order, ItemId(5), 1, Told::Rejected);
            case.hold(order, &[(2, 1), (3, 2), (4, 1)]);
            case.read_as_it_is(order);
        }
        case.buy(bought);
        case.read_as_it_is(bought);
        case.write(Op::CreateUser, Told::Ok, Some(Value::Created(900)));
        let price = Credits(7);
        case.write(
            Op::CreateItem { price },
            Told::Ok,
            Some(Value::Created(900)),
        );
        case.write(Op::CreateUser, Told::Nothing, None);
        for snapshot in &mut case.snapshots {
            let user_id = UserId(900);
            snapshot.users.push(UserRow { user_id, credit: 0 });
            snapshot.items.push(ItemRow {
                item_id: ItemId(900),
                price: 7,
                stock: 0,
            });
            Surroundings::answer(snapshot);
            Surroundings::count(snapshot);
        }
        for (told, done) in [
            (Told::Ok, true),
            (Told::Nothing, true),
            (Told::Rejected, false),
        ] {
            let (user, item) = (UserId(1), ItemId(2));
            let (amount, pieces) = (Credits(3), Quantity(2));
            case.write(Op::Pay { user, amount }, told, None);
            case.write(
                Op::SubtractStock {
                    item,
                    amount: pieces,
                },
                told,
                None,
            );
            if done {
                case.alter_credit(user, -3);
                case.alter_stock(item, -2);
            }
        }
        let last = case
            .history
            .attempts
            .iter()
            .map(|it| it.invoke.sent_us)
            .max();
        case.history.ended_at_us = last.map(|at| at + 1_000_000);
        case
    }

    /// A cart that was checked out, and one that was not.
    pub(crate) fn bought(&self) -> OrderId {
        OrderId(1_000_000_001)
    }

    pub(crate) fn open(&self) -> OrderId {
        OrderId(1_000_000_002)
    }

    /// One write after all before it.
    pub(crate) fn write(&mut self, op: Op, told: Told, value: Option<Value>) {
        let latest = self
            .history
            .attempts
            .iter()
            .map(|it| it.invoke.sent_us)
            .max();
        let at_us = latest.unwrap_or(0).max(FROM_US) + STEP_US;
        self.load(|load| load.ok(op, at_us..at_us + 1_000, value));
        let complete = self.history.attempts.last_mut().unwrap().complete.as_mut();
        let complete = complete.unwrap();
        match told {
            Told::Ok => {}
            Told::Rejected => (complete.class, complete.status) = (Class::Fail, Some(400)),
            Told::Nothing => {
                complete.class = Class::Info;
                complete.status = None;
                complete.broken = Some(Broken::TimedOut);
            }
        }
    }

    /// An order that is made without lines.
    pub(crate) fn create_order(&mut self, order: OrderId, user: UserId) {
        let op = Op::CreateOrder { user };
        self.write(op, Told::Ok, Some(Value::Created(order.0)));
        self.add_stranger(order, user);
    }

    /// An order's row that no client asked for.
    pub(crate) fn add_stranger(&mut self, order_id: OrderId, user_id: UserId) {
        for snapshot in &mut self.snapshots {
            snapshot.orders.push(OrderRow {
                order_id,
                user_id,
                paid: false,
                total_cost: 0,
                lines: Box::default(),
            });
            Surroundings::answer(snapshot);
            Surroundings::count(snapshot);
        }
    }

    /// What a client asks for; the row is left as it is.
    pub(crate) fn add_item(&mut self, order: OrderId, item: ItemId, pieces: i64, told: Told) {
        let quantity = Quantity(pieces);
        let op = Op::AddItem {
            order,
            item,
            quantity,
        };
        self.write(op, told, None);
    }

    /// Changes an order's row, and with it what the API answers.
    pub(crate) fn alter(&mut self, order: OrderId, change: impl Fn(&mut OrderRow)) {
        for snapshot in &mut self.snapshots {
            let rows = snapshot.orders.iter_mut();
            rows.filter(|row| row.order_id == order).for_each(&change);
            Surroundings::answer(snapshot);
            Surroundings::count(snapshot);
        }
    }

    /// Lets an order hold these lines, item and pieces, and cost what they come to.
    pub(crate) fn hold(&mut self, order: OrderId, lines: &[(i64, i64)]) {
        self.alter(order, |row| {
            let line = |&(item, quantity): &(i64, i64)| OrderLine {
                item_id: ItemId(item),
                quantity,
                price: PRICE,
            };
            row.lines = lines.iter().map(line).collect();
            row.total_cost = lines.iter().map(|(_, quantity)| quantity * PRICE).sum();
        });
    }

    /// An order's row at the end.
    pub(crate) fn final_row(&self, order: OrderId) -> OrderRow {
        let mut rows = self.snapshots[0].orders.iter();
        rows.find(|row| row.order_id == order).unwrap().clone()
    }

    /// A client reads an order as its row is now.
    pub(crate) fn read_as_it_is(&mut self, order: OrderId) {
        let row = self.final_row(order);
        let value = Value::Order {
            paid: row.paid,
            contents: row.contents(),
        };
        self.write(Op::FindOrder { order }, Told::Ok, Some(value));
    }

    /// A checkout that charges and takes what the row holds now.
    pub(crate) fn buy(&mut self, order: OrderId) {
        self.write(Op::Checkout { order }, Told::Ok, None);
        let row = self.final_row(order);
        let at_us = self.history.attempts.last().unwrap().invoke.sent_us;
        for snapshot in &mut self.snapshots {
            snapshot.payment_movements.push(PaymentMovement {
                movement_id: order.0 * 10,
                saga_id: SagaId(order.0),
                order_id: order,
                user_id: row.user_id,
                delta: -row.total_cost,
                recorded_at_us: unix_us(at_us),
            });
            for (number, line) in (order.0 * 10..).zip(&row.lines) {
                snapshot.stock_movements.push(StockMovement {
                    movement_id: number,
                    saga_id: SagaId(order.0),
                    order_id: order,
                    item_id: line.item_id,
                    delta: -line.quantity,
                    recorded_at_us: unix_us(at_us),
                });
            }
        }
        self.alter_credit(row.user_id, -row.total_cost);
        for line in &row.lines {
            self.alter_stock(line.item_id, -line.quantity);
        }
        self.alter(order, |row| row.paid = true);
    }
}

//! Plants one defect each. Balances and API answers stay in step unless they are the defect.

use protocol::{ItemId, OrderId, SagaId, UserId};

use super::{
    Case,
    simulate::{Surroundings, unix_us},
};
use crate::{
    history::Op,
    snapshot::{OrderLine, PaymentMovement, Snapshot, StockMovement},
};

const AT_US: u64 = 10_100_000;

impl Case {
    /// Every read sees it, and every node counts the rows that there are then.
    fn each(&mut self, change: impl Fn(&mut Snapshot)) {
        for snapshot in &mut self.snapshots {
            change(snapshot);
            Surroundings::count(snapshot);
        }
    }

    pub(crate) fn alter_credit(&mut self, user: UserId, delta: i64) {
        self.each(|snapshot| {
            let rows = snapshot.users.iter_mut().chain(&mut snapshot.api.users);
            for row in rows.filter(|row| row.user_id == user) {
                row.credit += delta;
            }
        });
    }

    pub(crate) fn alter_stock(&mut self, item: ItemId, delta: i64) {
        self.each(|snapshot| {
            let rows = snapshot.items.iter_mut().chain(&mut snapshot.api.items);
            for row in rows.filter(|row| row.item_id == item) {
                row.stock += delta;
            }
        });
    }

    fn move_credit(&mut self, order: OrderId, user: UserId, delta: i64) {
        self.each(|snapshot| {
            let ids = snapshot.payment_movements.iter().map(|m| m.movement_id);
            let movement_id = ids.max().unwrap_or(0).max(1000) + 1;
            snapshot.payment_movements.push(PaymentMovement {
                movement_id,
                saga_id: SagaId(order.0),
                order_id: order,
                user_id: user,
                delta,
                recorded_at_us: unix_us(AT_US),
            });
        });
        self.alter_credit(user, delta);
    }

    fn move_stock(&mut self, order: OrderId, item: ItemId, delta: i64) {
        self.each(|snapshot| {
            let ids = snapshot.stock_movements.iter().map(|m| m.movement_id);
            let movement_id = ids.max().unwrap_or(0).max(1000) + 1;
            snapshot.stock_movements.push(StockMovement {
                movement_id,
                saga_id: SagaId(order.0),
                order_id: order,
                item_id: item,
                delta,
                recorded_at_us: unix_us(AT_US),
            });
        });
        self.alter_stock(item, delta);
    }

    /// Charges the order's user, or user 0 for an order that nobody knows.
    pub(crate) fn charge(&mut self, order: OrderId, amount: i64) {
        let known = self.initial.orders.iter().find(|row| row.order_id == order);
        let user = known.map_or(UserId(0), |row| row.user_id);
        self.move_credit(order, user, -amount);
    }

    pub(crate) fn refund(&mut self, order: OrderId, amount: i64) {
        self.charge(order, -amount);
    }

    /// Takes pieces of the order's first item.
    pub(crate) fn take(&mut self, order: OrderId, quantity: i64) {
        self.move_stock(order, self.item_of(order), -quantity);
    }

    pub(crate) fn restock(&mut self, order: OrderId, quantity: i64) {
        self.take(order, -quantity);
    }

    /// Charges the next user instead of the order's own.
    pub(crate) fn charge_somebody_else(&mut self, order: OrderId) {
        self.lose_charge(order);
        let user = UserId((self.user_of(order).0 + 1) % 4);
        self.move_credit(order, user, -self.cost(order));
    }

    pub(crate) fn lose_charge(&mut self, order: OrderId) {
        let rows = &self.snapshots[0].payment_movements;
        let lost: Vec<_> = rows
            .iter()
            .filter(|m| m.order_id == order)
            .copied()
            .collect();
        self.each(|snapshot| snapshot.payment_movements.retain(|m| m.order_id != order));
        for movement in lost {
            self.alter_credit(movement.user_id, -movement.delta);
        }
    }

    /// Loses the taking of the order's first item.
    pub(crate) fn lose_taking(&mut self, order: OrderId) {
        self.lose_taking_of(order, self.item_of(order));
    }

    fn lose_taking_of(&mut self, order: OrderId, item: ItemId) {
        let of = |movement: &StockMovement| movement.order_id == order && movement.item_id == item;
        let rows = &self.snapshots[0].stock_movements;
        let lost: i64 = rows.iter().filter(|m| of(m)).map(|m| m.delta).sum();
        self.each(|snapshot| snapshot.stock_movements.retain(|m| !of(m)));
        self.alter_stock(item, -lost);
    }

    pub(crate) fn forget_reads(&mut self, order: OrderId) {
        let of = |op| matches!(op, Op::FindOrder { order: read } if read == order);
        self.history
            .attempts
            .retain(|attempt| !of(attempt.invoke.op));
        self.number_anew();
    }

    /// Closes the gaps that forgotten operations left.
    pub(crate) fn number_anew(&mut self) {
        let (mut latest, mut next) = (None, 0);
        for attempt in &mut self.history.attempts {
            let invoke = &mut attempt.invoke;
            if latest.replace(invoke.id).is_some_and(|id| id != invoke.id) {
                next += 1;
            }
            invoke.id = next;
            if let Some(complete) = &mut attempt.complete {
                complete.id = next;
            }
        }
    }

    pub(crate) fn set_paid(&mut self, order: OrderId, paid: bool) {
        // What clients read of it meanwhile is another story.
        self.forget_reads(order);
        self.each(|snapshot| {
            for row in &mut snapshot.orders {
                row.paid = if row.order_id == order {
                    paid
                } else {
                    row.paid
                };
            }
            for row in &mut snapshot.api.orders {
                row.paid = if row.order_id == order {
                    paid
                } else {
                    row.paid
                };
            }
        });
    }

    pub(crate) fn lose_order(&mut self, order: OrderId) {
        self.each(|snapshot| {
            snapshot.orders.retain(|row| row.order_id != order);
            snapshot.api.orders.retain(|row| row.order_id != order);
        });
    }

    pub(crate) fn lose_user(&mut self, user: UserId) {
        self.each(|snapshot| {
            snapshot.users.retain(|row| row.user_id != user);
            snapshot.api.users.retain(|row| row.user_id != user);
        });
    }

    fn lines(&self, order: OrderId) -> Box<[OrderLine]> {
        self.row(order).lines.clone()
    }

    /// Everything of an order is gone, and all balances are as if it never had been.
    pub(crate) fn undo(&mut self, order: OrderId) {
        self.lose_charge(order);
        for line in self.lines(order) {
            self.lose_taking_of(order, line.item_id);
        }
        self.set_paid(order, false);
    }

    /// An order that should have no effect takes all of it.
    pub(crate) fn apply(&mut self, order: OrderId) {
        self.charge(order, self.cost(order));
        for line in self.lines(order) {
            self.move_stock(order, line.item_id, -line.quantity);
        }
        self.set_paid(order, true);
    }
}

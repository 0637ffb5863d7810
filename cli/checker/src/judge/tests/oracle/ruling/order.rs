//! The label of one order by what it took and what its clients were told.

use protocol::OrderId;

use super::{
    balances::{Good, asked, goods, moved},
    claims::{self, operations_of, ordered},
    last, paid_before,
};
use crate::{history::Op, judge::tests::oracle::world::World, outcome::Class, verdict::Label};

/// What the table asks of one order.
pub(super) struct Order {
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
    pub(super) fn label(&self) -> Option<Label> {
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

pub(super) fn class_of(classes: &[Class]) -> Option<Class> {
    [Class::Ok, Class::Info, Class::Fail]
        .into_iter()
        .find(|class| classes.contains(class))
}

pub(super) fn order(world: &World, id: OrderId) -> Order {
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
    // Of a create that was told two ids the first counts; that there are two is told of it.
    let mut creates = operations_of(world, |op| matches!(op, Op::CreateOrder { .. })).into_iter();
    let created = creates.any(|it| it.made() == Some(id.0));
    let goods = goods(world).into_iter().map(|good| {
        let of = asked(ordered.as_ref(), good);
        let then = claims::prepared(world, id).or(ordered.as_ref());
        let before = if was_paid { asked(then, good) } else { 0 };
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

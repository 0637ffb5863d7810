//! What was known before the load, and what was seen too early.

use protocol::OrderId;

use super::{contents, paid_before, parts};
use crate::{
    history::{Op, Value},
    judge::tests::oracle::world::World,
    outcome::Broken,
};

/// A read saw it paid that ended before any checkout of it had left.
pub(super) fn is_read_too_early(world: &World, id: OrderId) -> bool {
    let attempts = &world.history.attempts;
    let left = attempts.iter().filter(|attempt| {
        let complete = attempt.complete.as_ref();
        attempt.invoke.op == (Op::Checkout { order: id })
            && complete.is_none_or(|complete| complete.broken != Some(Broken::NotSent))
    });
    let left = left.map(|attempt| attempt.invoke.sent_us).min();
    let mut reads = contents::reads(world, id).into_iter();
    !paid_before(world, id)
        && reads.any(|read| {
            let ended = read.complete.as_ref().map_or(0, |complete| complete.at_us);
            matches!(read.value(), Some(Value::Order { paid: true, .. }))
                && left.is_none_or(|left| ended < left)
        })
}

/// All parts are of one run, and something is known of users, items and orders of before.
pub(super) fn is_firm(world: &World) -> bool {
    let initial = &world.initial;
    let has_orders = !initial.orders.is_empty() || !initial.paid_orders.is_empty();
    parts::are_of_one_run(world)
        && parts::reads_are_dated_right(world)
        && has_orders
        && !initial.users.is_empty()
        && !initial.items.is_empty()
}

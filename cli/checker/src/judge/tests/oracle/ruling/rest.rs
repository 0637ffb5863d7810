//! Whether the shop was at rest, and whether a PASS was earned.

use std::collections::BTreeSet;

use super::{
    direct, is_whole_history, last,
    parts::{belongs_together, is_short},
    replicas,
};
use crate::{
    history::Op,
    judge::tests::oracle::world::World,
    outcome::{Broken, Class},
    snapshot::{LaneView, Snapshot},
    verdict::Budgets,
};

/// Steps 1 to 3 of the final reads.
fn is_healthy(world: &World) -> bool {
    let settle = &world.evidence.settle;
    settle.load_stopped && settle.faults_healed && settle.converged
}

/// Step 5: everything was read twice, the same.
pub(super) fn reads_agree(world: &World) -> bool {
    world.snapshots.len() > 1
        && !read_twice_in_one(world)
        && world.snapshots.windows(2).all(|pair| {
            let (a, b) = (&pair[0], &pair[1]);
            a.orders == b.orders
                && a.users == b.users
                && a.items == b.items
                && a.stock_movements == b.stock_movements
                && a.payment_movements == b.payment_movements
        })
}

fn read_twice_in_one(world: &World) -> bool {
    fn twice(mut ids: Vec<i64>) -> bool {
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        ids.len() < all
    }
    world.snapshots.iter().any(|read| {
        twice(read.orders.iter().map(|row| row.order_id.0).collect())
            || twice(read.users.iter().map(|row| row.user_id.0).collect())
            || twice(read.items.iter().map(|row| row.item_id.0).collect())
            || twice(
                read.stock_movements
                    .iter()
                    .map(|row| row.movement_id)
                    .collect(),
            )
            || twice(
                read.payment_movements
                    .iter()
                    .map(|row| row.movement_id)
                    .collect(),
            )
    })
}

/// Everything that the final reads ask for.
pub(super) fn is_quiescent(world: &World) -> bool {
    let last = last(world);
    let drained = |topic: &str| {
        let mut lanes = last.lanes.iter().filter(|lane| lane.topic == topic);
        last.lanes.iter().any(|lane| lane.topic == topic) && lanes.all(|lane| lane.is_drained())
    };
    let at_work = |snapshot: &Snapshot| {
        let sagas = snapshot.sagas.iter();
        let sagas: Vec<_> = sagas
            .map(|saga| (saga.saga_id, saga.state.clone()))
            .collect();
        (sagas, snapshot.lanes.clone())
    };
    let still = world
        .snapshots
        .windows(2)
        .all(|pair| at_work(&pair[0]) == at_work(&pair[1]));
    is_healthy(world)
        && world.evidence.settle.quiescent
        && reads_agree(world)
        && still
        && !is_short(world)
        && !read_twice_in_one(world)
        && last.sagas.is_empty()
        && ["stock.commands", "payment.commands", "order.replies"]
            .into_iter()
            .all(drained)
}

/// What had not ended by the deadline although it was waited for.
pub(super) fn stuck(world: &World) -> Vec<String> {
    let settle = &world.evidence.settle;
    if !is_healthy(world) || settle.waited_ms < settle.deadline_ms {
        return Vec::new();
    }
    let (Some(first), Some(last)) = (world.snapshots.first(), world.snapshots.last()) else {
        return Vec::new();
    };
    let sagas = last
        .sagas
        .iter()
        .filter(|saga| first.sagas.iter().any(|then| then.saga_id == saga.saga_id));
    let lanes = last.lanes.iter().filter(|lane| {
        let same =
            |then: &&LaneView| (&then.topic, then.partition) == (&lane.topic, lane.partition);
        !lane.is_drained()
            && first
                .lanes
                .iter()
                .find(same)
                .is_some_and(|then| !then.is_drained())
    });
    let lanes = lanes.map(|lane| format!("Lane(\"{}-{}\")", lane.topic, lane.partition));
    sagas
        .map(|saga| format!("Order({:?})", saga.order_id))
        .chain(lanes)
        .collect()
}

/// Whether a PASS was earned, where nothing is wrong.
pub(super) fn is_earned(world: &World) -> bool {
    let (attempts, last) = (&world.history.attempts, last(world));
    let ids: BTreeSet<u64> = attempts.iter().map(|attempt| attempt.invoke.id).collect();
    // When each logical operation was first ok.
    let oks: Vec<(Op, Option<u64>)> = ids
        .iter()
        .map(|id| {
            let own: Vec<_> = attempts.iter().filter(|a| a.invoke.id == *id).collect();
            let ok = own.iter().find(|attempt| attempt.class() == Class::Ok);
            let at = ok
                .and_then(|attempt| attempt.complete.as_ref())
                .map(|c| c.at_us);
            (own[0].invoke.op, at)
        })
        .collect();
    let kinds: BTreeSet<&str> = oks.iter().map(|(op, _)| op.name()).collect();
    let each_ok = kinds.iter().chain(["checkout"].iter()).all(|kind| {
        oks.iter()
            .any(|(op, ok)| op.name() == *kind && ok.is_some())
    });
    let count = |from: u64, to: u64| {
        let checkouts = oks.iter().filter(|(op, _)| op.name() == "checkout");
        let within = checkouts.filter(|(_, ok)| ok.is_some_and(|at| at >= from && at < to));
        within.count() as u64
    };
    let (budgets, faults) = (&world.budgets, &world.evidence.faults);
    let enough = if faults.is_empty() {
        count(0, u64::MAX) >= budgets.ok_before_min
    } else {
        let ended: Option<Vec<(u64, u64)>> = faults
            .iter()
            .map(|fault| {
                Some((
                    fault.effective_us?,
                    fault.healed_us?.max(fault.effective_us?),
                ))
            })
            .collect();
        let times: Vec<u64> = oks
            .iter()
            .filter(|(op, _)| op.name() == "checkout")
            .filter_map(|(_, ok)| *ok)
            .collect();
        ended.is_some_and(|spans| is_served_around(&spans, &times, budgets))
    };
    let covered = !world.initial.users.is_empty()
        && !world.initial.items.is_empty()
        && !last.orders.is_empty()
        && !last.api.orders.is_empty()
        && !last.api.users.is_empty()
        && !last.api.items.is_empty()
        && world.snapshots.iter().all(|read| read.api.unanswered == 0)
        && asked_enough(world);
    !attempts.is_empty()
        && is_whole_history(world)
        && is_quiescent(world)
        && world.evidence.settle.missing.is_empty()
        && world.initial.sagas.is_empty()
        && each_ok
        && enough
        && faults_count(world)
        && covered
        && belongs_together(world)
        && replicas::all_is_well(world)
        && direct::is_whole(world)
}

/// Each fault was seen, for as long as planned, while checkouts were on their way, and was healed.
fn faults_count(world: &World) -> bool {
    let faults = &world.evidence.faults;
    faults.iter().all(|fault| {
        // Or another victim of it was hit under load, at most a second before.
        let near = |at: u64| {
            let others = faults.iter().filter(|it| it.place == fault.place);
            let mut moments = others.filter_map(|it| it.effective_us);
            moments.any(|it| it <= at && at - it <= 1_000_000 && under_load(world, it))
        };
        let under_load = fault.effective_us.is_some_and(near);
        // Half a second less than planned is as good as planned.
        let held = fault
            .held
            .is_none_or(|held| held.seen_ms + 500 >= held.planned_ms);
        under_load && fault.missing.is_empty() && held && fault.healed_us.is_some()
    })
}

/// Checkouts were ok before all faults, in the union of their spans, after all of them, and after each healing before the
/// next fault, where that did not follow within a second.
fn is_served_around(spans: &[(u64, u64)], oks: &[u64], budgets: &Budgets) -> bool {
    const SECOND: u64 = 1_000_000;
    let count = |within: &dyn Fn(u64) -> bool| oks.iter().filter(|at| within(**at)).count() as u64;
    let first = spans.iter().map(|(from, _)| *from).min().unwrap_or(0);
    let last = spans.iter().map(|(_, to)| *to).max().unwrap_or(0);
    // What somebody may still have waited for: another fault was in effect then, or came within a second.
    let is_over = |healed: u64| {
        !spans
            .iter()
            .any(|(from, to)| *from <= healed + SECOND && healed < *to)
    };
    let served = spans
        .iter()
        .map(|(_, to)| *to)
        .filter(|healed| is_over(*healed))
        .all(|healed| {
            let next = spans
                .iter()
                .map(|(from, _)| *from)
                .filter(|from| *from > healed)
                .min();
            oks.iter()
                .any(|at| *at >= healed && next.is_none_or(|next| *at < next))
        });
    count(&|at| at < first) >= budgets.ok_before_min
        && count(&|at| spans.iter().any(|(from, to)| (*from..*to).contains(&at)))
            >= budgets.ok_during_min
        && count(&|at| at >= last) >= budgets.ok_after_min
        && served
}

/// The API was asked for a hundred, or for all. The random shops have fewer, and in them the API denies nothing.
fn asked_enough(world: &World) -> bool {
    let last = last(world);
    let mut checked_out = world.history.attempts.iter().filter_map(|attempt| {
        let Op::Checkout { order } = attempt.invoke.op else {
            return None;
        };
        Some(order)
    });
    checked_out.all(|order| last.api.orders.iter().any(|row| row.order_id == order))
        && last
            .users
            .iter()
            .all(|user| last.api.users.iter().any(|row| row.user_id == user.user_id))
        && last
            .items
            .iter()
            .all(|item| last.api.items.iter().any(|row| row.item_id == item.item_id))
}

/// A checkout that had left was on its way then, or one left within the second before and one within the second after.
fn under_load(world: &World, at: u64) -> bool {
    const SECOND: u64 = 1_000_000;
    let attempts = world.history.attempts.iter();
    let sent: Vec<(u64, u64)> = attempts
        .filter(|attempt| attempt.invoke.op.name() == "checkout")
        .filter_map(|attempt| Some((attempt.invoke.sent_us, attempt.complete.as_ref()?)))
        .filter(|(_, complete)| complete.broken != Some(Broken::NotSent))
        .map(|(sent, complete)| (sent, complete.at_us))
        .collect();
    let before = sent
        .iter()
        .any(|(sent, _)| *sent <= at && sent + SECOND >= at);
    let after = sent
        .iter()
        .any(|(sent, _)| *sent >= at && *sent <= at + SECOND);
    let on_its_way = sent.iter().any(|(sent, ended)| *sent <= at && at <= *ended);
    on_its_way || (before && after)
}

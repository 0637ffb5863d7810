//! Whether the parts of a run belong together.

use std::collections::BTreeSet;

use super::replicas::leader;
use crate::{
    evidence::{Aim, FaultEvidence, HeldUntil, PlannedFault},
    judge::tests::oracle::world::World,
    outcome::Class,
    snapshot::Snapshot,
};

pub(super) fn belongs_together(world: &World) -> bool {
    are_of_one_run(world)
        && nothing_is_there_twice(world)
        && faults_are_the_plans(world)
        && has_what_was_planned(world)
        && has_nothing_else(world)
        && reads_are_dated_right(world)
        && world
            .snapshots
            .iter()
            .all(|read| is_as_it_says(world, read))
}

/// Whether the plan knows a node as one of a database.
pub(super) fn is_in_plan(world: &World, database: &str, node: &String) -> bool {
    let nodes = world.planned.nodes.get(database);
    nodes.is_some_and(|nodes| nodes.contains(node))
}

pub(super) fn are_of_one_run(world: &World) -> bool {
    let run = &world.planned.run;
    let ids = [
        &world.history.header.run,
        &world.initial.run,
        &world.evidence.run,
    ];
    let reads = world.snapshots.iter().map(|read| &read.run);
    let has_its_seed =
        world.history.attempts.is_empty() || world.history.header.seed == world.planned.seed;
    has_its_seed && ids.into_iter().chain(reads).all(|id| id == run)
}

/// No kind of operation is missing of which thirty at the least were to be expected. Lines may be forced instead of drawn, and
/// are drawn only when there is a cart.
fn has_what_was_planned(world: &World) -> bool {
    let attempts = &world.history.attempts;
    let firsts = || attempts.iter().filter(|it| it.invoke.attempt == 1);
    let carts = attempts.iter().filter(|it| {
        it.class() == Class::Ok && it.invoke.op.name() == "create_order" && it.value().is_some()
    });
    let told = carts
        .filter_map(|it| it.complete.as_ref().map(|it| it.at_us))
        .min();
    world.planned.mix.iter().all(|share| {
        let drawn = if share.kind == "add_item" {
            told.map_or(0, |told| {
                firsts().filter(|it| it.invoke.sent_us > told).count()
            })
        } else {
            firsts()
                .filter(|it| it.invoke.op.name() != "add_item")
                .count()
        };
        let few = drawn as u64 * u64::from(share.percent) < 30 * 100;
        few || firsts().any(|it| it.invoke.op.name() == share.kind)
    })
}

/// Carts are made and filled though nobody planned them; nothing else is.
fn has_nothing_else(world: &World) -> bool {
    let mix = &world.planned.mix;
    let mut attempts = world.history.attempts.iter();
    mix.is_empty()
        || attempts.all(|it| {
            let kind = it.invoke.op.name();
            ["create_order", "add_item"].contains(&kind) || mix.iter().any(|it| it.kind == kind)
        })
}

/// In the state before the load, and no movement of before is in a final read.
fn nothing_is_there_twice(world: &World) -> bool {
    fn once(mut ids: Vec<i64>) -> bool {
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        ids.len() == all
    }
    let initial = &world.initial;
    once(initial.users.iter().map(|row| row.user_id.0).collect())
        && once(initial.items.iter().map(|row| row.item_id.0).collect())
        && once(initial.orders.iter().map(|row| row.order_id.0).collect())
        && world.snapshots.iter().all(|read| {
            let mut stock = read.stock_movements.iter();
            let mut payment = read.payment_movements.iter();
            stock.all(|row| row.movement_id > initial.stock_watermark)
                && payment.all(|row| row.movement_id > initial.payment_watermark)
        })
}

/// Each planned fault hit as many as planned, was held as planned, and in its time; and there is no other.
fn faults_are_the_plans(world: &World) -> bool {
    let faults = &world.evidence.faults;
    let known = faults.iter().all(|fault| {
        let plan = world.planned.faults.get(fault.place);
        plan.is_some_and(|plan| plan.name == fault.name)
    });
    known
        && (0..world.planned.faults.len()).all(|place| {
            let plan = &world.planned.faults[place];
            let own: Vec<_> = faults.iter().filter(|fault| fault.place == place).collect();
            let targets: BTreeSet<&String> = own.iter().map(|fault| &fault.target).collect();
            !own.is_empty()
                && targets.len() == own.len()
                && targets.len() >= plan.victims
                && plan.victims_max.is_none_or(|most| targets.len() <= most)
                && targets.iter().all(|target| is_aimed_at(plan, target))
                && own.iter().all(|fault| {
                    let Some(effective) = fault.effective_us else {
                        return false;
                    };
                    let injected = fault.injected_us;
                    injected.is_some_and(|at| at <= effective)
                        && fault
                            .writable_us
                            .is_none_or(|at| injected.is_some_and(|it| at >= it))
                        && fault.healed_us.is_none_or(|healed| healed >= effective)
                        && !fault.seen.is_empty()
                        && is_held(plan, fault)
                })
                && is_in_its_turn(world, place)
        })
}

/// It was injected no sooner after those that the plan has before it than the plan says, but for a tenth of a second.
fn is_in_its_turn(world: &World, place: usize) -> bool {
    let faults = world.evidence.faults.iter();
    let before = faults.clone().filter(|fault| fault.place < place);
    let last_before = before
        .filter_map(|fault| fault.injected_us)
        .max()
        .unwrap_or(0);
    let own = faults.filter(|fault| fault.place == place);
    let first = own.filter_map(|fault| fault.injected_us).min();
    let after = world.planned.faults[place].after_ms.saturating_sub(100) * 1000;
    first.is_none_or(|first| first >= last_before + after)
}

fn is_aimed_at(plan: &PlannedFault, target: &str) -> bool {
    match &plan.aim {
        Aim::Anybody => true,
        // The random shops' victims are named as their services are.
        Aim::TasksOf(names) | Aim::Tasks(names) => names.iter().any(|name| name == target),
    }
}

fn is_held(plan: &PlannedFault, fault: &FaultEvidence) -> bool {
    let (Some(planned_ms), Some(held)) = (plan.held_ms, fault.held) else {
        return plan.held_ms.is_none() && fault.held.is_none();
    };
    let span = fault.healed_us.zip(fault.effective_us);
    let in_its_place = span
        .is_none_or(|(healed, effective)| (healed - effective) + 500_000 >= held.seen_ms * 1000);
    // What ended it where it was seen for all of its time, if nobody found it gone before its time.
    let lifted = [HeldUntil::Lifted, HeldUntil::TaskEnded, HeldUntil::Unseen];
    held.planned_ms == planned_ms && lifted.contains(&held.until) && in_its_place
}

pub(super) fn reads_are_dated_right(world: &World) -> bool {
    let history = &world.history;
    let begun = i64::try_from(history.header.started_at_ms * 1000).unwrap();
    let before = begun - world.initial.taken_at_us;
    if !(-999..=3_600_000_000).contains(&before) {
        return false;
    }
    let ended = history.header.started_at_ms * 1000 + history.ended_at_us.unwrap_or(0);
    let ended = i64::try_from(ended).unwrap();
    let stable = i64::try_from(world.planned.stable_ms * 1000).unwrap();
    let mut reads = world.snapshots.iter();
    let longest = 30 * 86_400_000_000;
    let soon = |taken: i64| history.ended_at_us.is_none() || taken - ended <= longest;
    reads.all(|read| read.taken_at_us >= ended && soon(read.taken_at_us))
        && world
            .snapshots
            .windows(2)
            .all(|pair| pair[1].taken_at_us - pair[0].taken_at_us >= stable)
}

/// Whether rows that were there were not read.
pub(super) fn is_short(world: &World) -> bool {
    world.snapshots.iter().any(|read| {
        let initial = &world.initial;
        let stock = read.stock_movements.iter();
        let stock = stock.filter(|row| row.movement_id > initial.stock_watermark);
        let payment = read.payment_movements.iter();
        let payment = payment.filter(|row| row.movement_id > initial.payment_watermark);
        let lines = read.orders.iter().map(|order| order.lines.len() as u64);
        let rows = [
            ("shop_order", read.orders.len() as u64),
            ("order_line", lines.sum()),
            ("account", read.users.len() as u64),
            ("item", read.items.len() as u64),
            (
                "stock_movement",
                initial.stock_movements + stock.count() as u64,
            ),
            (
                "payment_movement",
                initial.payment_movements + payment.count() as u64,
            ),
        ];
        ["order", "payment", "stock"].iter().any(|name| {
            let tables = leader(read, name).map(|node| &node.tables);
            let mut digests = tables.into_iter().flatten();
            digests.any(|digest| {
                let short =
                    |(table, rows): &(&str, u64)| *table == digest.table && *rows < digest.rows;
                rows.iter().any(short)
            })
        })
    })
}

fn is_as_it_says(world: &World, read: &Snapshot) -> bool {
    let nodes: BTreeSet<(&String, &String)> = read
        .databases
        .iter()
        .flat_map(|view| view.nodes.iter().map(|node| (&view.name, &node.name)))
        .collect();
    let planned: BTreeSet<(&String, &String)> = world
        .planned
        .nodes
        .iter()
        .flat_map(|(name, nodes)| nodes.iter().map(move |node| (name, node)))
        .collect();
    let rows = [
        ("order", "shop_order", read.orders.len()),
        (
            "order",
            "order_line",
            read.orders.iter().map(|order| order.lines.len()).sum(),
        ),
        ("payment", "account", read.users.len()),
        ("stock", "item", read.items.len()),
    ];
    let counts = read.databases.iter().map(|view| view.nodes.len());
    let own_names = read
        .databases
        .iter()
        .flat_map(|view| &view.nodes)
        .all(|node| {
            let told = node.state.as_ref().map(|state| &state.name);
            told.is_none_or(|told| *told == node.name)
        });
    nodes == planned
        && counts.sum::<usize>() == planned.len()
        && own_names
        && read.sources.len() == 3
        && ["order", "payment", "stock"].iter().all(|name| {
            let source = read.sources.iter().find(|source| source.database == *name);
            let led = source.is_some_and(|source| {
                leader(read, name).is_some_and(|node| {
                    let timeline = node.state.as_ref().map(|state| state.timeline);
                    node.name == source.node && timeline == Some(source.timeline)
                })
            });
            let counted = |table: &str| {
                leader(read, name)
                    .and_then(|node| node.tables.iter().find(|digest| digest.table == table))
                    .map(|digest| usize::try_from(digest.rows).unwrap())
            };
            led && rows
                .iter()
                .filter(|(of, _, _)| of == name)
                .all(|(_, table, rows)| counted(table) == Some(*rows))
        })
        && moved(world, read)
}

/// What was there before, and what came since.
fn moved(world: &World, read: &Snapshot) -> bool {
    let initial = &world.initial;
    let stock = read.stock_movements.iter();
    let stock = stock.filter(|row| row.movement_id > initial.stock_watermark);
    let payment = read.payment_movements.iter();
    let payment = payment.filter(|row| row.movement_id > initial.payment_watermark);
    let counts = [
        (
            "stock",
            "stock_movement",
            initial.stock_movements,
            stock.count(),
        ),
        (
            "payment",
            "payment_movement",
            initial.payment_movements,
            payment.count(),
        ),
    ];
    counts.into_iter().all(|(name, table, before, since)| {
        let tables = leader(read, name).map(|node| &node.tables);
        let digest = tables.and_then(|tables| tables.iter().find(|d| d.table == table));
        digest.is_some_and(|digest| digest.rows == before + since as u64)
    })
}

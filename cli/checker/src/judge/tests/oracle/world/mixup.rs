//! A part of one run among those of another, and what was not looked at as it should have been.

use super::World;
use crate::{
    evidence::{Aim, FaultEvidence, KindShare, PlannedFault},
    history::{Miscount, Op, Value},
    outcome::{Broken, Class},
    snapshot::Snapshot,
    testing::Dice,
};

const OTHER: &str = "another";

/// Something of the run is not its own, or was not sent, or said nothing.
pub(super) fn befall(world: &mut World, dice: &mut Dice) {
    let which = dice.roll(world.snapshots.len().max(1));
    match dice.roll(29) {
        0 => world.history.header.run = OTHER.to_owned(),
        1 => world.initial.run = OTHER.to_owned(),
        2 => world.evidence.run = OTHER.to_owned(),
        3 => one(world, which, |read| read.run = OTHER.to_owned()),
        4 => world.planned.faults.push(PlannedFault {
            name: "pause redis".to_owned(),
            ..PlannedFault::default()
        }),
        5 => drop(world.planned.faults.pop()),
        6 => {
            for fault in &mut world.evidence.faults {
                fault.place += 1;
            }
        }
        7 => one(world, which, |read| {
            drop(read.databases[2].nodes.pop());
        }),
        8 => drop(world.planned.nodes.remove("stock")),
        9 => world.planned.stable_ms += 1,
        10 => one(world, which, |read| read.taken_at_us = 7),
        11 => one(world, which, |read| drop(read.sources.pop())),
        12 => one(world, which, |read| read.sources[1].timeline += 1),
        13 => {
            let node = format!("order-db-{}", dice.roll(3));
            one(world, which, |read| read.sources[0].node = node);
        }
        14 => {
            let at = dice.roll(3);
            one(world, which, |read| {
                let tables = &mut read.databases[at].nodes[0].tables;
                tables[0].rows += 1;
            });
        }
        15 => world.history.miscount = Some(Miscount { told: 9, read: 8 }),
        16 => never_send(world, dice),
        17 => world.history.ended_at_us = Some(1),
        18 => one(world, 0, |read| read.api.unanswered = 1),
        19 => one(world, which, |read| read.api.users.truncate(2)),
        20 => one(world, which, |read| {
            let first = read.api.orders.first().copied();
            read.api.orders = first.into_iter().cycle().take(200).collect();
        }),
        21 => one(world, which, |read| read.taken_at_us += 30 * 86_400_000_000),
        22..25 => belie_faults(world, dice),
        25 => world.history.header.seed = dice.pick(&[None, Some(7)]),
        26 => world.initial.taken_at_us = dice.pick(&[-3_700_000_000, -9, 999, 1_000]),
        _ => silence(world, dice),
    }
}

/// The load was drawn from something, and often something else. A shop is so small that shares of its operations say
/// nothing: they are of far more than a hundred here.
pub(super) fn plan_mix(world: &mut World, dice: &mut Dice) {
    for kind in ["checkout", "add_item", "find_user", "create_order", "pay"] {
        if dice.percent(40) {
            let percent = dice.pick(&[1, 200, 300, 500]);
            world.planned.mix.push(KindShare { kind, percent });
        }
    }
}

/// The evidence of a fault is of another one, or cannot be.
fn belie_faults(world: &mut World, dice: &mut Dice) {
    let (which, by_us) = (dice.roll(7), dice.between(0, 1).unsigned_abs());
    for plan in &mut world.planned.faults {
        match which {
            0 => plan.victims = 2,
            1 => plan.after_ms = 3_600_000,
            _ => {}
        }
    }
    for fault in &mut world.evidence.faults {
        match which {
            2 => fault.seen.clear(),
            3 => fault.injected_us = None,
            4 => fault.injected_us = fault.effective_us.map(|at| at + by_us),
            5 => fault.healed_us = fault.effective_us.map(|at| at - by_us),
            6 => fault.writable_us = fault.injected_us.map(|at| at - by_us),
            _ => {}
        }
    }
    if which == 0 && by_us == 1 {
        hit_another(world);
    }
}

/// The plan knows at whom a fault is aimed, or at how many, and it may have hit others.
pub(super) fn aim_faults(world: &mut World, dice: &mut Dice) {
    let names = dice.pick(&[
        &["stock-db-0"][..],
        &["stock-db-1", "stock-db-0"],
        &["stock-db-1"],
    ]);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let which = dice.roll(3);
    for plan in &mut world.planned.faults {
        match which {
            0 => plan.aim = Aim::Tasks(names.clone()),
            1 => plan.aim = Aim::TasksOf(names.clone()),
            _ => plan.victims_max = Some(1),
        }
    }
    if dice.percent(40) {
        hit_another(world);
    }
}

fn hit_another(world: &mut World) {
    let again = world.evidence.faults.first().cloned();
    world
        .evidence
        .faults
        .extend(again.map(|fault| FaultEvidence {
            target: "stock-db-1".to_owned(),
            ..fault
        }));
}

fn one(world: &mut World, which: usize, change: impl FnOnce(&mut Snapshot)) {
    if let Some(snapshot) = world.snapshots.get_mut(which)
        && snapshot.databases.len() == 3
        && snapshot.sources.len() == 3
    {
        change(snapshot);
    }
}

/// Some checkouts never left; whatever they did is left as it is.
fn never_send(world: &mut World, dice: &mut Dice) {
    for attempt in &mut world.history.attempts {
        let is_checkout = matches!(attempt.invoke.op, Op::Checkout { .. });
        if let Some(complete) = &mut attempt.complete
            && is_checkout
            && complete.class == Class::Fail
            && dice.percent(70)
        {
            complete.broken = Some(Broken::NotSent);
            complete.status = None;
        }
    }
}

fn is_made(value: Value) -> bool {
    matches!(value, Value::Created(_))
}

/// Some reads were answered with a 200 that told nothing, and so were some creates.
fn silence(world: &mut World, dice: &mut Dice) {
    for attempt in &mut world.history.attempts {
        if let Some(complete) = &mut attempt.complete
            && dice.percent(if complete.value.is_some_and(is_made) {
                10
            } else {
                50
            })
        {
            complete.value = None;
        }
    }
}

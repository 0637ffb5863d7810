//! What nodes acknowledged to writers of their own.

use std::collections::BTreeSet;

use super::{parts::is_in_plan, replicas::leader};
use crate::{
    evidence::{DirectWrite, DirectWrites},
    judge::tests::oracle::world::World,
    snapshot::{DirectRow, Snapshot},
};

const DATABASES: [&str; 3] = ["order", "payment", "stock"];
/// How far apart a node's wall clock and the run's may be.
const ASIDE_US: i64 = 1_000_000;

/// The writes to the nodes of a database, as far as the plan has them. It may not know the database at all.
fn to<'a>(world: &World, direct: &'a DirectWrites, database: &str) -> Vec<&'a DirectWrite> {
    let knows = world.planned.nodes.contains_key(database);
    let writes = direct
        .writes
        .iter()
        .filter(|write| write.database == database);
    writes
        .filter(|write| !knows || is_in_plan(world, database, &write.node))
        .collect()
}

/// Two nodes led one timeline, or one of an earlier timeline acknowledged what was sent after the acknowledgement of a later
/// one.
fn are_two_lines(writes: &[&DirectWrite]) -> bool {
    writes.iter().any(|one| {
        writes.iter().any(|other| {
            let shared = one.timeline == other.timeline && one.node != other.node;
            let outlived = one.boot == other.boot
                && one.timeline > other.timeline
                && other.sent_at_us > one.acked_at_us;
            shared || outlived
        })
    })
}

fn is_read_back(writes: &[&DirectWrite], rows: &[DirectRow], database: &str) -> bool {
    writes.iter().all(|write| {
        rows.iter().any(|row| {
            row.database == database && row.node == write.node && row.sent_us == write.sent_us
        })
    })
}

/// The databases whose nodes contradict one another.
pub(super) fn split(world: &World) -> BTreeSet<String> {
    let Some(direct) = &world.evidence.direct_writes else {
        return BTreeSet::new();
    };
    let last = world
        .snapshots
        .last()
        .and_then(|last| last.direct_writes.as_ref());
    let mut split = BTreeSet::new();
    for database in DATABASES {
        let writes = to(world, direct, database);
        let lost = last.is_some_and(|rows| !is_read_back(&writes, rows, database));
        if are_two_lines(&writes) || lost {
            split.insert(database.to_owned());
        }
    }
    split
}

/// Whether what nodes acknowledged is known of all of them and all the time, and is there.
pub(super) fn is_whole(world: &World) -> bool {
    let direct = match (&world.evidence.direct_writes, world.planned.direct_writes) {
        (None, false) => return true,
        (None, true) | (Some(_), false) => return false,
        (Some(direct), true) => direct,
    };
    let mut planned = world.planned.nodes.values().flatten();
    planned.all(|node| direct.begun.contains(node))
        && direct.gaps.is_empty()
        && has_few_unacknowledged(world, direct)
        && direct.writes.iter().all(|write| {
            is_in_plan(world, &write.database, &write.node) && write.sent_at_us <= write.acked_at_us
        })
        && DATABASES.iter().all(|database| {
            let writes = to(world, direct, database);
            !writes.is_empty()
                && is_around_the_faults(world, &writes)
                && world.snapshots.iter().all(|read| {
                    let rows = read.direct_writes.as_ref();
                    rows.is_some_and(|rows| is_read_back(&writes, rows, database))
                })
                && world
                    .snapshots
                    .last()
                    .is_some_and(|last| leads_last(last, database, &writes))
        })
}

/// Something was acknowledged before the first fault, and after the last healing.
fn is_around_the_faults(world: &World, writes: &[&DirectWrite]) -> bool {
    // The random shops begin with the clock.
    let us = |at: u64| i64::try_from(at).unwrap();
    let faults = || world.evidence.faults.iter();
    let first = faults().filter_map(|fault| fault.injected_us).min();
    let healed = faults().filter_map(|fault| fault.healed_us).max();
    first.is_none_or(|at| {
        writes
            .iter()
            .any(|write| write.sent_us - ASIDE_US <= us(at))
    }) && healed.is_none_or(|at| {
        writes
            .iter()
            .any(|write| write.sent_us + ASIDE_US >= us(at))
    })
}

/// The last primary acknowledged something on its timeline, and nobody on a later one.
fn leads_last(last: &Snapshot, database: &str, writes: &[&DirectWrite]) -> bool {
    let Some((leader, state)) =
        leader(last, database).and_then(|it| Some((it, it.state.as_ref()?)))
    else {
        return false;
    };
    writes.iter().all(|write| write.timeline <= state.timeline)
        && writes
            .iter()
            .any(|write| write.node == leader.name && write.timeline == state.timeline)
}

/// Of each node no more than eight writes, and one a second, are on the primary that nobody was told of.
fn has_few_unacknowledged(world: &World, direct: &DirectWrites) -> bool {
    let rows = world
        .snapshots
        .last()
        .and_then(|last| last.direct_writes.as_ref());
    let Some(rows) = rows else { return true };
    rows.iter().all(|of| {
        let same = |row: &&DirectRow| row.database == of.database && row.node == of.node;
        let own: Vec<&DirectRow> = rows.iter().filter(same).collect();
        let since = own.iter().map(|row| row.sent_us).min().unwrap_or(0);
        let until = own.iter().map(|row| row.sent_us).max().unwrap_or(0);
        let told = |row: &&&DirectRow| {
            direct.writes.iter().any(|write| {
                write.database == row.database
                    && write.node == row.node
                    && write.sent_us == row.sent_us
            })
        };
        let untold = own.len() - own.iter().filter(told).count();
        i64::try_from(untold).unwrap() <= 8 + (until - since) / 1_000_000
    })
}

//! One primary for each database, standbys that hold the same, and an API that tells the same.

use std::collections::BTreeSet;

use protocol::db::{NodeState, Role};

use super::parts::is_in_plan;
use crate::{
    judge::tests::oracle::world::World,
    snapshot::{NodeView, Snapshot, Subject, Witnesses},
    verdict::Label,
};

const DATABASES: [&str; 3] = ["order", "payment", "stock"];
/// The tables that the rows of a final read come from.
const ROW_TABLES: [&str; 6] = [
    "order_line",
    "shop_order",
    "account",
    "payment_movement",
    "item",
    "stock_movement",
];

/// The nodes of a database at a final read.
fn nodes<'a>(read: &'a Snapshot, database: &str) -> &'a [NodeView] {
    let mut views = read.databases.iter();
    let view = views.find(|view| view.name == database);
    view.map_or(&[], |view| &view.nodes)
}

fn node<'a>(read: &'a Snapshot, database: &str, name: &str) -> Option<&'a NodeView> {
    nodes(read, database).iter().find(|node| node.name == name)
}

fn epoch(node: &NodeView) -> u64 {
    node.state.as_ref().map_or(0, |state| state.epoch)
}

fn timeline(node: &NodeView) -> u32 {
    node.state.as_ref().map_or(0, |state| state.timeline)
}

/// PostgreSQL serves writes there, as itself says; where it says nothing, as its node says.
fn takes_writes(node: &NodeView) -> bool {
    let says = node.state.as_ref().map(|state| state.role == Role::Primary);
    node.in_recovery
        .map_or(says == Some(true), |recovers| !recovers)
}

/// Served writes on, and not alone and of an older epoch than another one.
fn are_primary<'a>(read: &'a Snapshot, database: &str) -> Vec<&'a NodeView> {
    let all = || {
        nodes(read, database)
            .iter()
            .filter(|node| takes_writes(node))
    };
    let is_outdated = |node: &NodeView| all().any(|other| epoch(other) > epoch(node));
    let is_alone = |node: &NodeView| node.state.as_ref().is_some_and(|state| state.alone);
    all()
        .filter(|node| !(is_alone(node) && is_outdated(node)))
        .collect()
}

/// The one whose rows count: of the highest epoch, then of the latest timeline.
pub(super) fn leader<'a>(read: &'a Snapshot, database: &str) -> Option<&'a NodeView> {
    let all = are_primary(read, database);
    let is_before = |node: &NodeView, other: &NodeView| {
        (epoch(node), timeline(node)) < (epoch(other), timeline(other))
    };
    all.iter()
        .find(|node| !all.iter().any(|other| is_before(node, other)))
        .copied()
}

/// PostgreSQL answers, and the node is at rest in a role.
fn account(node: &NodeView) -> Option<&NodeState> {
    let state = node.state.as_ref()?;
    let rests = state.role == Role::Primary || state.role == Role::Standby;
    (rests && node.in_recovery.is_some()).then_some(state)
}

#[derive(PartialEq)]
enum Parted {
    AnotherSystem,
    LaterTimeline,
}

/// Two nodes that serve cannot come from one history.
fn parted(primary: &NodeView, standby: &NodeView) -> Option<Parted> {
    let (ours, theirs) = (account(primary)?, account(standby)?);
    if ours.system_id != theirs.system_id {
        return Some(Parted::AnotherSystem);
    }
    (theirs.timeline > ours.timeline).then_some(Parted::LaterTimeline)
}

fn digest_of<'a>(node: &'a NodeView, table: &str) -> Option<(u64, &'a str)> {
    let digest = node.tables.iter().find(|digest| digest.table == table)?;
    Some((digest.rows, &digest.digest))
}

fn tables(nodes: [&NodeView; 2]) -> BTreeSet<String> {
    let digests = nodes.into_iter().flat_map(|node| &node.tables);
    digests.map(|digest| digest.table.clone()).collect()
}

/// At how many final reads it is so. One alone proves nothing.
fn is_seen_twice(world: &World, shows: impl Fn(&Snapshot) -> bool) -> bool {
    world.snapshots.iter().filter(|read| shows(read)).count() >= 2
}

/// Two of the primaries of the last final read are primary again at another.
fn are_two(world: &World, last: &Snapshot, database: &str) -> bool {
    let names: Vec<&String> = are_primary(last, database)
        .iter()
        .map(|node| &node.name)
        .collect();
    names.len() > 1
        && is_seen_twice(world, |read| {
            let again = are_primary(read, database).into_iter();
            again.filter(|node| names.contains(&&node.name)).count() > 1
        })
}

fn is_parted_twice(world: &World, database: &str, primary: &NodeView, standby: &NodeView) -> bool {
    let how = parted(primary, standby);
    how.is_some()
        && is_seen_twice(world, |read| {
            let leads = are_primary(read, database).into_iter();
            let mut leads = leads.filter(|node| node.name == primary.name);
            let follower = node(read, database, &standby.name);
            let pair = leads.next().zip(follower);
            pair.and_then(|(lead, follower)| parted(lead, follower)) == how
        })
}

/// A standby has not caught up, and has had the time for it: at each final read it streamed, and replayed nothing.
fn stands_still(world: &World, database: &str, standby: &NodeView) -> bool {
    let settle = &world.evidence.settle;
    let whole = settle.load_stopped && settle.faults_healed && settle.converged;
    whole
        && world.snapshots.len() > 1
        && standby.replayed.is_some()
        && world.snapshots.iter().all(|read| {
            node(read, database, &standby.name).is_some_and(|then| {
                then.state.as_ref().is_some_and(|state| state.streaming)
                    && then.error.is_some()
                    && then.replayed == standby.replayed
            })
        })
}

/// It is in recovery, streams, on no earlier timeline than its primary, and says how far it is.
fn follows(primary: &NodeView, standby: &NodeView) -> bool {
    standby.in_recovery == Some(true)
        && standby.replayed.is_some()
        && account(standby).is_some_and(|state| {
            state.role == Role::Standby && state.streaming && state.timeline >= timeline(primary)
        })
}

/// Its rows are read as a standby's, and in two reads they are not the primary's, which meanwhile did not change.
fn holds_other_rows(world: &World, database: &str, primary: &NodeView, standby: &NodeView) -> bool {
    let comparable = standby.error.is_none() || stands_still(world, database, standby);
    if !comparable
        || !follows(primary, standby)
        || primary.tables.is_empty()
        || standby.tables.is_empty()
    {
        return false;
    }
    fn of<'a>(
        read: &'a Snapshot,
        database: &str,
        name: &str,
        table: &str,
    ) -> Option<Option<(u64, &'a str)>> {
        node(read, database, name).map(|node| digest_of(node, table))
    }
    tables([primary, standby]).iter().any(|table| {
        let ours = digest_of(primary, table);
        let is_stable = world
            .snapshots
            .iter()
            .all(|read| of(read, database, &primary.name, table) == Some(ours));
        let theirs = digest_of(standby, table);
        let lasts = world
            .snapshots
            .iter()
            .all(|read| of(read, database, &standby.name, table) == Some(theirs));
        ours != theirs
            && ours.is_some()
            && is_stable
            && lasts
            && is_seen_twice(world, |read| {
                let lead = of(read, database, &primary.name, table);
                let follower = of(read, database, &standby.name, table);
                lead.zip(follower)
                    .is_some_and(|(lead, follower)| lead != follower)
            })
    })
}

/// The databases of which a label is certain, if the run can convict at all.
fn wrong_databases(world: &World) -> BTreeSet<(Label, String)> {
    let mut wrong = BTreeSet::new();
    let Some(last) = world.snapshots.last() else {
        return wrong;
    };
    for database in last.databases.iter().map(|view| view.name.as_str()) {
        if are_two(world, last, database) {
            wrong.insert((Label::SplitBrain, database.to_owned()));
        }
        let [primary] = are_primary(last, database)[..] else {
            continue;
        };
        for standby in nodes(last, database) {
            if standby.name == primary.name {
                continue;
            }
            if is_parted_twice(world, database, primary, standby) {
                wrong.insert((Label::SplitBrain, database.to_owned()));
            } else if parted(primary, standby).is_none()
                && holds_other_rows(world, database, primary, standby)
            {
                wrong.insert((Label::Diverged, database.to_owned()));
            }
        }
    }
    wrong
}

/// Two nodes of a database were both seen to take writes, at two looks in a row, while the load ran.
fn seen_two(world: &World) -> BTreeSet<String> {
    let splits = world.evidence.split_brains.iter();
    let certain =
        splits.filter(|split| split.looks >= 2 && names_two(world, &split.database, &split.nodes));
    certain.map(|split| split.database.clone()).collect()
}

fn names_two(world: &World, database: &str, nodes: &[String]) -> bool {
    let known = nodes.iter().all(|node| is_in_plan(world, database, node));
    known && nodes.iter().collect::<BTreeSet<_>>().len() > 1
}

/// What the API says that its rows do not, where the shop was at rest.
fn api_wrong(read: &Snapshot) -> BTreeSet<String> {
    let api = &read.api;
    let mut wrong = BTreeSet::new();
    for answer in &api.users {
        if !read.users.contains(answer) {
            wrong.insert(format!("User({:?})", answer.user_id));
        }
    }
    for answer in &api.items {
        if !read.items.contains(answer) {
            wrong.insert(format!("Item({:?})", answer.item_id));
        }
    }
    for answer in &api.orders {
        let is_row = read.orders.iter().any(|row| {
            (
                row.order_id,
                row.user_id,
                row.paid,
                row.total_cost,
                row.contents(),
            ) == (
                answer.order_id,
                answer.user_id,
                answer.paid,
                answer.total_cost,
                answer.contents,
            )
        });
        if !is_row {
            wrong.insert(format!("Order({:?})", answer.order_id));
        }
    }
    for denied in &api.absent {
        let exists = match denied {
            Subject::Order(id) => read.orders.iter().any(|row| row.order_id == *id),
            Subject::User(id) => read.users.iter().any(|row| row.user_id == *id),
            Subject::Item(id) => read.items.iter().any(|row| row.item_id == *id),
            Subject::Database(_) | Subject::Lane(_) => false,
        };
        if exists {
            wrong.insert(format!("{denied:?}"));
        }
    }
    wrong
}

/// What nodes and the API show to be wrong.
pub(super) fn wrong(world: &World, quiet: bool) -> BTreeSet<(Label, String)> {
    let in_database = |name: String| format!("{:?}", Subject::Database(name));
    let mut wrong: BTreeSet<(Label, String)> = wrong_databases(world)
        .into_iter()
        .map(|(label, name)| (label, in_database(name)))
        .collect();
    wrong.extend(
        seen_two(world)
            .into_iter()
            .map(|name| (Label::SplitBrain, in_database(name))),
    );
    if let Some(last) = world.snapshots.last().filter(|_| quiet) {
        wrong.extend(
            api_wrong(last)
                .into_iter()
                .map(|subject| (Label::Diverged, subject)),
        );
    }
    wrong
}

/// Whether nothing at all is odd of any node at any final read, or of an answer of the API.
pub(super) fn all_is_well(world: &World) -> bool {
    world.evidence.split_brains.is_empty()
        && world.snapshots.iter().all(|read| {
            DATABASES
                .iter()
                .all(|database| is_well(world, read, database))
                && api_wrong(read).is_empty()
        })
        && world
            .snapshots
            .windows(2)
            .all(|pair| is_same_cluster(&pair[0], &pair[1]))
}

fn is_well(world: &World, read: &Snapshot, database: &str) -> bool {
    let [primary] = are_primary(read, database)[..] else {
        return false;
    };
    let primary_is_well = account(primary).is_some_and(|state| state.role == Role::Primary)
        && primary.in_recovery == Some(false)
        && primary.error.is_none()
        && !primary.tables.is_empty();
    // At the last final read a standby has what its primary had at the first.
    let first = world
        .snapshots
        .first()
        .and_then(|first| node(first, database, &primary.name));
    let is_last = world
        .snapshots
        .last()
        .is_some_and(|last| std::ptr::eq(last, read));
    let had = first
        .and_then(|first| first.state.as_ref())
        .map(|state| state.lsn)
        .filter(|_| is_last);
    let mut standbys = nodes(read, database)
        .iter()
        .filter(|node| node.name != primary.name);
    primary_is_well
        && standbys.all(|standby| {
            account(standby).is_some_and(|state| {
                state.role == Role::Standby
                    && state.streaming
                    && state.timeline == timeline(primary)
                    && Some(&state.system_id) == account(primary).map(|primary| &primary.system_id)
            }) && standby.in_recovery == Some(true)
                && standby.error.is_none()
                && standby
                    .replayed
                    .is_some_and(|replayed| had.is_none_or(|had| replayed >= had))
                && tables([primary, standby])
                    .iter()
                    .all(|table| digest_of(primary, table) == digest_of(standby, table))
        })
}

/// Between two final reads nobody took over, nothing went back, and no table whose rows are read was written.
fn is_same_cluster(first: &Snapshot, second: &Snapshot) -> bool {
    DATABASES.iter().all(|database| {
        let (Some(before), Some(after)) = (leader(first, database), leader(second, database))
        else {
            return false;
        };
        let (Some(then), Some(now)) = (&before.state, &after.state) else {
            return false;
        };
        let same_systems = nodes(second, database).iter().all(|after| {
            let before = node(first, database, &after.name).and_then(account);
            let pair = before.zip(account(after));
            pair.is_none_or(|(before, after)| before.system_id == after.system_id)
        });
        before.name == after.name
            && (then.epoch, then.timeline) == (now.epoch, now.timeline)
            && then.lsn <= now.lsn
            && same_systems
            && ROW_TABLES
                .iter()
                .all(|table| digest_of(before, table) == digest_of(after, table))
    }) && is_of_both(first)
        && is_of_both(second)
}

/// No random shop leaves a witness out.
fn is_of_both(read: &Snapshot) -> bool {
    read.witnesses == Witnesses::Both
}

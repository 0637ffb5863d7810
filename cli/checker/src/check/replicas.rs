//! Each database has one primary, its standbys hold the same rows, and the API tells the same.

use std::collections::BTreeSet;

use self::fork::Fork;
use super::{Finding, Looked, Scene};
use crate::{
    evidence::{LOOKS_MIN, SplitBrain},
    explain::seconds,
    snapshot::{DatabaseView, NodeView, Snapshot, Subject},
    verdict::Label,
};

mod alone;
mod api;
mod direct;
mod fork;

/// The databases of the shop: a final read that lacks one has not seen everything.
const DATABASES: [&str; 3] = ["order", "payment", "stock"];

pub(super) fn check(scene: &Scene<'_>) -> Looked {
    let mut looked = Looked::default();
    for split in &scene.run.evidence.split_brains {
        judge_seen(scene, split, &mut looked);
    }
    for name in DATABASES {
        if !scene.last.databases.iter().any(|view| view.name == name) {
            looked.undecided = Some(format!("the nodes of the {name} database were not read"));
        }
    }
    for database in &scene.last.databases {
        judge_database(scene, database, &mut looked);
    }
    if let [earlier @ .., _] = scene.run.snapshots {
        for (number, read) in (1..).zip(earlier) {
            let odd = read.databases.iter().find_map(alone::oddity);
            let odd = odd.map(|what| format!("at final read {number} {what}"));
            looked.undecided = odd.or(looked.undecided);
        }
    }
    direct::judge(scene, &mut looked);
    api::compare(scene, &mut looked);
    looked
}

/// Judges what was seen while the load ran. It convicts only where it names two nodes that the plan knows.
fn judge_seen(scene: &Scene<'_>, split: &SplitBrain, looked: &mut Looked) {
    let (nodes, at) = (split.nodes.join(" and "), seconds(split.at_us));
    let known = scene.run.planned.nodes.get(&split.database);
    let is_known = |node| known.is_some_and(|known| known.contains(node));
    let different: BTreeSet<&String> = split.nodes.iter().collect();
    if different.len() < 2 || !different.into_iter().all(is_known) {
        looked.undecided = Some(format!(
            "a split brain of nobody was noted, at {at}: its nodes are no two of the {} database's",
            split.database
        ));
    } else if split.is_agreed() {
        let contradiction = format!("{nodes} took writes at the same time, at {at}");
        looked
            .findings
            .push(split_brain(&split.database, contradiction));
    } else {
        looked.undecided = Some(format!("{nodes} were both primary at one look, at {at}"));
    }
}

fn split_brain(database: &str, contradiction: String) -> Finding {
    finding(Label::SplitBrain, database, contradiction)
}

fn finding(label: Label, database: &str, contradiction: String) -> Finding {
    Finding {
        label,
        subject: Subject::Database(database.to_owned()),
        orders: Vec::new(),
        contradiction,
    }
}

fn same_database<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a DatabaseView> {
    snapshot.databases.iter().find(|view| view.name == name)
}

fn same_node<'a>(snapshot: &'a Snapshot, database: &str, name: &str) -> Option<&'a NodeView> {
    let nodes = &same_database(snapshot, database)?.nodes;
    nodes.iter().find(|node| node.name == name)
}

/// Whether enough of the final reads show it.
fn is_agreed(scene: &Scene<'_>, shows: impl Fn(&Snapshot) -> bool) -> bool {
    let snapshots = scene.run.snapshots.iter();
    snapshots.filter(|snapshot| shows(snapshot)).count() >= LOOKS_MIN as usize
}

fn judge_database(scene: &Scene<'_>, database: &DatabaseView, looked: &mut Looked) {
    let name = &database.name;
    match database.primaries()[..] {
        [primary] => compare_nodes(scene, database, primary, looked),
        [] => looked.undecided = Some(format!("the {name} database has no primary")),
        ref several => {
            let mut names: Vec<&str> = several.iter().map(|node| node.name.as_str()).collect();
            names.sort_unstable();
            let are_primaries = |snapshot: &Snapshot| {
                let again = same_database(snapshot, name).map(DatabaseView::primaries);
                let again = again.unwrap_or_default();
                again
                    .iter()
                    .filter(|node| names.contains(&node.name.as_str()))
                    .count()
                    > 1
            };
            let told = names.join(" and ");
            if is_agreed(scene, are_primaries) {
                let contradiction = format!("{told} take writes at the same time");
                looked.findings.push(split_brain(name, contradiction));
            } else {
                looked.undecided = Some(format!("{told} were both primary at one final read"));
            }
        }
    }
}

fn compare_nodes(
    scene: &Scene<'_>,
    database: &DatabaseView,
    primary: &NodeView,
    looked: &mut Looked,
) {
    let name = &database.name;
    looked.counted += 1;
    let contradicts = alone::unfit_primary(primary);
    looked.undecided = contradicts.or(looked.undecided.take());
    if primary.tables.is_empty() {
        let why = primary.error.as_deref().unwrap_or("it has no tables");
        looked.undecided = Some(format!("{} was not read: {why}", primary.name));
    }
    for standby in &database.nodes {
        if standby.name == primary.name {
            continue;
        }
        looked.counted += 1;
        let why = alone::unfit(primary, standby).or_else(|| behind(scene, name, primary, standby));
        looked.undecided = why.or(looked.undecided.take());
        let Some(fork) = Fork::between(primary, standby) else {
            compare_rows(scene, name, primary, standby, looked);
            continue;
        };
        let contradiction = fork.describe(primary, standby);
        if is_agreed(scene, |snapshot| {
            is_forked(snapshot, name, fork, primary, standby)
        }) {
            looked.findings.push(split_brain(name, contradiction));
        } else {
            looked.undecided = Some(format!("at one final read alone {contradiction}"));
        }
    }
}

/// Compares what a standby holds with what its primary does, where both were read.
fn compare_rows(
    scene: &Scene<'_>,
    database: &str,
    primary: &NodeView,
    standby: &NodeView,
    looked: &mut Looked,
) {
    if primary.tables.is_empty() {
        return;
    }
    let differing = differing(primary, standby);
    if let Some(why) = incomparable(scene, database, standby, !differing.is_empty()) {
        looked.undecided = Some(format!("{} cannot be compared: {why}", standby.name));
        return;
    }
    if alone::unfit(primary, standby).is_some() {
        // Said already. Positions on two timelines have no order, and who does not stream has not caught up.
        return;
    }
    for table in differing {
        let differs = |snapshot: &Snapshot| {
            let lead = same_node(snapshot, database, &primary.name);
            let follower = same_node(snapshot, database, &standby.name);
            lead.zip(follower)
                .is_some_and(|(lead, follower)| lead.digest(table) != follower.digest(table))
        };
        if !is_agreed(scene, differs) {
            looked.undecided = Some(format!(
                "table {table} of {} is another than on {} at one final read alone",
                standby.name, primary.name
            ));
        } else if primary.digest(table).is_some()
            && is_stable(scene, database, &primary.name, table)
            && is_stable(scene, database, &standby.name, table)
        {
            let contradiction = describe(primary, standby, table);
            looked
                .findings
                .push(finding(Label::Diverged, database, contradiction));
        } else {
            looked.undecided = Some(format!(
                "table {table} of the {database} database was written between the final reads, or on {} only",
                standby.name
            ));
        }
    }
}

/// Why nothing follows from the rows of a node, where that is so. One that was cut off and takes writes still is no standby, and
/// need not hold what its successor does.
fn incomparable<'a>(
    scene: &Scene<'_>,
    database: &str,
    standby: &'a NodeView,
    differs: bool,
) -> Option<&'a str> {
    if standby.tables.is_empty() {
        return Some(standby.error.as_deref().unwrap_or("it was not read"));
    }
    if standby.in_recovery != Some(true) {
        return Some("its PostgreSQL does not say that it is in recovery");
    }
    // One that is late may still be catching up; one that stands still is not.
    let proves = differs && stands_still(scene, database, standby);
    standby.error.as_deref().filter(|_| !proves)
}

/// Why a standby lacks what its primary had, if so. The primary may write to its log while it is at rest (checkpoints,
/// vacuum), so what counts is where it was at the first final read.
fn behind(
    scene: &Scene<'_>,
    database: &str,
    primary: &NodeView,
    standby: &NodeView,
) -> Option<String> {
    let first = scene.run.snapshots.first()?;
    let lsn = same_node(first, database, &primary.name)?
        .state
        .as_ref()?
        .lsn;
    // One that gives no account is said already.
    let replayed = standby.replayed.filter(|replayed| *replayed < lsn)?;
    Some(format!(
        "{} had replayed {replayed} at the last final read, and {} was at {lsn} at the first",
        standby.name, primary.name
    ))
}

/// Whether a final read shows the same fork between the same two nodes.
fn is_forked(
    snapshot: &Snapshot,
    database: &str,
    fork: Fork,
    primary: &NodeView,
    standby: &NodeView,
) -> bool {
    let Some(view) = same_database(snapshot, database) else {
        return false;
    };
    let leads = |node: &&&NodeView| node.name == primary.name;
    let lead = view.primaries().iter().find(leads).copied();
    let follower = same_node(snapshot, database, &standby.name);
    lead.zip(follower)
        .is_some_and(|(lead, follower)| Fork::between(lead, follower) == Some(fork))
}

/// The names of the tables that do not hold the same on both, ascending.
fn differing<'a>(primary: &'a NodeView, standby: &'a NodeView) -> Vec<&'a str> {
    let mut tables: Vec<&str> = primary
        .tables
        .iter()
        .chain(&standby.tables)
        .map(|digest| digest.table.as_str())
        .filter(|table| primary.digest(table) != standby.digest(table))
        .collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

/// Whether a standby streamed at every final read of a whole stack and had replayed no more at the last than at the
/// first, although each of them gave it time to catch up. A fault that is still there may hold it back.
fn stands_still(scene: &Scene<'_>, database: &str, standby: &NodeView) -> bool {
    let snapshots = scene.run.snapshots;
    scene.run.evidence.settle.is_healthy()
        && standby.replayed.is_some()
        && snapshots.len() > 1
        && snapshots.iter().all(|snapshot| {
            same_node(snapshot, database, &standby.name).is_some_and(|node| {
                let streams = node.state.as_ref().is_some_and(|state| state.streaming);
                streams && node.error.is_some() && node.replayed == standby.replayed
            })
        })
}

/// Whether a node held the same at every final read: a standby that differs from such a primary has no excuse, if what it
/// holds is no passing state either. A table that it lacks, it lacked at every read.
fn is_stable(scene: &Scene<'_>, database: &str, node: &str, table: &str) -> bool {
    let snapshots = scene.run.snapshots;
    let mut digests = snapshots
        .iter()
        .map(|snapshot| Some(same_node(snapshot, database, node)?.digest(table)));
    let first = digests.next().flatten();
    snapshots.len() > 1 && first.is_some() && digests.all(|digest| digest == first)
}

fn describe(primary: &NodeView, standby: &NodeView, table: &str) -> String {
    let rows = |node: &NodeView| {
        node.digest(table).map_or_else(
            || "no such table".to_owned(),
            |digest| format!("{} rows (digest {})", digest.rows, digest.digest),
        )
    };
    let place = |node: &NodeView| {
        node.state.as_ref().map_or_else(
            || node.name.clone(),
            |state| format!("{} (timeline {})", node.name, state.timeline),
        )
    };
    let late = match (&standby.error, standby.replayed) {
        (Some(why), Some(at)) => format!(", which streams, stands still at {at} and {why}"),
        _ => String::new(),
    };
    format!(
        "table {table} has {} on the primary {}, and {} on its standby {}{late}",
        rows(primary),
        place(primary),
        rows(standby),
        place(standby)
    )
}

#[cfg(test)]
mod tests;

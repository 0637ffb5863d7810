//! Each database has one primary, its standbys hold the same rows, and the API tells the same.

use self::fork::Fork;
use super::{Finding, Looked, Scene};
use crate::{
    evidence::LOOKS_MIN,
    explain::seconds,
    snapshot::{DatabaseView, NodeView, Snapshot, Subject, TableDigest},
    verdict::Label,
};

mod api;
mod direct;
mod fork;

/// The databases of the shop: a final read that lacks one has not seen everything.
const DATABASES: [&str; 3] = ["order", "payment", "stock"];

pub(super) fn check(scene: &Scene<'_>) -> Looked {
    let mut looked = Looked::default();
    for split in &scene.run.evidence.split_brains {
        let (nodes, at) = (split.nodes.join(" and "), seconds(split.at_us));
        if !split.is_agreed() {
            looked.undecided = Some(format!("{nodes} were both primary at one look, at {at}"));
            continue;
        }
        let contradiction = format!("{nodes} took writes at the same time, at {at}");
        looked
            .findings
            .push(split_brain(&split.database, contradiction));
    }
    for name in DATABASES {
        if !scene.last.databases.iter().any(|view| view.name == name) {
            looked.undecided = Some(format!("the nodes of the {name} database were not read"));
        }
    }
    for database in &scene.last.databases {
        judge_database(scene, database, &mut looked);
    }
    direct::judge(scene, &mut looked);
    api::compare(scene, &mut looked);
    looked
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
    if primary.tables.is_empty() {
        let why = primary.error.as_deref().unwrap_or("it has no tables");
        looked.undecided = Some(format!("{} was not read: {why}", primary.name));
        return;
    }
    for standby in &database.nodes {
        if standby.name == primary.name {
            continue;
        }
        looked.counted += 1;
        if let Some(fork) = Fork::between(primary, standby) {
            let contradiction = fork.describe(primary, standby);
            if is_agreed(scene, |snapshot| {
                is_forked(snapshot, name, fork, primary, standby)
            }) {
                looked.findings.push(split_brain(name, contradiction));
            } else {
                looked.undecided = Some(format!("at one final read alone {contradiction}"));
            }
            continue;
        }
        let differing = differing(primary, standby);
        // One that is late may still be catching up; one that stands still is not.
        let is_late = standby.error.is_some();
        let proves = !is_late || (stands_still(scene, name, standby) && !differing.is_empty());
        if standby.tables.is_empty() || !proves {
            let why = standby.error.as_deref().unwrap_or("it was not read");
            looked.undecided = Some(format!("{} cannot be compared: {why}", standby.name));
            continue;
        }
        for table in differing {
            if is_stable(scene, name, &primary.name, table) {
                let contradiction = describe(primary, standby, table);
                looked
                    .findings
                    .push(finding(Label::Diverged, name, contradiction));
            } else {
                looked.undecided = Some(format!(
                    "table {table} of the {name} database was written between the final reads"
                ));
            }
        }
    }
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
        .filter(|table| digest(primary, table) != digest(standby, table))
        .collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

fn digest<'a>(node: &'a NodeView, table: &str) -> Option<&'a TableDigest> {
    node.tables.iter().find(|digest| digest.table == table)
}

/// Whether a standby streamed at every final read and had replayed no more at the last than at the first,
/// although each of them gave it time to catch up.
fn stands_still(scene: &Scene<'_>, database: &str, standby: &NodeView) -> bool {
    let snapshots = scene.run.snapshots;
    standby.replayed.is_some()
        && snapshots.len() > 1
        && snapshots.iter().all(|snapshot| {
            same_node(snapshot, database, &standby.name).is_some_and(|node| {
                let streams = node.state.as_ref().is_some_and(|state| state.streaming);
                streams && node.error.is_some() && node.replayed == standby.replayed
            })
        })
}

/// Whether the primary held the same at every final read, so that a standby had no excuse.
fn is_stable(scene: &Scene<'_>, database: &str, primary: &str, table: &str) -> bool {
    let snapshots = scene.run.snapshots;
    let mut digests = snapshots
        .iter()
        .map(|snapshot| digest(same_node(snapshot, database, primary)?, table));
    let first = digests.next().flatten();
    snapshots.len() > 1 && first.is_some() && digests.all(|digest| digest == first)
}

fn describe(primary: &NodeView, standby: &NodeView, table: &str) -> String {
    let rows = |node: &NodeView| {
        digest(node, table).map_or_else(
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
mod tests {
    use protocol::db::{Lsn, Role};

    use crate::{
        evidence::SplitBrain,
        snapshot::NodeView,
        testing::Case,
        verdict::{Label, Verdict},
    };

    #[test]
    fn a_standby_with_other_rows_has_diverged() {
        let mut case = Case::legal();
        for snapshot in &mut case.snapshots {
            snapshot.databases[2].nodes[1].tables[0].digest = "other".to_owned();
        }
        assert_eq!(case.labels(), [Label::Diverged]);
        let text = &case.judge().violations[0].text;
        assert!(text.contains("stock-db-1"), "{text}");
    }

    /// The second standby of the stock database is late, with other rows, at both final reads.
    fn late() -> Case {
        let mut case = Case::legal();
        for snapshot in &mut case.snapshots {
            let standby = &mut snapshot.databases[2].nodes[2];
            standby.tables[0].digest = "older".to_owned();
            standby.replayed = Some(Lsn(900));
            standby.error = Some("has not replayed 0/3E8 within 10 s".to_owned());
        }
        case
    }

    #[test]
    fn a_standby_that_streams_and_stands_still_has_diverged() {
        let case = late();
        assert_eq!(case.labels(), [Label::Diverged]);
        let text = &case.judge().violations[0].text;
        assert!(text.contains("stands still at 0/384"), "{text}");
    }

    #[test]
    fn a_late_standby_that_may_still_catch_up_is_undecided() {
        let mut cases = [late(), late(), late(), late(), late()];
        let first = |case: &mut Case, change: fn(&mut NodeView)| {
            change(&mut case.snapshots[0].databases[2].nodes[2]);
        };
        first(&mut cases[0], |node| node.replayed = Some(Lsn(899)));
        first(&mut cases[1], |node| {
            node.state.as_mut().unwrap().streaming = false;
        });
        first(&mut cases[2], |node| node.replayed = None);
        first(&mut cases[3], |node| node.error = None);
        for snapshot in &mut cases[4].snapshots {
            snapshot.databases[2].nodes[2].tables = snapshot.databases[2].nodes[0].tables.clone();
        }
        for case in cases {
            assert_eq!(case.labels(), []);
            assert_eq!(case.judge().verdict, Verdict::Unknown);
        }
    }

    #[test]
    fn a_standby_that_differs_while_rows_are_written_is_undecided() {
        let mut case = Case::legal();
        case.snapshots[1].databases[2].nodes[0].tables[0].digest = "newer".to_owned();
        assert_eq!(case.labels(), []);
        assert_eq!(case.judge().verdict, Verdict::Unknown);
    }

    /// Changes the node `at` of the payment database in the last `reads` final reads.
    fn changed(at: usize, reads: usize, change: fn(&mut NodeView)) -> Case {
        let mut case = Case::legal();
        let from = case.snapshots.len() - reads;
        for snapshot in &mut case.snapshots[from..] {
            change(&mut snapshot.databases[1].nodes[at]);
        }
        case
    }

    fn lead(node: &mut NodeView) {
        node.in_recovery = Some(false);
        node.state.as_mut().unwrap().role = Role::Primary;
    }

    fn run_ahead(node: &mut NodeView) {
        node.state.as_mut().unwrap().timeline += 1;
    }

    fn be_another(node: &mut NodeView) {
        node.state.as_mut().unwrap().system_id = "8".to_owned();
    }

    fn start(node: &mut NodeView) {
        be_another(node);
        run_ahead(node);
        node.state.as_mut().unwrap().role = Role::Starting;
    }

    #[test]
    fn what_two_reads_agree_on_is_a_split_brain_and_one_look_is_undecided() {
        for change in [lead, run_ahead, be_another] {
            assert_eq!(changed(2, 2, change).labels(), [Label::SplitBrain]);
            let seen_once = changed(2, 1, change);
            assert_eq!(seen_once.labels(), []);
            assert_eq!(seen_once.judge().verdict, Verdict::Unknown);
        }
    }

    #[test]
    fn a_node_that_has_only_just_started_is_no_split_brain() {
        assert_eq!(changed(2, 2, start).labels(), []);
        let silent = |node: &mut NodeView| {
            be_another(node);
            node.in_recovery = None;
            node.tables.clear();
        };
        let case = changed(2, 2, silent);
        assert_eq!(case.labels(), []);
        assert_eq!(case.judge().verdict, Verdict::Unknown);
    }

    #[test]
    fn a_deposed_primary_that_is_alone_is_no_second_one() {
        let deposed = |node: &mut NodeView| {
            lead(node);
            let state = node.state.as_mut().unwrap();
            (state.alone, state.epoch) = (true, 0);
        };
        assert_eq!(changed(2, 2, deposed).labels(), []);
    }

    fn seen(looks: u32) -> Case {
        let mut case = Case::legal();
        case.evidence.split_brains.push(SplitBrain {
            database: "stock".to_owned(),
            nodes: vec!["stock-db-0".to_owned(), "stock-db-1".to_owned()],
            at_us: 12_000_000,
            looks,
        });
        case
    }

    #[test]
    fn a_split_brain_that_two_looks_saw_is_a_violation_and_one_look_is_undecided() {
        assert_eq!(seen(2).labels(), [Label::SplitBrain]);
        assert_eq!(seen(1).labels(), []);
        assert_eq!(seen(1).judge().verdict, Verdict::Unknown);
    }

    #[test]
    fn a_database_without_primary_or_unread_is_unknown_not_wrong() {
        let mut case = Case::legal();
        let node = &mut case.snapshots[1].databases[0].nodes[0];
        node.state = None;
        node.in_recovery = None;
        assert_eq!(case.labels(), []);
        assert_eq!(case.judge().verdict, Verdict::Unknown);

        let mut case = Case::legal();
        case.snapshots[1].databases[0].nodes[2].tables.clear();
        assert_eq!(case.labels(), []);
        assert_eq!(case.judge().verdict, Verdict::Unknown);

        let mut case = Case::legal();
        case.snapshots[1].databases.pop();
        assert_eq!(case.judge().verdict, Verdict::Unknown);
    }
}

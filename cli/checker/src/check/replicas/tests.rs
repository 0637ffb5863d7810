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
fn nothing_follows_from_what_a_node_holds_that_is_no_fit_standby_or_is_held_back() {
    let other = |node: &mut NodeView| node.tables[0].digest = "other".to_owned();
    for change in [
        (|node| node.state.as_mut().unwrap().streaming = false) as fn(&mut NodeView),
        |node| node.state.as_mut().unwrap().timeline = 0,
        |node| node.state.as_mut().unwrap().role = Role::Starting,
        |node| node.replayed = None,
    ] {
        let mut case = changed(2, 2, change);
        for read in &mut case.snapshots {
            other(&mut read.databases[1].nodes[2]);
        }
        assert_eq!(case.labels(), []);
        assert_eq!(case.judge().verdict, Verdict::Unknown);
    }
    let mut held_back = late();
    held_back.evidence.settle.faults_healed = false;
    assert_eq!(held_back.labels(), []);
}

#[test]
fn a_difference_that_passes_is_undecided() {
    let mut case = Case::legal();
    for (read, digest) in case.snapshots.iter_mut().zip(["one", "another"]) {
        read.databases[1].nodes[2].tables[0].digest = digest.to_owned();
    }
    assert_eq!(case.labels(), []);
    assert_eq!(case.judge().verdict, Verdict::Unknown);
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

#[test]
fn a_deposed_primary_need_not_hold_what_its_successor_does() {
    let deposed = |node: &mut NodeView| {
        lead(node);
        let state = node.state.as_mut().unwrap();
        (state.alone, state.epoch) = (true, 0);
        node.tables[0].digest = "other".to_owned();
    };
    let case = changed(2, 2, deposed);
    assert_eq!(case.labels(), []);
    assert_eq!(case.judge().verdict, Verdict::Unknown);
}

#[test]
fn a_fork_is_one_though_the_primarys_rows_were_not_read() {
    let mut case = changed(2, 2, run_ahead);
    for snapshot in &mut case.snapshots {
        snapshot.databases[1].nodes[0].tables.clear();
    }
    assert_eq!(case.labels(), [Label::SplitBrain]);
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
fn a_split_brain_that_names_no_two_nodes_of_the_database_convicts_nobody() {
    let named = |database: &str, nodes: &[&str]| {
        let mut case = seen(2);
        let split = &mut case.evidence.split_brains[0];
        split.database = database.to_owned();
        split.nodes = nodes.iter().map(|&node| node.to_owned()).collect();
        case
    };
    for (database, nodes) in [
        ("stock", &[][..]),
        ("stock", &["stock-db-0"]),
        ("stock", &["stock-db-0", "stock-db-0"]),
        ("stock", &["stock-db-0", "stock-db-9"]),
        ("stock", &["stock-db-0", "payment-db-1"]),
        ("stock", &["stock-db-0", "stock-db-1", "nobody"]),
        ("payment", &["stock-db-0", "stock-db-1"]),
        ("nobody's", &["stock-db-0", "stock-db-1"]),
    ] {
        let case = named(database, nodes);
        assert_eq!(case.labels(), [], "{database}: {nodes:?}");
        assert_eq!(
            case.judge().verdict,
            Verdict::Unknown,
            "{database}: {nodes:?}"
        );
    }
    let all = ["stock-db-2", "stock-db-0", "stock-db-1"];
    assert_eq!(named("stock", &all).labels(), [Label::SplitBrain]);
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

/// Changes the second standby of the payment database at the first final read, and at both.
fn first_and_both(change: fn(&mut NodeView)) -> [Case; 2] {
    let mut first = Case::legal();
    change(&mut first.snapshots[0].databases[1].nodes[2]);
    [first, changed(2, 2, change)]
}

#[test]
fn the_first_read_is_looked_at_as_the_last_one_is() {
    let other_rows = |node: &mut NodeView| node.tables[0].digest = "other".to_owned();
    let unread = |node: &mut NodeView| node.tables.clear();
    let late = |node: &mut NodeView| node.error = Some("is late".to_owned());
    for (change, label) in [
        (lead as fn(&mut NodeView), Some(Label::SplitBrain)),
        (run_ahead, Some(Label::SplitBrain)),
        (be_another, Some(Label::SplitBrain)),
        (other_rows, Some(Label::Diverged)),
        (unread, None),
        (late, None),
    ] {
        let [first, both] = first_and_both(change);
        assert_eq!(first.labels(), []);
        assert_eq!(first.judge().verdict, Verdict::Unknown);
        assert_eq!(both.labels(), Vec::from_iter(label));
        assert_ne!(both.judge().verdict, Verdict::Pass);
        let last = changed(2, 1, change);
        assert_eq!(last.labels(), []);
        assert_eq!(last.judge().verdict, Verdict::Unknown);
    }
}

#[test]
fn a_standby_that_is_none_is_undecided_at_either_read() {
    let changes: [fn(&mut NodeView); 6] = [
        |node| node.state = None,
        |node| node.in_recovery = None,
        |node| {
            // A standby by its own words, and cut off and taking writes by its PostgreSQL's.
            node.in_recovery = Some(false);
            let state = node.state.as_mut().unwrap();
            (state.alone, state.epoch) = (true, 0);
        },
        |node| node.state.as_mut().unwrap().role = Role::Starting,
        |node| node.state.as_mut().unwrap().streaming = false,
        |node| node.state.as_mut().unwrap().timeline = 0,
    ];
    for change in changes {
        let [first, both] = first_and_both(change);
        for case in [first, both, changed(2, 1, change)] {
            assert_eq!(case.labels(), []);
            assert_eq!(case.judge().verdict, Verdict::Unknown);
        }
    }
}

#[test]
fn a_primary_that_contradicts_itself_is_undecided_at_either_read() {
    let changes: [fn(&mut NodeView); 4] = [
        |node| node.state = None,
        |node| node.state.as_mut().unwrap().role = Role::Standby,
        |node| node.in_recovery = None,
        |node| node.error = Some("it was reset".to_owned()),
    ];
    for change in changes {
        let mut first = Case::legal();
        change(&mut first.snapshots[0].databases[1].nodes[0]);
        for case in [first, changed(0, 2, change), changed(0, 1, change)] {
            assert_eq!(case.labels(), []);
            assert_eq!(case.judge().verdict, Verdict::Unknown);
        }
    }
    let recovers = changed(0, 2, |node| node.in_recovery = Some(true));
    assert_eq!(recovers.labels(), []);
    assert_eq!(recovers.judge().verdict, Verdict::Unknown);
}

#[test]
fn a_standby_that_has_not_replayed_what_the_first_read_saw_is_undecided() {
    for change in [
        (|node| node.replayed = Some(Lsn(999))) as fn(&mut NodeView),
        |node| node.replayed = None,
    ] {
        for reads in [1, 2] {
            let case = changed(2, reads, change);
            assert_eq!(case.labels(), []);
            assert_eq!(case.judge().verdict, Verdict::Unknown);
        }
    }
    let case = changed(2, 1, |node| node.replayed = Some(Lsn(999)));
    let reasons = case.judge().reasons.join("\n");
    let lag = "payment-db-2 had replayed 0/3E7 at the last final read, and payment-db-0 was at 0/3E8 at the first";
    assert!(reasons.contains(lag), "{reasons}");
}

#[test]
fn a_primary_that_writes_to_its_log_at_rest_leaves_no_standby_behind() {
    let mut case = changed(0, 1, |node| node.state.as_mut().unwrap().lsn = Lsn(1200));
    assert_eq!(case.judge().verdict, Verdict::Pass);
    // At the first read a standby may be on its way.
    case.snapshots[0].databases[1].nodes[2].replayed = Some(Lsn(999));
    assert_eq!(case.judge().verdict, Verdict::Pass);
}

//! What nodes acknowledged to writers of their own. Leadership is a line of timelines: each is led by one node, and once a
//! later one has acknowledged something, an earlier one acknowledges nothing any more, and nothing of either is lost.

use std::collections::{BTreeMap, HashSet};

use super::split_brain;
use crate::{
    check::{Looked, Scene},
    evidence::DirectWrite,
    explain::list,
    snapshot::DirectRow,
};

/// Looks at every direct write of the run, where there were any.
pub(super) fn judge(scene: &Scene<'_>, looked: &mut Looked) {
    let Some(direct) = &scene.run.evidence.direct_writes else {
        return;
    };
    let mut databases: BTreeMap<&str, Vec<&DirectWrite>> = BTreeMap::new();
    // What the plan does not have is told of elsewhere, and contradicts nobody.
    let planned = |write: &&DirectWrite| {
        let nodes = scene.run.planned.nodes.get(&write.database);
        nodes.is_none_or(|nodes| nodes.contains(&write.node))
    };
    for write in direct.writes.iter().filter(planned) {
        databases.entry(&write.database).or_default().push(write);
    }
    for name in super::DATABASES {
        let Some(writes) = databases.get(name) else {
            looked.undecided = Some(format!(
                "no node of the {name} database acknowledged a direct write"
            ));
            continue;
        };
        looked.counted += writes.len() as u64;
        let contradictions = shared_timelines(writes).into_iter().chain(stale(writes));
        let findings = contradictions.map(|contradiction| split_brain(name, contradiction));
        looked.findings.extend(findings);
        read_back(scene, name, writes, looked);
    }
}

/// What the primary does not have of the acknowledged writes at the last read, and at an earlier one.
fn read_back(scene: &Scene<'_>, database: &str, writes: &[&DirectWrite], looked: &mut Looked) {
    let (last, earlier) = match scene.run.snapshots {
        [earlier @ .., last] => (last, earlier),
        [] => (scene.last, &[][..]),
    };
    for (number, read) in (1..).zip(earlier) {
        let missing = match &read.direct_writes {
            None => Some("the direct writes were not read back".to_owned()),
            Some(rows) => lost(writes, &of(rows, database)),
        };
        if let Some(what) = missing {
            looked.undecided = Some(format!("at final read {number} {what}"));
        }
    }
    match &last.direct_writes {
        None => looked.undecided = Some("the direct writes were not read back".to_owned()),
        Some(rows) => {
            let lost = lost(writes, &of(rows, database));
            let lost = lost.map(|what| split_brain(database, what));
            looked.findings.extend(lost);
        }
    }
}

fn of<'a>(rows: &'a [DirectRow], database: &str) -> HashSet<(&'a str, i64)> {
    let rows = rows.iter().filter(|row| row.database == database);
    rows.map(|row| (row.node.as_str(), row.sent_us)).collect()
}

/// Timelines on which more than one node acknowledged.
fn shared_timelines(writes: &[&DirectWrite]) -> Vec<String> {
    let mut leaders: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for write in writes {
        let leaders = leaders.entry(write.timeline).or_default();
        if !leaders.contains(&write.node.as_str()) {
            leaders.push(&write.node);
        }
    }
    let shared = leaders.into_iter().filter(|(_, nodes)| nodes.len() > 1);
    shared
        .map(|(timeline, nodes)| {
            let nodes = nodes.join(" and ");
            format!("{nodes} both acknowledged writes on timeline {timeline}")
        })
        .collect()
}

/// A node that acknowledged a write which was sent only after a later timeline had acknowledged one: the first of each
/// timeline. By a clock that never steps, and only among times of the same boot, which alone have an order.
fn stale(writes: &[&DirectWrite]) -> Vec<String> {
    let mut first: BTreeMap<(&str, u32), &DirectWrite> = BTreeMap::new();
    for write in writes {
        let earliest = first.entry((&write.boot, write.timeline)).or_insert(write);
        if write.acked_at_us < earliest.acked_at_us {
            *earliest = write;
        }
    }
    let mut told = HashSet::new();
    let mut found = Vec::new();
    for write in writes {
        let boot = write.boot.as_str();
        let above = (boot, write.timeline.saturating_add(1));
        let later = first.range(above..).take_while(|((of, _), _)| *of == boot);
        let later = later.map(|(_, first)| first);
        let later = later.filter(|first| first.timeline > write.timeline);
        let Some(successor) = later.min_by_key(|first| first.acked_at_us) else {
            continue;
        };
        if write.sent_at_us > successor.acked_at_us && told.insert(write.timeline) {
            found.push(format!(
                "{} acknowledged a write on timeline {} that was sent {} ms after {} had acknowledged one on timeline {}",
                write.node,
                write.timeline,
                (write.sent_at_us - successor.acked_at_us) / 1000,
                successor.node,
                successor.timeline,
            ));
        }
    }
    found
}

/// Acknowledged writes that the primary does not have.
fn lost(writes: &[&DirectWrite], there: &HashSet<(&str, i64)>) -> Option<String> {
    let lost: Vec<&&DirectWrite> = writes
        .iter()
        .filter(|write| !there.contains(&(write.node.as_str(), write.sent_us)))
        .collect();
    if lost.is_empty() {
        return None;
    }
    let told = lost
        .iter()
        .map(|write| format!("{} at {} us", write.node, write.sent_us));
    Some(format!(
        "{} of {} writes that nodes acknowledged are not on the primary: {}",
        lost.len(),
        writes.len(),
        list(told, ", ")
    ))
}

#[cfg(test)]
mod tests {
    use crate::{
        evidence::{DirectWrite, DirectWrites, GapCause, WriterGap},
        snapshot::DirectRow,
        testing::Case,
        verdict::{Label, Verdict},
    };

    /// Sent so many microseconds after the boot: 8 s into the run where it is 100, 32 s where it is 400.
    fn write(database: &str, node: u32, timeline: u32, sent_at_us: u64) -> DirectWrite {
        DirectWrite {
            database: database.to_owned(),
            node: format!("{database}-db-{node}"),
            timeline,
            sent_us: 1_700_000_000_000_000 + 80_000 * i64::try_from(sent_at_us).unwrap(),
            boot: "first".to_owned(),
            sent_at_us,
            acked_at_us: sent_at_us + 5,
        }
    }

    /// Three databases, each with a failover from node 0 to node 1 and back to node 0.
    fn legal() -> Case {
        let mut case = Case::legal();
        let writes: Vec<DirectWrite> = ["order", "payment", "stock"]
            .iter()
            .flat_map(|name| {
                [
                    write(name, 0, 1, 100),
                    write(name, 0, 1, 200),
                    write(name, 1, 2, 300),
                    write(name, 0, 3, 400),
                ]
            })
            .collect();
        for snapshot in &mut case.snapshots {
            let sources = snapshot.sources.iter_mut();
            sources.for_each(|source| source.timeline = 3);
            let nodes = snapshot.databases.iter_mut();
            let nodes = nodes.flat_map(|view| &mut view.nodes);
            for state in nodes.filter_map(|node| node.state.as_mut()) {
                state.timeline = 3;
            }
        }
        give(&mut case, writes);
        case
    }

    fn give(case: &mut Case, writes: Vec<DirectWrite>) {
        let row = |write: &DirectWrite| DirectRow {
            database: write.database.clone(),
            node: write.node.clone(),
            sent_us: write.sent_us,
        };
        for snapshot in &mut case.snapshots {
            snapshot.direct_writes = Some(writes.iter().map(row).collect());
        }
        let nodes = case.planned.nodes.values().flatten();
        case.planned.direct_writes = true;
        case.evidence.direct_writes = Some(DirectWrites {
            begun: nodes.cloned().collect(),
            writes,
            gaps: Vec::new(),
        });
    }

    fn with(write: DirectWrite) -> Case {
        let mut case = legal();
        let mut writes = case.evidence.direct_writes.take().unwrap().writes;
        writes.push(write);
        give(&mut case, writes);
        case
    }

    fn told(case: &Case) -> String {
        case.judge().violations[0].text.clone()
    }

    #[test]
    fn one_leader_after_the_other_is_legal() {
        assert_eq!(legal().judge().verdict, Verdict::Pass);
    }

    #[test]
    fn a_write_that_overlaps_the_first_of_the_next_leader_is_legal() {
        let mut late = write("stock", 0, 1, 290);
        late.acked_at_us = 350;
        assert_eq!(with(late).judge().verdict, Verdict::Pass);
    }

    #[test]
    fn a_deposed_node_that_acknowledges_is_a_split_brain() {
        let case = with(write("stock", 0, 1, 306));
        assert_eq!(case.labels(), [Label::SplitBrain]);
        let text = told(&case);
        assert!(
            text.contains("stock-db-0 acknowledged a write on timeline 1"),
            "{text}"
        );
    }

    #[test]
    fn two_leaders_of_one_timeline_are_a_split_brain() {
        let case = with(write("order", 2, 3, 500));
        assert_eq!(case.labels(), [Label::SplitBrain]);
        let text = told(&case);
        assert!(text.contains("order-db-0 and order-db-2 both"), "{text}");
    }

    #[test]
    fn an_acknowledged_write_that_is_gone_is_a_split_brain() {
        let mut case = legal();
        for snapshot in &mut case.snapshots {
            snapshot.direct_writes.as_mut().unwrap().remove(1);
        }
        assert_eq!(case.labels(), [Label::SplitBrain]);
        let text = told(&case);
        assert!(
            text.contains("1 of 4 writes that nodes acknowledged"),
            "{text}"
        );
    }

    #[test]
    fn without_writes_or_their_rows_nothing_is_proved() {
        let mut case = legal();
        case.snapshots[1].direct_writes = None;
        assert_eq!(case.judge().verdict, Verdict::Unknown);

        let mut case = legal();
        give(&mut case, vec![write("stock", 0, 1, 100)]);
        assert_eq!(case.judge().verdict, Verdict::Unknown);
    }

    /// The evidence of direct writes, changed.
    fn changed(change: impl FnOnce(&mut Vec<DirectWrite>)) -> Case {
        let mut case = legal();
        let mut writes = case.evidence.direct_writes.take().unwrap().writes;
        change(&mut writes);
        give(&mut case, writes);
        case
    }

    #[test]
    fn writes_that_were_not_made_throughout_or_cannot_be_prove_nothing() {
        let stock = |write: &DirectWrite| write.database == "stock";
        let cases = [
            (
                changed(|writes| writes.retain(|it| !stock(it) || it.timeline > 1)),
                "no direct write of the stock database was acknowledged before the first fault",
            ),
            (
                changed(|writes| writes.retain(|it| !stock(it) || it.timeline < 2)),
                "no direct write of the stock database was acknowledged after the last healing",
            ),
            (
                changed(|writes| writes.retain(|it| !stock(it) || it.timeline < 3)),
                "the last primary stock-db-0 acknowledged no direct write on timeline 3",
            ),
            (
                changed(|writes| writes.push(write("stock", 1, 4, 500))),
                "stock-db-1 acknowledged a direct write on timeline 4, and the last primary stock-db-0 is on timeline 3",
            ),
            (
                changed(|writes| writes.push(write("cart", 0, 3, 500))),
                "a direct write is of cart-db-0 of the cart database, which the plan does not have",
            ),
            (
                changed(|writes| writes[0].node = "stock-db-0".to_owned()),
                "a direct write is of stock-db-0 of the order database, which the plan does not have",
            ),
            (
                changed(|writes| writes[0].acked_at_us = 99),
                "a direct write of order-db-0 was acknowledged before it was sent",
            ),
        ];
        for (case, reason) in cases {
            let judgement = case.judge();
            let told = judgement.reasons.iter().any(|told| told == reason);
            assert!(told, "{reason}: {:?}", judgement.reasons);
            assert_eq!(judgement.verdict, Verdict::Unknown, "{reason}");
        }
    }

    #[test]
    fn writes_that_are_there_without_evidence_are_a_gap_where_they_are_many() {
        // The node's own writes are 24 s apart, the first from the last.
        for (many, verdict) in [(8 + 24, Verdict::Pass), (8 + 25, Verdict::Unknown)] {
            let mut case = legal();
            for read in &mut case.snapshots {
                let rows = read.direct_writes.as_mut().unwrap();
                let first = rows.iter().find(|row| row.node == "stock-db-0").unwrap();
                let first = first.clone();
                rows.extend((1..=many).map(|nth| DirectRow {
                    sent_us: first.sent_us + nth,
                    ..first.clone()
                }));
            }
            assert_eq!(case.judge().verdict, verdict, "{many}");
        }
    }

    #[test]
    fn a_write_that_the_first_read_alone_lacks_is_undecided() {
        let mut case = legal();
        drop(case.snapshots[0].direct_writes.as_mut().unwrap().pop());
        assert_eq!(case.labels(), []);
        assert_eq!(case.judge().verdict, Verdict::Unknown);
        case.snapshots[0].direct_writes = None;
        assert_eq!(case.judge().verdict, Verdict::Unknown);
    }

    #[test]
    fn a_wall_clock_that_steps_back_orders_nothing() {
        let mut stepped = write("stock", 0, 3, 450);
        stepped.sent_us -= 3_600_000_000;
        assert_eq!(with(stepped).judge().verdict, Verdict::Pass);
        let mut deposed = write("stock", 0, 1, 306);
        deposed.sent_us -= 3_600_000_000;
        assert_eq!(with(deposed).labels(), [Label::SplitBrain]);
    }

    #[test]
    fn times_of_two_boots_have_no_order() {
        let mut rebooted = write("stock", 0, 1, 306);
        rebooted.boot = "second".to_owned();
        assert_eq!(with(rebooted).judge().verdict, Verdict::Pass);
    }

    #[test]
    fn planned_writes_without_evidence_of_every_node_are_a_gap() {
        let mut case = legal();
        case.evidence.direct_writes = None;
        let missing = "direct writes were planned, and there is no evidence of them";
        assert_eq!(case.judge().reasons, [missing]);

        let mut case = legal();
        let direct = case.evidence.direct_writes.as_mut().unwrap();
        direct.begun.retain(|node| node != "stock-db-2");
        let missing = "no direct writer ever began beside stock-db-2";
        assert_eq!(case.judge().reasons, [missing]);
        assert_eq!(case.judge().verdict, Verdict::Unknown);
    }

    #[test]
    fn a_writer_that_was_not_heard_is_a_gap_that_is_named() {
        for (cause, why) in [
            (GapCause::Silent, "it was not heard"),
            (GapCause::Unread(3), "3 of its lines could not be read"),
            (
                GapCause::NotPlaced("no such container".to_owned()),
                "none could be put beside it: no such container",
            ),
            (
                GapCause::NotFollowed("timed out".to_owned()),
                "the engine did not say where the nodes are: timed out",
            ),
        ] {
            let mut case = legal();
            let direct = case.evidence.direct_writes.as_mut().unwrap();
            direct.gaps.push(WriterGap {
                node: "stock-db-1".to_owned(),
                from_us: 12_000_000,
                until_us: 19_500_000,
                cause,
            });
            let from_to = "the direct writer of stock-db-1, from 12.000 s to 19.500 s";
            assert_eq!(case.judge().reasons, [format!("{from_to}: {why}")]);
            assert_eq!(case.judge().verdict, Verdict::Unknown);
        }
    }
}

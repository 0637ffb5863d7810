//! On a healthy stack every saga reaches an end before the deadline, and every lane runs empty.

use std::collections::BTreeSet;

use super::{Finding, Looked, Scene};
use crate::{
    snapshot::{LaneView, Subject},
    verdict::Label,
};

pub(super) fn check(scene: &Scene<'_>) -> Looked {
    let settle = &scene.run.evidence.settle;
    let mut looked = Looked {
        counted: (scene.last.lanes.len() + scene.book.order_count) as u64,
        ..Looked::default()
    };
    if scene.run.snapshots.is_empty() {
        looked.undecided = Some("there are no final reads".to_owned());
        return looked;
    }
    if scene.last.is_quiescent() {
        if !settle.quiescent {
            looked.undecided = Some("the shop was not seen to come to rest".to_owned());
        }
        return looked;
    }
    if !settle.is_healthy() {
        looked.undecided =
            Some("sagas have not ended, on a stack that was never healthy".to_owned());
        return looked;
    }
    if settle.waited_ms < settle.deadline_ms {
        looked.undecided = Some("sagas have not ended, and the deadline had not come".to_owned());
        return looked;
    }
    looked.findings = stuck(scene);
    if looked.findings.is_empty() {
        looked.undecided = Some("the shop was not at rest at the final read".to_owned());
    }
    looked
}

fn stuck(scene: &Scene<'_>) -> Vec<Finding> {
    // What only the last read shows began later: nobody waited for it yet.
    let Some(first) = scene.run.snapshots.first() else {
        return Vec::new();
    };
    let waited_for: BTreeSet<_> = first.sagas.iter().map(|saga| saga.saga_id).collect();
    let sagas = scene
        .last
        .sagas
        .iter()
        .filter(|saga| waited_for.contains(&saga.saga_id))
        .map(|saga| Finding {
            label: Label::Stuck,
            subject: Subject::Order(saga.order_id),
            orders: vec![saga.order_id],
            contradiction: format!(
                "its saga {} is still {} after {} s, on a healthy stack",
                saga.saga_id, saga.state, saga.age_s
            ),
        });
    let was_busy = |lane: &LaneView| {
        first.lanes.iter().any(|then| {
            then.topic == lane.topic && then.partition == lane.partition && !then.is_drained()
        })
    };
    let lanes = scene
        .last
        .lanes
        .iter()
        .filter(|lane| !lane.is_drained() && was_busy(lane))
        .filter_map(|lane| {
            let end = lane.end_offset?;
            Some(Finding {
                label: Label::Stuck,
                subject: Subject::Lane(format!("{}-{}", lane.topic, lane.partition)),
                orders: Vec::new(),
                contradiction: format!(
                    "it has applied up to offset {} and published up to {}, of {end}",
                    lane.next_offset, lane.published_offset
                ),
            })
        });
    sagas.chain(lanes).collect()
}

#[cfg(test)]
mod tests {
    use protocol::SagaId;

    use crate::{
        snapshot::SagaRow,
        testing::Case,
        verdict::{Label, Verdict},
    };

    fn with_open_saga() -> Case {
        let mut case = Case::legal();
        let [_, undone] = case.unknown();
        for snapshot in &mut case.snapshots {
            snapshot.sagas.push(SagaRow {
                saga_id: SagaId(77),
                order_id: undone,
                state: "charging".to_owned(),
                age_s: 90,
            });
        }
        case.evidence.settle.quiescent = false;
        case.evidence.settle.waited_ms = case.evidence.settle.deadline_ms;
        case
    }

    #[test]
    fn a_saga_that_never_ends_on_a_healthy_stack_is_stuck() {
        let case = with_open_saga();
        assert_eq!(case.labels(), [Label::Stuck]);
        assert_eq!(case.judge().verdict, Verdict::Violation);
    }

    #[test]
    fn on_a_stack_that_never_was_healthy_it_proves_nothing() {
        let mut case = with_open_saga();
        case.evidence.settle.converged = false;
        assert_eq!(case.labels(), []);
        assert_eq!(case.judge().verdict, Verdict::Unknown);
    }

    #[test]
    fn rows_that_still_change_leave_it_suspected() {
        let mut case = with_open_saga();
        case.snapshots[1].users[3].credit += 1;
        case.snapshots[1].api.users[3].credit += 1;
        assert_eq!(case.labels(), []);
        assert_eq!(case.judge().verdict, Verdict::Unknown);
        let mut case = with_open_saga();
        case.snapshots.truncate(1);
        assert_eq!(case.labels(), []);
    }

    #[test]
    fn a_lane_that_only_the_last_read_finds_busy_is_undecided() {
        let mut case = Case::legal();
        case.snapshots[1].lanes[1].end_offset = Some(999_999);
        case.evidence.settle.waited_ms = case.evidence.settle.deadline_ms;
        assert_eq!(case.labels(), []);
        assert_eq!(case.judge().verdict, Verdict::Unknown);
    }

    #[test]
    fn a_lane_that_is_not_worked_is_stuck() {
        let mut case = Case::legal();
        for snapshot in &mut case.snapshots {
            snapshot.lanes[1].end_offset = Some(999_999);
        }
        case.evidence.settle.waited_ms = case.evidence.settle.deadline_ms;
        assert_eq!(case.labels(), [Label::Stuck]);
    }
}

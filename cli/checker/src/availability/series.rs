//! The run cut into equal slices of time, as plots want it.

use super::{Operation, SECOND_US, operations, percentile, to_ms};
use crate::{history::History, outcome::Class};

/// How long a slice may be, in seconds: the shortest that keeps their number bounded is taken.
const STEPS_S: [u64; 13] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 86_400];

/// What became of the operations that were due within one slice of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Slice {
    pub start_us: u64,
    /// How much of it the load covers: the whole slice, but for the last.
    pub length_us: u64,
    pub ok: u64,
    /// Failed, and answered by the shop: a business rejection.
    pub rejected: u64,
    /// Failed without such an answer: never sent, or a read that was not answered.
    pub failed: u64,
    /// Nobody knows.
    pub unknown: u64,
    /// Of the served operations; `None` where none was.
    pub p50_ms: Option<f64>,
    /// Of the served operations; `None` where none was.
    pub p99_ms: Option<f64>,
}

impl Slice {
    /// Operations that were due.
    #[must_use]
    pub fn offered(&self) -> u64 {
        self.ok + self.rejected + self.failed + self.unknown
    }
}

/// Cuts a history into at most `slices_max` slices of whole seconds, without a gap between them.
/// Empty where there was no load. A history longer than `slices_max` days loses what comes later.
#[must_use]
pub fn series(history: &History, slices_max: usize) -> Vec<Slice> {
    let operations = operations(history);
    let (Some(first), Some(last)) = (operations.first(), operations.last()) else {
        return Vec::new();
    };
    let count = |step_s: u64| {
        let step_us = step_s * SECOND_US;
        last.due_us / step_us - first.due_us / step_us + 1
    };
    let bounded = |step_s: &u64| count(*step_s) <= slices_max as u64;
    let step_s = STEPS_S.into_iter().find(bounded).unwrap_or(86_400);
    let step_us = step_s * SECOND_US;
    let begin_us = first.due_us / step_us * step_us;
    // The last operation stands for as long as one does on average.
    let pace_us = (last.due_us - first.due_us) / operations.len() as u64;
    let mut slices = Vec::new();
    let mut rest = operations.as_slice();
    let mut start_us = begin_us;
    while !rest.is_empty() && slices.len() < slices_max {
        let end_us = start_us.saturating_add(step_us);
        let (within, after) = rest.split_at(rest.partition_point(|op| op.due_us < end_us));
        let length_us = if after.is_empty() {
            (last.due_us - start_us + pace_us).clamp(1, step_us)
        } else {
            step_us
        };
        slices.push(slice(within, start_us, length_us));
        (rest, start_us) = (after, end_us);
    }
    slices
}

fn slice(operations: &[Operation], start_us: u64, length_us: u64) -> Slice {
    let mut slice = Slice {
        start_us,
        length_us,
        ..Slice::default()
    };
    for operation in operations {
        *match (operation.class, operation.served_at_us) {
            (Class::Ok, _) => &mut slice.ok,
            (Class::Info, _) => &mut slice.unknown,
            (Class::Fail, Some(_)) => &mut slice.rejected,
            (Class::Fail, None) => &mut slice.failed,
        } += 1;
    }
    let mut latencies: Vec<u64> = operations
        .iter()
        .filter_map(Operation::latency_us)
        .collect();
    latencies.sort_unstable();
    slice.p50_ms = percentile(&latencies, 500).map(to_ms);
    slice.p99_ms = percentile(&latencies, 990).map(to_ms);
    slice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;

    #[test]
    fn every_operation_is_in_exactly_one_slice() {
        let judgement = Case::legal().judge();
        for slices_max in [1, 2, 7, 1000] {
            let slices = series(&Case::legal().history, slices_max);
            assert!(slices.len() <= slices_max);
            let offered: u64 = slices.iter().map(Slice::offered).sum();
            assert_eq!(offered, judgement.availability.offered, "{slices_max}");
        }
    }

    #[test]
    fn slices_of_a_second_agree_with_the_results_windows() {
        let case = Case::legal();
        let slices = series(&case.history, 1000);
        let windows = case.judge().availability.windows;
        assert_eq!(slices.len(), windows.len());
        for (slice, window) in slices.iter().zip(&windows) {
            assert_eq!(slice.start_us, window.start_s * SECOND_US);
            assert_eq!(slice.offered(), window.offered);
            assert_eq!(slice.p99_ms.unwrap_or_default(), window.p99_ms);
        }
    }

    #[test]
    fn the_classes_are_those_of_the_totals() {
        let case = Case::legal();
        let slices = series(&case.history, 1000);
        let totals = case.judge().totals.operations;
        let sum = |of: fn(&Slice) -> u64| slices.iter().map(of).sum::<u64>();
        let total =
            |of: fn(&crate::verdict::OperationTotal) -> u64| totals.iter().map(of).sum::<u64>();
        assert_eq!(sum(|s| s.ok), total(|t| t.ok));
        assert_eq!(sum(|s| s.unknown), total(|t| t.info));
        assert_eq!(sum(|s| s.rejected + s.failed), total(|t| t.fail));
    }

    #[test]
    fn without_load_there_is_nothing() {
        let mut case = Case::legal();
        case.history.attempts.clear();
        assert!(series(&case.history, 10).is_empty());
    }
}

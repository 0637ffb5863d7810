use super::{Operation, Recovery, SECOND_US, is_checkout, ratio};
use crate::evidence::Evidence;

/// How long the shop must serve as before to count as recovered.
const STEADY_US: u64 = 10 * SECOND_US;
/// How finely the instant of recovery is looked for.
const STEP_US: u64 = 100_000;

/// One recovery for each fault that took effect, in the order in which they did.
pub(super) fn all(operations: &[Operation], evidence: &Evidence) -> Vec<Recovery> {
    let mut faults: Vec<_> = evidence
        .faults
        .iter()
        .filter_map(|fault| Some((fault.effective_us?, fault)))
        .collect();
    faults.sort_by_key(|(effective_us, _)| *effective_us);
    let Some((first_us, _)) = faults.first() else {
        return Vec::new();
    };
    let baseline = Baseline::before(*first_us, operations);
    let load_end_us = operations.last().map_or(0, |operation| operation.due_us);
    faults
        .iter()
        .enumerate()
        .map(|(at, (effective_us, fault))| {
            // Its other victims are a part of it.
            let mut later = faults[at + 1..].iter();
            let next = later.find(|(_, next)| next.place != fault.place);
            let next_us = next.map_or(load_end_us, |(next, _)| *next);
            let watch = Watch {
                from_us: *effective_us,
                to_us: next_us.clamp(*effective_us, load_end_us.max(*effective_us)),
                operations,
                baseline: &baseline,
            };
            let recovered_us = watch.recovered_us();
            Recovery {
                fault: fault.name.clone(),
                effective_us: *effective_us,
                detection_gap_ms: watch.detection_gap_us().map(|us| us / 1000),
                first_ok_checkout_ms: watch.first_ok_checkout_us().map(|us| us / 1000),
                recovery_ms: recovered_us.map(|at| (at - effective_us) / 1000),
                watched_ms: (watch.to_us - effective_us) / 1000,
                lost_operations: watch.lost(),
                writable_ms: fault
                    .writable_us
                    .map(|at| at.saturating_sub(*effective_us) / 1000),
            }
        })
        .collect()
}

/// How the shop served before anything was done to it.
struct Baseline {
    served_ratio: f64,
    p99_us: u64,
}

impl Baseline {
    /// What was over before the first fault: operations in flight at that time are hurt by it.
    fn before(first_us: u64, operations: &[Operation]) -> Self {
        let is_over = |operation: &&Operation| operation.ended_us.is_some_and(|at| at < first_us);
        let unhurt = || between(operations, 0, first_us).iter().filter(is_over);
        Self {
            served_ratio: served_ratio(unhurt()),
            p99_us: p99_us(unhurt()),
        }
    }
}

/// The stretch of time that belongs to one fault.
struct Watch<'a> {
    from_us: u64,
    to_us: u64,
    operations: &'a [Operation],
    baseline: &'a Baseline,
}

impl Watch<'_> {
    /// Until the first operation was due that was not served; 0 where one in flight was lost.
    fn detection_gap_us(&self) -> Option<u64> {
        self.operations
            .iter()
            .filter(|operation| operation.served_at_us.is_none() && operation.due_us < self.to_us)
            .filter(|operation| operation.ended_us.is_none_or(|ended| ended >= self.from_us))
            .map(|operation| operation.due_us.saturating_sub(self.from_us))
            .min()
    }

    fn first_ok_checkout_us(&self) -> Option<u64> {
        self.operations
            .iter()
            .filter(|operation| is_checkout(operation.op) && operation.sent_us >= self.from_us)
            .filter_map(|operation| operation.ok_at_us)
            .min()
            .map(|at| at - self.from_us)
    }

    /// The first instant after which 10 s serve as before.
    fn recovered_us(&self) -> Option<u64> {
        let mut at = self.from_us;
        while at.checked_add(STEADY_US)? <= self.to_us {
            if self.is_steady(at) {
                return Some(at);
            }
            at += STEP_US;
        }
        None
    }

    fn is_steady(&self, at: u64) -> bool {
        let seconds = (at..at + STEADY_US).step_by(1_000_000);
        let served = seconds.into_iter().all(|from| {
            let window = between(self.operations, from, from + SECOND_US);
            served_ratio(window.iter()) >= 0.95 * self.baseline.served_ratio
        });
        served
            && p99_us(between(self.operations, at, at + STEADY_US).iter())
                <= self.baseline.p99_us.saturating_mul(2)
    }

    /// What the baseline would have served and was not, second by second.
    fn lost(&self) -> u64 {
        let mut lost = 0.0;
        let mut at = self.from_us;
        while at < self.to_us {
            let window = between(
                self.operations,
                at,
                at.saturating_add(SECOND_US).min(self.to_us),
            );
            let missed = self.baseline.served_ratio - served_ratio(window.iter());
            lost += missed.max(0.0) * window.len() as f64;
            at = at.saturating_add(SECOND_US);
        }
        whole(lost)
    }
}

/// The nearest whole number of something that cannot be negative and is no larger than a history.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of operations: not negative, and far below 2^53"
)]
fn whole(count: f64) -> u64 {
    count.round() as u64
}

/// The operations that were due in `[from, to)`.
fn between(operations: &[Operation], from_us: u64, to_us: u64) -> &[Operation] {
    let begin = operations.partition_point(|operation| operation.due_us < from_us);
    let end = operations.partition_point(|operation| operation.due_us < to_us);
    &operations[begin..end.max(begin)]
}

fn served_ratio<'a>(operations: impl Iterator<Item = &'a Operation>) -> f64 {
    let (mut served, mut offered) = (0, 0);
    for operation in operations {
        offered += 1;
        served += u64::from(operation.served_at_us.is_some());
    }
    ratio(served, offered)
}

fn p99_us<'a>(operations: impl Iterator<Item = &'a Operation>) -> u64 {
    let mut latencies: Vec<u64> = operations.filter_map(Operation::latency_us).collect();
    // Looked for at many instants: all that is needed is the one value, not the order of the others.
    let rank = (latencies.len() * 990).div_ceil(1000).saturating_sub(1);
    if latencies.is_empty() {
        return 0;
    }
    *latencies.select_nth_unstable(rank).1
}

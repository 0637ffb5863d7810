//! How the shop served while it was hurt. Open loop: an operation's latency counts from when it was due.

use serde::{Deserialize, Serialize};

use crate::{
    evidence::Evidence,
    history::{History, Op, SPAN_MAX_US},
};

mod operation;
mod recovery;
mod series;

pub(crate) use operation::{Operation, operations};
pub use series::{Slice, series};

/// What a client of the shop noticed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Availability {
    /// Logical operations that were due.
    pub offered: u64,
    /// Those that were answered: ok, or by a business rejection.
    pub served: u64,
    /// `served / offered`, 1 if nothing was offered.
    pub served_ratio: f64,
    /// Checkouts of which an attempt was answered with a 5xx.
    pub checkout_server_errors: u64,
    /// Of the served operations.
    pub latency: Latency,
    /// Of the served checkouts.
    pub checkout_latency: Latency,
    /// The longest time without an ok checkout, from when the first of them was due to when the last one was.
    pub longest_gap_ms: u64,
    /// When that gap began.
    pub longest_gap_at_us: u64,
    /// One a second, from the first operation to the last.
    pub windows: Vec<Window>,
    /// One for each fault that took effect.
    pub recoveries: Vec<Recovery>,
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

/// One second of the run, by when operations were due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub start_s: u64,
    pub offered: u64,
    pub served: u64,
    /// Checkouts that were ok.
    pub ok_checkouts: u64,
    pub p99_ms: f64,
}

/// How the shop came back from one fault. Times count from the fault's effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    pub fault: String,
    pub effective_us: u64,
    /// Until the first operation that was not served was due; `None`: all were served.
    pub detection_gap_ms: Option<u64>,
    /// Until the first checkout that was sent after the effect was ok; `None`: never.
    pub first_ok_checkout_ms: Option<u64>,
    /// Until 10 s began that serve 95 % of the baseline with p99 at most twice the baseline's;
    /// `None`: not within `watched_ms`.
    pub recovery_ms: Option<u64>,
    /// How long after the effect it was watched: until the next fault or the load's end.
    pub watched_ms: u64,
    /// Operations that the baseline would have served and that were not.
    pub lost_operations: u64,
    /// Until the new primary took a probe write, where that was watched.
    pub writable_ms: Option<u64>,
}

const SECOND_US: u64 = 1_000_000;

/// Measures what the clients noticed.
#[must_use]
pub fn measure(history: &History, evidence: &Evidence) -> Availability {
    of(&operations(history), evidence)
}

pub(crate) fn of(operations: &[Operation], evidence: &Evidence) -> Availability {
    let served = operations.iter().filter(|op| op.served_at_us.is_some());
    let offered = operations.len() as u64;
    let served = served.count() as u64;
    let (longest_gap_ms, longest_gap_at_us) = longest_gap(operations);
    Availability {
        offered,
        served,
        served_ratio: ratio(served, offered),
        checkout_server_errors: operations
            .iter()
            .filter(|op| is_checkout(op.op) && op.server_error)
            .count() as u64,
        latency: latency(operations.iter()),
        checkout_latency: latency(operations.iter().filter(|op| is_checkout(op.op))),
        longest_gap_ms,
        longest_gap_at_us,
        windows: windows(operations),
        recoveries: recovery::all(operations, evidence),
    }
}

fn is_checkout(op: Op) -> bool {
    matches!(op, Op::Checkout { .. })
}

/// 1 where nothing was offered. Counts of one run fit a float exactly.
fn ratio(served: u64, offered: u64) -> f64 {
    if offered == 0 {
        return 1.0;
    }
    served as f64 / offered as f64
}

fn to_ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

fn latency<'a>(operations: impl Iterator<Item = &'a Operation>) -> Latency {
    let mut latencies: Vec<u64> = operations.filter_map(Operation::latency_us).collect();
    latencies.sort_unstable();
    let at = |permille| percentile(&latencies, permille).map_or(0.0, to_ms);
    Latency {
        p50_ms: at(500),
        p99_ms: at(990),
        p999_ms: at(999),
        max_ms: at(1000),
    }
}

/// The smallest value that at least so many of a thousand do not exceed.
fn percentile(sorted: &[u64], permille: usize) -> Option<u64> {
    let rank = (sorted.len() * permille).div_ceil(1000);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The longest time between two ok checkouts, in milliseconds, and when it began.
fn longest_gap(operations: &[Operation]) -> (u64, u64) {
    let checkouts = || operations.iter().filter(|op| is_checkout(op.op));
    let mut ok: Vec<u64> = checkouts().filter_map(|op| op.ok_at_us).collect();
    ok.sort_unstable();
    // A shop that is down at first, or never comes back, has a gap too: it begins and ends where the load does.
    let due = || checkouts().map(|op| op.due_us);
    if let (Some(first), Some(last)) = (due().min(), due().max()) {
        ok.insert(0, first.min(ok.first().copied().unwrap_or(first)));
        ok.push(last.max(ok.last().copied().unwrap_or(last)));
    }
    let gaps = ok.windows(2).map(|pair| (pair[1] - pair[0], pair[0]));
    // The first of several equal ones.
    let longest = gaps.max_by_key(|(gap, at)| (*gap, std::cmp::Reverse(*at)));
    longest.map_or((0, 0), |(gap, at)| (gap / 1000, at))
}

/// A window for each second of a history that is as long as one may be; what was due later has none.
fn windows(operations: &[Operation]) -> Vec<Window> {
    let first_s = operations
        .first()
        .map_or(0, |first| first.due_us / SECOND_US);
    let last_s = first_s.saturating_add(SPAN_MAX_US / SECOND_US);
    let bounded = operations.partition_point(|operation| operation.due_us / SECOND_US <= last_s);
    let mut windows: Vec<(Window, Vec<u64>)> = Vec::new();
    // Operations come in the order in which they were due.
    for operation in &operations[..bounded] {
        let second = operation.due_us / SECOND_US;
        while windows
            .last()
            .is_none_or(|(window, _)| window.start_s < second)
        {
            let start_s = windows
                .last()
                .map_or(second, |(window, _)| window.start_s + 1);
            let window = Window {
                start_s,
                ..Window::default()
            };
            windows.push((window, Vec::new()));
        }
        let Some((window, latencies)) = windows.last_mut() else {
            continue;
        };
        window.offered += 1;
        if let Some(latency) = operation.latency_us() {
            window.served += 1;
            latencies.push(latency);
        }
        window.ok_checkouts += u64::from(is_checkout(operation.op) && operation.ok_at_us.is_some());
    }
    windows
        .into_iter()
        .map(|(mut window, mut latencies)| {
            latencies.sort_unstable();
            window.p99_ms = percentile(&latencies, 990).map_or(0.0, to_ms);
            window
        })
        .collect()
}

#[cfg(test)]
mod tests;

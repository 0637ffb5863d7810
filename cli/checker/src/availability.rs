//! How the shop served while it was hurt. Open loop: an operation's latency counts from when it was due.

use serde::{Deserialize, Serialize};

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
    /// The longest time without an ok checkout, between the first and the last of them.
    pub longest_gap_ms: u64,
    /// When that gap began.
    pub longest_gap_at_us: u64,
    /// One a second, from the run's beginning.
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

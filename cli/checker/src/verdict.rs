//! The verdict of a run, and everything `result.json` says.

use std::fmt;

use protocol::OrderId;
use serde::{Deserialize, Serialize};

use crate::{availability::Availability, snapshot::Subject};

mod label;

pub use label::{Check, Label};

/// What a [`Judgement`]'s `format` says.
pub const FORMAT: &str = "webshop-result";
/// The version of the result that this checker writes.
pub const VERSION: u32 = 2;

/// What a run proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything holds, and there was enough to see.
    Pass,
    /// At least one check failed.
    Violation,
    /// Too little evidence, never healthy, a fault without effect, or not quiescent.
    Unknown,
    /// Consistent, but slower to recover or less available than the budget allows.
    Slo,
    /// Docker or the stack could not do what was asked.
    Harness,
}

impl Verdict {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Violation => 1,
            Self::Unknown => 2,
            Self::Slo => 3,
            Self::Harness => 4,
        }
    }

    /// The verdict of both together.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        const WORST_FIRST: [Verdict; 5] = [
            Verdict::Violation,
            Verdict::Harness,
            Verdict::Unknown,
            Verdict::Slo,
            Verdict::Pass,
        ];
        WORST_FIRST
            .into_iter()
            .find(|verdict| *verdict == self || *verdict == other)
            .unwrap_or(self)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "PASS",
            Self::Violation => "VIOLATION",
            Self::Unknown => "UNKNOWN",
            Self::Slo => "SLO",
            Self::Harness => "HARNESS",
        })
    }
}

/// What a run must reach. `Budgets::default()` asks for evidence and for nothing of speed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budgets {
    /// Ok checkouts of the whole run.
    pub ok_checkouts_min: u64,
    /// Ok checkouts before the first fault took effect (of the whole run where no fault is planned).
    pub ok_before_min: u64,
    /// Ok checkouts while a fault was in effect: from the effect of each to its healing.
    pub ok_during_min: u64,
    /// Ok checkouts after the last fault was healed.
    pub ok_after_min: u64,
    /// The largest share of the operations whose outcome may be unknown, 0 to 1.
    pub unknown_ratio_max: Option<f64>,
    /// The longest recovery allowed.
    pub recovery_ms_max: Option<u64>,
    /// The longest wait allowed for an ok checkout after a fault.
    pub first_checkout_ms_max: Option<u64>,
    /// The longest time allowed without an ok checkout.
    pub gap_ms_max: Option<u64>,
    /// The 99th percentile allowed for the latency of served checkouts.
    pub checkout_p99_ms_max: Option<u64>,
    /// The least share of the operations that must be served, 0 to 1.
    pub served_ratio_min: Option<f64>,
    /// How many checkouts may be answered with a 5xx.
    pub server_errors_max: Option<u64>,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            ok_checkouts_min: 1,
            ok_before_min: 20,
            ok_during_min: 1,
            ok_after_min: 20,
            unknown_ratio_max: None,
            recovery_ms_max: None,
            first_checkout_ms_max: None,
            gap_ms_max: None,
            checkout_p99_ms_max: None,
            served_ratio_min: None,
            server_errors_max: None,
        }
    }
}

/// What became of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Held,
    Violated,
    /// Something was found, but the shop was not quiet, so it proves nothing.
    Suspected,
    /// There was too little to look at.
    Undecided,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Violated => "violated",
            Self::Suspected => "suspected",
            Self::Undecided => "undecided",
        })
    }
}

/// One check of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    pub name: Check,
    pub status: Status,
    /// How many things it looked at.
    pub counted: u64,
    /// How many of them are wrong.
    pub violations: u64,
    /// What it could not decide, and why; also where it found something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<String>,
}

/// One defect, with its explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    pub label: Label,
    pub check: Check,
    /// Found while the shop was not quiet: it proves nothing yet.
    pub suspected: bool,
    pub subject: Subject,
    /// The orders that it is about, ascending.
    pub orders: Vec<OrderId>,
    /// Its place in [`Judgement::causes`].
    #[serde(default)]
    pub cause: usize,
    /// Claim, evidence, contradiction, and how to see it again.
    pub text: String,
}

/// What several violations have in common: the same defect, in the same way, near the same fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    pub label: Label,
    pub suspected: bool,
    /// The contradiction with `n` for each number.
    pub shape: String,
    /// The fault that was nearest in time, e.g. `kill stock-db-primary (stock-db-0) at 10.000 s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// How many there are.
    pub violations: u64,
}

/// The headline figures of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Orders in the run's data or history.
    pub orders: u64,
    /// Orders by what their clients were told.
    pub orders_ok: u64,
    pub orders_info: u64,
    pub orders_fail: u64,
    /// Orders whose outcome was unknown to the client and that were found to be wholly done.
    pub orders_info_done: u64,
    /// Acknowledged orders of which something is missing.
    pub lost_acknowledged: u64,
    /// By name of the operation.
    pub operations: Vec<OperationTotal>,
    /// Charged less refunded, over all orders.
    pub money_charged: i64,
    /// Taken less given back, over all orders.
    pub stock_taken: i64,
}

/// What came of the logical operations of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationTotal {
    pub name: String,
    pub ok: u64,
    pub fail: u64,
    pub info: u64,
}

/// The result of a run: `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    pub format: String,
    pub version: u32,
    pub run: String,
    pub verdict: Verdict,
    pub exit_code: u8,
    /// Why it is not a PASS; empty for one.
    pub reasons: Vec<String>,
    pub checks: Vec<CheckReport>,
    /// What the violations have in common, in the order in which they were found.
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// All of them, in the order of the checks.
    pub violations: Vec<Violation>,
    pub availability: Availability,
    pub totals: Totals,
}

impl Judgement {
    /// Whether it is a result that this program can read.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err("not the result of a run".to_owned());
        }
        if self.version != VERSION {
            let found = self.version;
            return Err(format!(
                "a result of version {found}; this program reads version {VERSION}"
            ));
        }
        if self.exit_code != self.verdict.exit_code() {
            let (verdict, exit_code) = (self.verdict, self.exit_code);
            return Err(format!("{verdict} does not exit with {exit_code}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_wins_in_the_order_1_4_2_3_0() {
        let order = [
            Verdict::Violation,
            Verdict::Harness,
            Verdict::Unknown,
            Verdict::Slo,
            Verdict::Pass,
        ];
        assert_eq!(order.map(Verdict::exit_code), [1, 4, 2, 3, 0]);
        for (rank, worse) in order.into_iter().enumerate() {
            for better in &order[rank..] {
                assert_eq!(worse.worst(*better), worse);
                assert_eq!(better.worst(worse), worse);
            }
        }
    }
}

//! The figures that every report shows, from the judgement and the evidence.

use std::collections::BTreeMap;

use checker::{
    Judgement,
    availability::Recovery,
    evidence::FaultEvidence,
    verdict::{CheckReport, Label, Status, Violation},
};
use serde::Serialize;

use super::Reported;

/// A run in a line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Headline {
    /// Seconds in which operations were due.
    pub load_s: u64,
    pub offered: u64,
    pub served_ratio: f64,
    /// Served operations a second, over the whole load.
    pub served_per_s: f64,
    /// Ok checkouts a second, over the whole load.
    pub checkouts_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub longest_gap_ms: u64,
    pub checkout_server_errors: u64,
    pub lost_acknowledged: u64,
    pub violations: u64,
    /// Over all faults; `None` where none took effect.
    pub recovery: Option<Recovered>,
    pub lost_operations: u64,
}

/// How long the shop took to serve as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Recovered {
    pub recovery_ms: Option<u64>,
    /// How long it was watched: without a `recovery_ms`, it took longer than this.
    pub watched_ms: u64,
}

impl std::fmt::Display for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let human = |ms| crate::units::human(std::time::Duration::from_millis(ms));
        match self.recovery_ms {
            Some(ms) => f.write_str(&human(ms)),
            None => write!(f, "> {}", human(self.watched_ms)),
        }
    }
}

impl From<&Recovery> for Recovered {
    fn from(recovery: &Recovery) -> Self {
        Self {
            recovery_ms: recovery.recovery_ms,
            watched_ms: recovery.watched_ms,
        }
    }
}

impl Headline {
    /// Of a judged run.
    #[must_use]
    pub fn of(judgement: &Judgement) -> Self {
        let availability = &judgement.availability;
        let windows = &availability.windows;
        let load_s = windows.len() as u64;
        let ok_checkouts = windows.iter().map(|window| window.ok_checkouts).sum();
        let recoveries = &availability.recoveries;
        Self {
            load_s,
            offered: availability.offered,
            served_ratio: availability.served_ratio,
            served_per_s: per_second(availability.served, load_s),
            checkouts_per_s: per_second(ok_checkouts, load_s),
            p50_ms: availability.latency.p50_ms,
            p99_ms: availability.latency.p99_ms,
            longest_gap_ms: availability.longest_gap_ms,
            checkout_server_errors: availability.checkout_server_errors,
            lost_acknowledged: judgement.totals.lost_acknowledged,
            violations: judgement.checks.iter().map(|check| check.violations).sum(),
            recovery: worst(recoveries),
            lost_operations: recoveries.iter().map(|r| r.lost_operations).sum(),
        }
    }
}

/// One that never came is worse than any that did.
fn worst(recoveries: &[Recovery]) -> Option<Recovered> {
    recoveries
        .iter()
        .map(Recovered::from)
        .max_by_key(|recovered| match recovered.recovery_ms {
            Some(ms) => (false, ms),
            None => (true, recovered.watched_ms),
        })
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a count of operations for people"
)]
fn per_second(count: u64, seconds: u64) -> f64 {
    if seconds == 0 {
        return 0.0;
    }
    count as f64 / seconds as f64
}

/// One fault, with what it did to the clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault<'a> {
    /// From 1, in the order of the evidence.
    pub(super) number: usize,
    pub(super) seen: &'a FaultEvidence,
    /// `None` where it took no effect.
    pub(super) recovery: Option<&'a Recovery>,
}

impl Fault<'_> {
    /// From its effect until it was verified to be gone.
    pub(super) fn gone_after_ms(&self) -> Option<u64> {
        let (effective, healed) = (self.seen.effective_us?, self.seen.healed_us?);
        Some(healed.saturating_sub(effective) / 1000)
    }
}

impl Reported {
    /// The faults with their recoveries.
    pub(super) fn faults(&self) -> Vec<Fault<'_>> {
        // The victims of one fault share its name, and may share the instant of its effect.
        let mut left: Vec<&Recovery> = self.judgement.availability.recoveries.iter().collect();
        let mut take = |seen: &FaultEvidence| {
            let at = left.iter().position(|recovery| {
                recovery.fault == seen.name && Some(recovery.effective_us) == seen.effective_us
            })?;
            Some(left.remove(at))
        };
        (1..)
            .zip(&self.evidence.faults)
            .map(|(number, seen)| Fault {
                number,
                seen,
                recovery: take(seen),
            })
            .collect()
    }

    /// At most `most` violations: the first of each label, then the second of each, and so on, so that
    /// a thousand of one kind do not hide the one of another.
    pub(super) fn told(&self, most: usize) -> Vec<&Violation> {
        let mut seen: BTreeMap<Label, usize> = BTreeMap::new();
        let mut ranked: Vec<(usize, &Violation)> = Vec::new();
        for violation in &self.judgement.violations {
            let rank = seen.entry(violation.label).or_default();
            ranked.push((*rank, violation));
            *rank += 1;
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let first = ranked.into_iter().take(most);
        first.map(|(_, violation)| violation).collect()
    }

    /// The reasons of a verdict that speak of one check.
    pub(super) fn reasons_of(&self, check: &CheckReport) -> Vec<&str> {
        let prefix = format!("{}: ", check.name);
        let reasons = self.judgement.reasons.iter();
        reasons
            .filter_map(|reason| reason.strip_prefix(&prefix))
            .collect()
    }
}

/// What a check's line says besides its name and status.
pub(super) fn outcome(check: &CheckReport) -> String {
    let counted = super::count(check.counted);
    match check.status {
        Status::Held => format!("{counted} checked"),
        Status::Violated => format!("{} violations in {counted}", check.violations),
        Status::Suspected => format!("{} suspected in {counted}", check.violations),
        Status::Undecided => "undecided".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recovery(recovery_ms: Option<u64>, watched_ms: u64) -> Recovery {
        Recovery {
            fault: "kill order".to_owned(),
            effective_us: 1,
            detection_gap_ms: None,
            first_ok_checkout_ms: None,
            recovery_ms,
            watched_ms,
            lost_operations: 2,
            writable_ms: None,
        }
    }

    #[test]
    fn a_recovery_that_never_came_is_the_worst() {
        let all = [
            recovery(Some(900), 20_000),
            recovery(None, 400),
            recovery(Some(12_000), 20_000),
        ];
        assert_eq!(worst(&all).unwrap().to_string(), "> 400 ms");
        assert_eq!(worst(&all[..1]).unwrap().to_string(), "900 ms");
        assert_eq!(worst(&[]), None);
    }

    #[test]
    fn a_thousand_of_one_kind_do_not_hide_another() {
        let mut run = crate::report::testing::violation();
        let doubled = run.judgement.violations[0].clone();
        assert_eq!(doubled.label, Label::Double);
        for _ in 0..1000 {
            run.judgement.violations.insert(0, doubled.clone());
        }
        let told: Vec<Label> = run.told(10).iter().map(|v| v.label).collect();
        let each = [
            Label::Double,
            Label::Torn,
            Label::LostAck,
            Label::Phantom,
            Label::CreditLeak,
            Label::StockLeak,
        ];
        assert_eq!(told[..6], each);
        assert_eq!(
            told[6..],
            [
                Label::Double,
                Label::Torn,
                Label::LostAck,
                Label::CreditLeak
            ]
        );
        assert_eq!(run.told(usize::MAX).len(), run.judgement.violations.len());
    }

    #[test]
    fn victims_of_one_instant_have_a_recovery_each() {
        let mut reported = crate::report::testing::pass();
        let mut second = reported.evidence.faults[0].clone();
        second.target = "stock-db-2".to_owned();
        reported.evidence.faults.push(second);
        let mut recoveries = reported.judgement.availability.recoveries.clone();
        recoveries.push(Recovery {
            lost_operations: 77,
            ..recoveries[0].clone()
        });
        reported.judgement.availability.recoveries = recoveries;
        let faults = reported.faults();
        assert_ne!(faults[0].recovery.unwrap().lost_operations, 77);
        assert_eq!(faults[1].recovery.unwrap().lost_operations, 77);
    }
}

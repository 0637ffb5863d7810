//! How fast the stack is: the highest rate that it sustains, and what a checkout costs there.

mod meter;
pub mod plot;
pub mod search;
pub mod work;

use std::time::Duration;

use checker::Verdict;
use serde::{Deserialize, Serialize};

use self::work::Work;
use crate::{
    load::{Figures, Offered},
    run::Report,
};

pub use self::{meter::Reading, search::Search};

const FORMAT: &str = "webshop-bench";
const VERSION: u32 = 1;

/// What is measured where nobody says otherwise: checkouts of prepared orders alone. It stays as it is, whatever the load
/// of other commands is made of, so that figures of different versions can be set side by side.
pub const MIX: &str = "checkout=100%";
/// Of the operations that were due, those that must have been served: a lost connection is no lost benchmark.
const SERVED_RATIO_MIN: f64 = 0.999;
/// Sent later than that after it was due, at the 99th percentile: the generator gets too little of the processors.
const LATE_MS_MAX: f64 = 20.0;

/// What was measured; what `--format json` prints and `--compare` reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    pub format: String,
    pub version: u32,
    /// The version of the program that measured.
    pub webshop: String,
    pub cores: usize,
    pub users: i64,
    pub items: i64,
    /// The bound that a sustained rate must keep.
    pub p99_ms_max: u64,
    /// In the order in which they were tried.
    pub steps: Vec<Step>,
    /// `None`: no rate was sustained.
    pub sustained: Option<Sustained>,
}

/// A rate that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Operations that were due in a second.
    pub rate: f64,
    pub seconds: f64,
    /// Checkouts in a second that were answered ok.
    pub ok_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    /// From when an operation was due to when it was sent, at the 99th percentile.
    pub late_ms: f64,
    /// Why the rate was too much; empty where it was not.
    pub missed: Vec<String>,
}

/// The rate that was held for long and judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sustained {
    pub step: Step,
    /// The name of its run.
    pub run: String,
    pub verdict: Verdict,
    /// What it took; `None` where the meters could not be read.
    pub work: Option<Work>,
}

impl Bench {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(users: i64, items: i64, p99_max: Duration) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            webshop: env!("CARGO_PKG_VERSION").to_owned(),
            cores: meter::cores(),
            users,
            items,
            p99_ms_max: u64::try_from(p99_max.as_millis()).unwrap_or(u64::MAX),
            steps: Vec::new(),
            sustained: None,
        }
    }

    /// Reads what `--format json` has written.
    ///
    /// # Errors
    /// Says why it is none that this program can read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bench: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if bench.format != FORMAT || bench.version != VERSION {
            return Err(format!(
                "{} of version {}; this program reads {FORMAT} of version {VERSION}",
                bench.format, bench.version
            ));
        }
        Ok(bench)
    }
}

impl Step {
    /// How a run at that rate went; `None` where its load broke off.
    #[must_use]
    pub fn of(report: &Report, rate: f64, p99_ms_max: u64) -> Option<Self> {
        let (offered, figures) = report.load.as_ref()?;
        Some(step(rate, offered, figures, p99_ms_max))
    }

    /// Everything was served in time.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.missed.is_empty()
    }

    /// The generator sent too late for its latencies to be the shop's alone.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.late_ms > LATE_MS_MAX
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of one run")]
fn step(rate: f64, offered: &Offered, figures: &Figures, p99_ms_max: u64) -> Step {
    let seconds = offered.span.as_secs_f64().max(0.001);
    let served = (figures.ok + figures.rejected) as f64 / offered.operations.max(1) as f64;
    let mut missed = Vec::new();
    if served < SERVED_RATIO_MIN {
        missed.push(format!("{:.1} % served", (served * 1000.0).floor() / 10.0));
    }
    if figures.p99_ms > p99_ms_max as f64 {
        missed.push(format!("p99 {:.0} ms", figures.p99_ms));
    }
    Step {
        rate,
        seconds,
        ok_per_s: figures.checkouts().ok as f64 / seconds,
        p50_ms: figures.p50_ms,
        p99_ms: figures.p99_ms,
        p999_ms: figures.p999_ms,
        late_ms: figures.late_p99_ms,
        missed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered() -> Offered {
        Offered {
            operations: 1000,
            span: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_rate_is_held_where_all_is_served_in_time() {
        let good = Figures {
            ok: 960,
            fail: 40,
            rejected: 40,
            p99_ms: 900.0,
            ..Figures::default()
        };
        assert!(step(100.0, &offered(), &good, 1000).is_held());
        let slow = Figures {
            p99_ms: 1001.0,
            ..good.clone()
        };
        assert_eq!(step(100.0, &offered(), &slow, 1000).missed, ["p99 1001 ms"]);
        let lossy = Figures {
            ok: 958,
            info: 2,
            ..good
        };
        assert_eq!(
            step(100.0, &offered(), &lossy, 1000).missed,
            ["99.8 % served"]
        );
    }

    #[test]
    fn what_is_written_can_be_read_and_nothing_else() {
        let bench = Bench::new(10, 20, Duration::from_secs(1));
        let text = serde_json::to_string(&bench).unwrap();
        assert_eq!(Bench::parse(&text), Ok(bench));
        assert!(Bench::parse(&text.replace(":1,", ":2,")).is_err());
        assert!(Bench::parse("{}").is_err());
    }
}

//! What a load has met so far: counts by class, and latencies from the moment each operation was due.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use checker::{
    history::Op,
    outcome::{Broken, Class},
};
use hdrhistogram::Histogram;
use serde::Serialize;

use super::exchange::Exchange;

/// One minute: a request timeout is far below.
const LATENCY_US_MAX: u64 = 60_000_000;

/// Counts of one kind of operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub ok: u64,
    pub fail: u64,
    pub info: u64,
}

/// What a load met. Latencies are of served operations: ok, or a business rejection.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    pub ok: u64,
    pub fail: u64,
    pub info: u64,
    /// Of those that failed: business rejections, which count as served.
    pub rejected: u64,
    /// Of those that failed: nothing left the client, because the shop refused the connection or too many
    /// requests were under way.
    pub never_sent: u64,
    /// Of those never sent: too many requests were under way.
    pub not_attempted: u64,
    pub in_flight: u64,
    /// Answers with a 5xx status, to any operation.
    pub server_errors: u64,
    pub operations: BTreeMap<&'static str, Counts>,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
    /// How long after it was due an operation was sent, at the 99th percentile: the generator's own part of the latency.
    pub late_p99_ms: f64,
}

/// What a stretch of a load met.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stretch {
    /// Checkouts that ended.
    pub checkouts: u64,
    /// Of those: ok, or a business rejection.
    pub served: u64,
    /// Of the served ones.
    pub p99_ms: f64,
}

impl Stretch {
    /// Served of ended, 0 to 1; 0 where none ended.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts of one run")]
    pub fn served_ratio(&self) -> f64 {
        if self.checkouts == 0 {
            return 0.0;
        }
        self.served as f64 / self.checkouts as f64
    }
}

/// Shared by every request of a load.
#[derive(Debug)]
pub struct Stats(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    figures: Figures,
    latency: Histogram<u64>,
    /// From when an operation was due to when it was sent.
    lateness: Histogram<u64>,
    stretch: Stretch,
    /// Of the checkouts of the stretch.
    stretch_latency: Histogram<u64>,
}

impl Default for Stats {
    fn default() -> Self {
        // Three digits up to a minute. The bounds are constants that the crate accepts.
        let latency = Histogram::new_with_max(LATENCY_US_MAX, 3)
            .unwrap_or_else(|_wrong| unreachable!("the histogram's bounds are constants"));
        Self(Mutex::new(Inner {
            figures: Figures::default(),
            stretch: Stretch::default(),
            stretch_latency: latency.clone(),
            lateness: latency.clone(),
            latency,
        }))
    }
}

impl Stats {
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        // Counters stay meaningful whatever a panicking holder left.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An operation was sent so long after it was due.
    pub fn sent(&self, late_us: u64) {
        self.with(|inner| {
            inner.figures.in_flight += 1;
            inner.lateness.saturating_record(late_us);
        });
    }

    /// An operation was due and could not be sent.
    pub fn not_attempted(&self, op: Op) {
        self.with(|inner| {
            inner.figures.not_attempted += 1;
            inner.figures.never_sent += 1;
            inner.figures.count(op, Class::Fail);
        });
    }

    /// An operation ended; `latency_us` counts from when it was due.
    pub fn ended(&self, op: Op, exchange: &Exchange, latency_us: u64) {
        self.with(|inner| {
            inner.figures.in_flight = inner.figures.in_flight.saturating_sub(1);
            inner.figures.count(op, exchange.class);
            if exchange.status.is_some_and(|status| status >= 500) {
                inner.figures.server_errors += 1;
            }
            let rejected = exchange.class == Class::Fail && exchange.refusal.is_some();
            inner.figures.rejected += u64::from(rejected);
            let unsent = exchange.broken == Some(Broken::NotSent);
            inner.figures.never_sent += u64::from(unsent);
            let served = exchange.class == Class::Ok || rejected;
            if served {
                inner.latency.saturating_record(latency_us);
            }
            if matches!(op, Op::Checkout { .. }) {
                inner.stretch.checkouts += 1;
                inner.stretch.served += u64::from(served);
                if served {
                    inner.stretch_latency.saturating_record(latency_us);
                }
            }
        });
    }

    /// Begins a new stretch.
    pub fn begin_stretch(&self) {
        self.with(|inner| {
            inner.stretch = Stretch::default();
            inner.stretch_latency.reset();
        });
    }

    /// What the stretch has met so far.
    #[must_use]
    pub fn stretch(&self) -> Stretch {
        self.with(|inner| Stretch {
            p99_ms: ms(&inner.stretch_latency, 0.99),
            ..inner.stretch
        })
    }

    /// Everything so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.with(|inner| {
            let at = |quantile| ms(&inner.latency, quantile);
            Figures {
                p50_ms: at(0.5),
                p90_ms: at(0.9),
                p99_ms: at(0.99),
                p999_ms: at(0.999),
                max_ms: at(1.0),
                late_p99_ms: ms(&inner.lateness, 0.99),
                ..inner.figures.clone()
            }
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "microseconds below a minute")]
fn ms(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1000.0
}

impl Figures {
    /// What came of the checkouts.
    #[must_use]
    pub fn checkouts(&self) -> Counts {
        self.operations.get("checkout").copied().unwrap_or_default()
    }

    fn count(&mut self, op: Op, class: Class) {
        let counts = self.operations.entry(op.name()).or_default();
        match class {
            Class::Ok => {
                self.ok += 1;
                counts.ok += 1;
            }
            Class::Fail => {
                self.fail += 1;
                counts.fail += 1;
            }
            Class::Info => {
                self.info += 1;
                counts.info += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::OrderId;

    use super::*;

    #[test]
    fn latency_counts_what_was_served_only() {
        let stats = Stats::default();
        let op = Op::Checkout { order: OrderId(1) };
        stats.sent(2_000);
        stats.ended(op, &Exchange::answered(op, 200, None, Ok(b"")), 10_000);
        stats.sent(2_000);
        stats.ended(op, &Exchange::broken(op, Broken::TimedOut), 9_000_000);
        stats.not_attempted(op);
        let figures = stats.figures();
        assert_eq!((figures.ok, figures.info, figures.fail), (1, 1, 1));
        assert_eq!((figures.not_attempted, figures.never_sent), (1, 1));
        assert_eq!(figures.in_flight, 0);
        assert!((figures.max_ms - 10.0).abs() < 0.1, "{}", figures.max_ms);
        assert!((figures.late_p99_ms - 2.0).abs() < 0.1);
    }
}

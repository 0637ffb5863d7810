//! When operations are due: evenly spaced, fixed before the first is sent.

use std::time::Duration;

/// Arrivals at a fixed rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    per_second: f64,
}

impl Schedule {
    /// `per_second` is above zero.
    #[must_use]
    pub fn new(per_second: f64) -> Self {
        Self { per_second }
    }

    /// When the operation of that index (from 0) is due, from the load's beginning.
    #[must_use]
    pub fn due(&self, index: u64) -> Duration {
        // Precise to a microsecond for 2^53 µs, which is centuries.
        #[allow(clippy::cast_precision_loss, reason = "indexes stay far below 2^53")]
        let seconds = index as f64 / self.per_second;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// How many operations are due within `span`.
    #[must_use]
    pub fn count(&self, span: Duration) -> u64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float to integer cast saturates"
        )]
        let count = (span.as_secs_f64() * self.per_second).ceil() as u64;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_evenly_spaced_and_do_not_drift() {
        let schedule = Schedule::new(400.0);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1), Duration::from_micros(2500));
        assert_eq!(schedule.due(400 * 3600), Duration::from_secs(3600));
    }

    #[test]
    fn a_span_holds_as_many_as_are_due_in_it() {
        let schedule = Schedule::new(3.0);
        let count = schedule.count(Duration::from_secs(10));
        assert_eq!(count, 30);
        assert!(schedule.due(count - 1) < Duration::from_secs(10));
        assert!(schedule.due(count) >= Duration::from_secs(10));
    }
}

//! When a standby takes its primary for dead: its stream has ended or gone silent, and three probes by
//! protocol, close after one another, stayed without an answer.
//!
//! A probe by connect would not do: the kernel accepts connections for a frozen process.

use std::time::{Duration, Instant};

/// A stream without a message for so long counts as ended. An idle primary answers the receiver's ping every
/// half `wal_receiver_timeout`, so a healthy one is never silent for this long.
pub const SILENCE_MAX: Duration = Duration::from_millis(1100);
/// Unanswered probes that make a primary dead.
const PROBES: u8 = 3;
const PROBE_EVERY: Duration = Duration::from_millis(80);
/// A standby that has nobody to follow gives a primary this long to turn up before it stands itself.
const LONELY_MAX: Duration = Duration::from_millis(2500);
/// A standby that cannot stream from a primary that answers is on another branch by then.
const DETACHED_MAX: Duration = Duration::from_secs(5);
/// A stream this old is no flapping one.
const STEADY: Duration = Duration::from_secs(2);

/// What to do about the primary now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Rest,
    /// Send one more probe.
    Probe,
    /// It is dead, or there is none.
    Gone,
}

/// One standby's view of the primary that it follows.
#[derive(Debug)]
pub struct Watch {
    following: bool,
    since: Instant,
    sent: u8,
    failed: u8,
    last_sent: Option<Instant>,
    quiet_until: Instant,
    streaming_since: Option<Instant>,
    detached_since: Instant,
}

impl Watch {
    /// Starts over: a primary is to be followed, or none is known, from `now` on.
    /// A primary that is still being promoted is left alone for `grace`.
    #[must_use]
    pub fn new(now: Instant, following: bool, grace: Duration) -> Self {
        Self {
            following,
            since: now,
            sent: 0,
            failed: 0,
            last_sent: None,
            quiet_until: now + grace,
            streaming_since: None,
            detached_since: now,
        }
    }

    /// What to do, given whether the stream lives.
    pub fn step(&mut self, now: Instant, live: bool) -> Step {
        self.note_stream(now, live);
        if live {
            self.clear();
            return Step::Rest;
        }
        if now < self.quiet_until {
            return Step::Rest;
        }
        if !self.following {
            return if now.duration_since(self.since) >= LONELY_MAX {
                Step::Gone
            } else {
                Step::Rest
            };
        }
        if self.failed >= PROBES {
            return Step::Gone;
        }
        let due = self
            .last_sent
            .is_none_or(|sent| now.duration_since(sent) >= PROBE_EVERY);
        if due && self.sent < PROBES {
            self.sent += 1;
            self.last_sent = Some(now);
            return Step::Probe;
        }
        Step::Rest
    }

    /// The result of a probe. One answer clears the primary.
    pub fn probed(&mut self, answered: bool) {
        if answered {
            self.clear();
        } else {
            self.failed = self.failed.saturating_add(1).min(self.sent);
        }
    }

    /// After an attempt that came to nothing: rest, then probe once more before the next.
    pub fn back_off(&mut self, now: Instant, rest: Duration) {
        self.quiet_until = now + rest;
        self.failed = self.failed.min(PROBES - 1);
        self.sent = self.failed;
    }

    /// Whether the node has been unable to hold a stream for so long that its branch must be another one.
    #[must_use]
    pub fn detached(&self, now: Instant) -> bool {
        self.following && now.duration_since(self.detached_since) >= DETACHED_MAX
    }

    /// Whether the stream has held for long enough to be no flapping one.
    #[must_use]
    pub fn steady(&self, now: Instant) -> bool {
        self.streaming_since
            .is_some_and(|since| now.duration_since(since) >= STEADY)
    }

    fn note_stream(&mut self, now: Instant, live: bool) {
        if !live {
            self.streaming_since = None;
            return;
        }
        self.streaming_since.get_or_insert(now);
        if self.steady(now) {
            self.detached_since = now;
        }
    }

    /// Replay moves on: whatever the stream looks like, the branch is the primary's.
    pub fn advanced(&mut self, now: Instant) {
        self.detached_since = now;
    }

    fn clear(&mut self) {
        self.sent = 0;
        self.failed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn following() -> (Watch, Instant) {
        let now = Instant::now();
        (Watch::new(now, true, Duration::ZERO), now)
    }

    #[test]
    fn three_unanswered_probes_eighty_ms_apart_make_a_primary_dead() {
        let (mut watch, now) = following();
        assert_eq!(watch.step(now, false), Step::Probe);
        assert_eq!(watch.step(now + 50 * MS, false), Step::Rest);
        assert_eq!(watch.step(now + 80 * MS, false), Step::Probe);
        assert_eq!(watch.step(now + 160 * MS, false), Step::Probe);
        watch.probed(false);
        watch.probed(false);
        assert_eq!(watch.step(now + 300 * MS, false), Step::Rest);
        watch.probed(false);
        assert_eq!(watch.step(now + 301 * MS, false), Step::Gone);
    }

    #[test]
    fn one_answer_clears_the_primary() {
        let (mut watch, now) = following();
        for n in 0..3 {
            assert_eq!(watch.step(now + n * 80 * MS, false), Step::Probe);
        }
        watch.probed(false);
        watch.probed(true);
        // A straggler of the old round does not count against it.
        watch.probed(false);
        assert_eq!(watch.step(now + 400 * MS, false), Step::Probe);
    }

    #[test]
    fn a_living_stream_is_never_probed() {
        let (mut watch, now) = following();
        assert_eq!(watch.step(now, true), Step::Rest);
        assert_eq!(watch.step(now + 500 * MS, true), Step::Rest);
    }

    #[test]
    fn a_primary_that_is_being_promoted_gets_its_grace() {
        let now = Instant::now();
        let mut watch = Watch::new(now, true, 1000 * MS);
        assert_eq!(watch.step(now + 999 * MS, false), Step::Rest);
        assert_eq!(watch.step(now + 1000 * MS, false), Step::Probe);
    }

    #[test]
    fn nobody_to_follow_is_borne_for_a_while() {
        let now = Instant::now();
        let mut watch = Watch::new(now, false, Duration::ZERO);
        assert_eq!(watch.step(now + 2499 * MS, false), Step::Rest);
        assert_eq!(watch.step(now + 2500 * MS, false), Step::Gone);
    }

    #[test]
    fn after_a_failed_attempt_it_rests_and_probes_again() {
        let (mut watch, now) = following();
        for n in 0..3 {
            assert_eq!(watch.step(now + n * 80 * MS, false), Step::Probe);
            watch.probed(false);
        }
        assert_eq!(watch.step(now + 200 * MS, false), Step::Gone);
        watch.back_off(now + 200 * MS, 300 * MS);
        assert_eq!(watch.step(now + 400 * MS, false), Step::Rest);
        assert_eq!(watch.step(now + 500 * MS, false), Step::Probe);
        watch.probed(false);
        assert_eq!(watch.step(now + 501 * MS, false), Step::Gone);
    }

    #[test]
    fn a_stream_that_flaps_is_detached_and_a_steady_one_is_not() {
        let (mut flapping, now) = following();
        let (mut steady, _) = following();
        for n in 0..100 {
            let at = now + n * 100 * MS;
            flapping.step(at, n % 10 == 0);
            flapping.probed(true);
            steady.step(at, true);
        }
        assert!(flapping.detached(now + 10_000 * MS));
        assert!(!steady.detached(now + 10_000 * MS));
        assert!(steady.steady(now + 10_000 * MS) && !flapping.steady(now + 10_000 * MS));
    }

    #[test]
    fn replay_that_advances_is_not_detached() {
        let (mut watch, now) = following();
        watch.advanced(now + 4500 * MS);
        assert!(!watch.detached(now + 9000 * MS));
    }
}

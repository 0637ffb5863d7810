//! For how long a node was there and its writer was not heard. Pure: fed with looks.

use std::time::Duration;

use checker::evidence::GapCause;
use tokio::time::Instant;

/// How long a node may be there without a word of its writer. One needs a second or two to be put beside a new container,
/// and prints something every three seconds at the least.
const UNHEARD_MAX: Duration = Duration::from_secs(8);

/// What a look saw of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    /// It has no container: nobody can write to it, and that is no gap.
    Away { found_at: Instant },
    There {
        container: String,
        /// When the engine was asked.
        found_at: Instant,
        /// When its writer printed its last line, if ever.
        heard_at: Option<Instant>,
        /// What it is if nobody has heard of the writer for too long.
        cause: GapCause,
    },
}

/// A stretch in which a node was there and unheard for too long.
pub(super) type Gap = (Instant, Instant, GapCause);

/// How well one node was written to.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    container: String,
    /// Up to when it was heard, or was not there; `None` while it is away.
    covered_until: Option<Instant>,
    /// It has been unheard for too long, for this reason.
    open: Option<GapCause>,
    gaps: Vec<Gap>,
}

impl Coverage {
    pub(super) fn see(&mut self, now: Instant, sight: Sight) {
        match sight {
            Sight::Away { found_at } => {
                self.open_if_unheard(found_at, GapCause::Silent);
                self.close(now);
                self.covered_until = None;
            }
            Sight::There {
                container,
                found_at,
                heard_at,
                cause,
            } => {
                if container != self.container {
                    // Nobody knows when the one before went: it may have been there, unheard, until now.
                    self.open_if_unheard(found_at, GapCause::Silent);
                    self.close(now);
                    self.covered_until = None;
                    self.container = container;
                }
                let before = *self.covered_until.get_or_insert(now);
                match heard_at {
                    Some(heard_at) if heard_at > before => {
                        self.close(heard_at);
                        self.covered_until = Some(heard_at);
                    }
                    Some(_) | None => {}
                }
                self.open_if_unheard(now, cause);
            }
        }
    }

    /// The container that it had at the last look.
    pub(super) fn container(&self) -> &str {
        &self.container
    }

    /// Ends the watch at that moment: the last at which the writers were to write.
    pub(super) fn end(mut self, now: Instant) -> Vec<Gap> {
        self.open_if_unheard(now, GapCause::Silent);
        self.close(now);
        self.gaps
    }

    fn open_if_unheard(&mut self, now: Instant, cause: GapCause) {
        let since = self.covered_until.unwrap_or(now);
        if now.saturating_duration_since(since) > UNHEARD_MAX {
            self.open.get_or_insert(cause);
        }
    }

    fn close(&mut self, until: Instant) {
        if let (Some(cause), Some(from)) = (self.open.take(), self.covered_until) {
            self.gaps.push((from, until, cause));
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A fifth of the time that a node may be unheard.
    const FIFTH: Duration = Duration::from_millis(1600);

    /// A look at that many fifths: nothing, or the container, and when its writer was heard last.
    type Seen = (u32, Option<(&'static str, Option<u32>)>);

    /// From when to when a node was unheard, in fifths, by these looks.
    fn gaps(looks: &[Seen], end: u32) -> Vec<(u128, u128)> {
        assert_eq!(FIFTH * 5, UNHEARD_MAX);
        let zero = Instant::now();
        let at = |fifths: u32| zero + FIFTH * fifths;
        let mut coverage = Coverage::default();
        for (now, seen) in looks {
            let sight = match seen {
                None => Sight::Away { found_at: at(*now) },
                Some((container, heard)) => Sight::There {
                    container: (*container).to_owned(),
                    found_at: at(*now),
                    heard_at: heard.map(at),
                    cause: GapCause::Silent,
                },
            };
            coverage.see(at(*now), sight);
        }
        let fifths = |at: Instant| at.duration_since(zero).as_millis() / FIFTH.as_millis();
        let gaps = coverage.end(at(end)).into_iter();
        gaps.map(|(from, until, _)| (fifths(from), fifths(until)))
            .collect()
    }

    #[rstest]
    #[case::heard_all_the_time(&[(0, Some(("a", Some(0)))), (4, Some(("a", Some(3)))), (8, Some(("a", Some(7))))], 9, &[])]
    #[case::a_breath_is_no_gap(&[(0, Some(("a", Some(0)))), (5, Some(("a", Some(0)))), (6, Some(("a", Some(6))))], 7, &[])]
    #[case::broke_and_came_back(
        &[(0, Some(("a", Some(0)))), (7, Some(("a", Some(1)))), (9, Some(("a", Some(8))))], 10, &[(1, 8)]
    )]
    #[case::broke_for_good(&[(0, Some(("a", Some(0)))), (7, Some(("a", Some(1))))], 20, &[(1, 20)])]
    #[case::never_placed(&[(0, Some(("a", None))), (3, Some(("a", None))), (6, Some(("a", None)))], 8, &[(0, 8)])]
    #[case::killed_and_away(
        &[(0, Some(("a", Some(0)))), (2, None), (30, None), (31, Some(("b", None))), (33, Some(("b", Some(33))))], 34, &[]
    )]
    #[case::replaced_between_two_looks(
        &[(0, Some(("a", Some(0)))), (3, Some(("b", Some(1)))), (6, Some(("b", Some(6))))], 7, &[]
    )]
    #[case::replaced_while_nobody_looked_for_long(
        &[(0, Some(("a", Some(0)))), (9, Some(("b", Some(1)))), (12, Some(("b", Some(12))))], 13, &[(0, 9)]
    )]
    #[case::away_after_nobody_looked_for_long(&[(0, Some(("a", Some(0)))), (9, None)], 13, &[(0, 9)])]
    #[case::nobody_looked_until_the_end(&[(0, Some(("a", Some(0))))], 9, &[(0, 9)])]
    #[case::unheard_until_it_was_killed(
        &[(0, Some(("a", Some(0)))), (8, Some(("a", Some(0)))), (9, None)], 20, &[(0, 9)]
    )]
    #[case::away_all_the_time(&[(0, None), (50, None)], 60, &[])]
    fn a_node_that_was_there_and_unheard_for_longer_than_a_few_seconds_is_a_gap(
        #[case] looks: &[Seen],
        #[case] end: u32,
        #[case] expected: &[(u128, u128)],
    ) {
        assert_eq!(gaps(looks, end), expected);
    }
}

//! What an ended history lacks although it has its end: an end promises that every operation is in it, and ended.

use std::fmt;

use super::{Attempt, History};

/// The first thing that an ended history lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Attempts that never completed.
    Completions { count: u64, first: u64 },
    /// Operations are numbered from 0 without gaps, and so many numbers up to the highest are missing.
    Operations { count: u64, first: u64 },
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completions { count, first } => write!(
                f,
                "the history has its end, and {count} attempts never completed, the first at operation {first}"
            ),
            Self::Operations { count, first } => write!(
                f,
                "the history has its end, and {count} operations are missing, the first is {first}"
            ),
        }
    }
}

impl History {
    /// What it lacks, where it has its end. Takes a bit of memory for each attempt.
    #[must_use]
    pub fn lack(&self) -> Option<Lack> {
        self.ended_at_us?;
        let open = || self.attempts.iter().filter(|it| it.complete.is_none());
        if let Some(attempt) = open().next() {
            return Some(Lack::Completions {
                count: open().count() as u64,
                first: attempt.invoke.id,
            });
        }
        missing(&self.attempts)
    }
}

fn missing(attempts: &[Attempt]) -> Option<Lack> {
    let highest = attempts.iter().map(|attempt| attempt.invoke.id).max()?;
    // Without a gap there are no more numbers than attempts, so the others need not be looked at.
    let mut seen = vec![false; attempts.len()];
    let mut distinct = 0_u64;
    for attempt in attempts {
        let place = usize::try_from(attempt.invoke.id).ok();
        match place.and_then(|place| seen.get_mut(place)) {
            Some(seen) if *seen => {}
            Some(seen) => {
                *seen = true;
                distinct += 1;
            }
            None => {}
        }
    }
    let first = seen.iter().position(|seen| !seen).unwrap_or(seen.len()) as u64;
    if first > highest {
        return None;
    }
    // Those beyond the bits are few: a gap is there already.
    let mut beyond: Vec<u64> = attempts
        .iter()
        .map(|attempt| attempt.invoke.id)
        .filter(|id| *id >= seen.len() as u64)
        .collect();
    beyond.sort_unstable();
    beyond.dedup();
    let there = distinct + beyond.len() as u64;
    Some(Lack::Operations {
        count: highest.saturating_sub(there).saturating_add(1),
        first,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{testing::Case, verdict::Verdict};

    /// An attempt that was ok, for each number.
    fn ended(ids: &[u64]) -> History {
        let mut history = Case::legal().history;
        let model = history.attempts[0].clone();
        history.attempts = ids
            .iter()
            .map(|id| {
                let mut attempt = model.clone();
                attempt.invoke.id = *id;
                attempt
            })
            .collect();
        history
    }

    #[rstest]
    #[case(&[], None)]
    #[case(&[0, 1, 1, 2], None)]
    #[case(&[2, 0, 1], None)]
    #[case(&[1, 2], Some((1, 0)))]
    #[case(&[0, 2, 3], Some((1, 1)))]
    #[case(&[0, 0, 0, 3], Some((2, 1)))]
    #[case(&[0, u64::MAX], Some((u64::MAX - 1, 1)))]
    fn a_number_that_is_missing_is_a_gap(#[case] ids: &[u64], #[case] gap: Option<(u64, u64)>) {
        let lack = gap.map(|(count, first)| Lack::Operations { count, first });
        assert_eq!(ended(ids).lack(), lack);
    }

    #[test]
    fn without_its_end_a_history_promises_nothing() {
        let mut history = ended(&[0, 7]);
        history.ended_at_us = None;
        assert_eq!(history.lack(), None);
    }

    #[test]
    fn an_ended_history_with_an_open_attempt_or_a_gap_passes_nothing() {
        for (spoil, reason) in [
            (
                (|case| case.history.attempts[7].complete = None) as fn(&mut Case),
                "attempts never completed, the first at operation",
            ),
            (
                |case| case.history.attempts.retain(|it| it.invoke.id != 7),
                "1 operations are missing, the first is 7",
            ),
        ] {
            let mut case = Case::legal();
            spoil(&mut case);
            assert!(!case.history.is_complete());
            let judgement = case.judge();
            assert_eq!(judgement.verdict, Verdict::Unknown);
            let told = judgement.reasons.iter().any(|told| told.contains(reason));
            assert!(told, "{reason}: {:?}", judgement.reasons);
        }
    }
}

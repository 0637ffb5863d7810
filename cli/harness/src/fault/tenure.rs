//! For how long a sequence of looks proves that a fault was in its place. Pure.

use std::time::Duration;

use checker::evidence::{Held, HeldUntil};

/// A longer stretch than this without a look that was answered proves nothing: about eight looks.
const GAP_MAX: Duration = Duration::from_secs(4);

/// What one look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The fault is on its task, and the task runs.
    There,
    /// It is gone, and it was not we that lifted it.
    Gone(Ended),
}

/// What a look found to have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its rules, its queue, its quota: the fault itself.
    Fault,
    /// The container that it is on.
    Task,
    /// The container that it is made from.
    Helper,
}

/// A fault's time in its place; all times in microseconds on the run's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tenure {
    planned: Duration,
    effective_us: Option<u64>,
    /// When the last look began that found it in place; before the first, when it was put there.
    there_us: u64,
    until: Option<HeldUntil>,
}

impl Tenure {
    /// Of a fault that was put in its place at `put_us`, to stay for `planned`.
    pub(super) fn new(planned: Duration, put_us: u64) -> Self {
        Self {
            planned,
            effective_us: None,
            there_us: put_us,
            until: None,
        }
    }

    /// Its effect was seen. Only the first time counts.
    pub(super) fn effective(&mut self, at_us: u64) {
        self.effective_us.get_or_insert(at_us);
    }

    /// A look that began at `began_us` was answered. One that is not answered is not told: it is neither here nor there.
    pub(super) fn look(&mut self, began_us: u64, place: Place) {
        if self.until.is_some() {
            return;
        }
        match place {
            Place::There if self.is_gap(began_us) => self.until = Some(HeldUntil::Unseen),
            Place::There => self.there_us = began_us,
            Place::Gone(Ended::Fault) => self.until = Some(HeldUntil::Gone),
            Place::Gone(Ended::Task) => self.until = Some(HeldUntil::TaskEnded),
            Place::Gone(Ended::Helper) => self.until = Some(HeldUntil::HelperEnded),
        }
    }

    /// We are about to lift it.
    pub(super) fn lifting(&mut self, at_us: u64) {
        let gap = self.is_gap(at_us);
        self.until.get_or_insert(if gap {
            HeldUntil::Unseen
        } else {
            HeldUntil::Lifted
        });
    }

    /// Whether its effect was seen.
    pub(super) fn is_felt(&self) -> bool {
        self.effective_us.is_some()
    }

    /// Whether nothing that follows can make it longer.
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some()
    }

    /// What the looks prove so far.
    pub(super) fn held(&self) -> Held {
        let from_us = self.effective_us.unwrap_or(u64::MAX);
        Held {
            planned_ms: u64::try_from(self.planned.as_millis()).unwrap_or(u64::MAX),
            seen_ms: self.there_us.saturating_sub(from_us) / 1_000,
            until: self.until.unwrap_or(HeldUntil::RunEnded),
        }
    }

    fn is_gap(&self, now_us: u64) -> bool {
        u128::from(now_us.saturating_sub(self.there_us)) > GAP_MAX.as_micros()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const GONE: Place = Place::Gone(Ended::Fault);

    /// A fault of 15 s that was put in place at 0 s, felt at 1 s, looked at at these times in ms, and lifted then.
    fn held(looks: &[(u64, Place)], lifted_ms: Option<u64>) -> (u64, HeldUntil) {
        let mut tenure = Tenure::new(Duration::from_secs(15), 0);
        tenure.effective(1_000_000);
        for (at_ms, place) in looks {
            tenure.look(at_ms * 1_000, *place);
        }
        if let Some(at_ms) = lifted_ms {
            tenure.lifting(at_ms * 1_000);
        }
        let held = tenure.held();
        assert_eq!(held.planned_ms, 15_000);
        (held.seen_ms, held.until)
    }

    fn there(every_ms: usize, until_ms: u64) -> Vec<(u64, Place)> {
        (0..=until_ms)
            .step_by(every_ms)
            .map(|at_ms| (at_ms, Place::There))
            .collect()
    }

    #[test]
    fn a_fault_that_every_look_found_was_held_until_it_was_lifted() {
        let looks = there(500, 16_000);
        assert_eq!(held(&looks, Some(16_020)), (15_000, HeldUntil::Lifted));
    }

    #[rstest]
    #[case(Ended::Fault, HeldUntil::Gone)]
    #[case(Ended::Task, HeldUntil::TaskEnded)]
    #[case(Ended::Helper, HeldUntil::HelperEnded)]
    fn a_look_that_finds_it_gone_ends_its_time(#[case] ended: Ended, #[case] until: HeldUntil) {
        let mut looks = there(200, 2_200);
        looks.push((2_400, Place::Gone(ended)));
        assert_eq!(held(&looks, Some(2_410)), (1_200, until));
    }

    #[test]
    fn what_is_put_back_later_was_not_held() {
        let mut looks = there(500, 3_000);
        looks.push((3_500, GONE));
        looks.extend([(4_000, Place::There), (16_000, Place::There)]);
        assert_eq!(held(&looks, Some(16_020)), (2_000, HeldUntil::Gone));
    }

    #[test]
    fn a_few_looks_without_an_answer_are_no_gap_and_many_are() {
        let mut looks = there(500, 3_000);
        looks.extend([(7_000, Place::There), (11_000, Place::There)]);
        assert_eq!(held(&looks, Some(11_010)), (10_000, HeldUntil::Lifted));
        let mut looks = there(500, 3_000);
        looks.extend([(7_001, Place::There), (7_500, Place::There)]);
        assert_eq!(held(&looks, Some(16_000)), (2_000, HeldUntil::Unseen));
    }

    #[test]
    fn a_fault_that_nobody_could_see_at_its_end_was_not_seen_held() {
        let looks = there(500, 3_000);
        assert_eq!(held(&looks, Some(16_000)), (2_000, HeldUntil::Unseen));
    }

    #[test]
    fn a_fault_without_an_effect_was_held_for_no_time() {
        let mut tenure = Tenure::new(Duration::from_secs(15), 0);
        tenure.look(15_000_000, Place::There);
        assert_eq!(tenure.held().seen_ms, 0);
    }

    #[test]
    fn a_run_that_ends_before_says_so() {
        assert_eq!(held(&there(500, 3_000), None), (2_000, HeldUntil::RunEnded));
    }
}

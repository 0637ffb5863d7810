//! From a scenario and a seed to the plan of a run. Nothing is left to chance after this.

use std::time::Duration;

use checker::{Budgets, evidence::Expected};

use super::{Scenario, condition::Condition, quantity::Span, step::Step};
use crate::{
    fault::action::Action,
    load::{Data, Profile},
    run::{
        OVERTIME_MAX, Shape,
        plan::{BaselinePlan, FaultPlan, LoadPlan, SettlePlan, StepPlan},
    },
};

/// What every run must serve of what was due, unless told: a shop that was mostly down is no PASS.
const SERVED_RATIO_MIN: f64 = 0.5;
/// How long a fault waits for its condition unless told.
const WITHIN: Span = Span::seconds(60);

impl Scenario {
    /// What the run does with this seed. `command` is what a person typed, or might have.
    #[must_use]
    pub fn shape(&self, seed: u64, command: &str) -> Shape {
        let steps = self.steps(seed);
        let baseline = self.baseline.as_ref().map(|baseline| BaselinePlan {
            length_ms: baseline.length.millis(),
            timeout_ms: baseline.timeout.millis(),
            served_ratio_min: baseline.require.served.map(|bound| bound.0.ratio()),
            p99_ms_max: baseline.require.p99.map(|bound| bound.0.millis()),
        });
        let (least, most) = lengths(baseline.as_ref(), &steps);
        let profile = Profile {
            rate: self.load.rate.0,
            mix: self.load.mix.clone(),
            seed,
            request_timeout_ms: self.load.request_timeout.millis(),
            retries: *self.load.retries,
        };
        let (users, items) = (i64::from(*self.data.users), i64::from(*self.data.items));
        Shape {
            name: self.name.value.clone(),
            command: command.to_owned(),
            seed,
            load: (!self.no_load).then(|| LoadPlan {
                data: Data::for_load(&profile, most + OVERTIME_MAX).among(users, items),
                profile,
                length_ms: Span(least).millis(),
            }),
            direct_writes: self.direct_writes,
            baseline,
            steps,
            settle: SettlePlan {
                timeout_ms: self.settle.timeout.millis(),
                stable_ms: self.settle.stable_for.millis(),
            },
            budgets: self.budgets(),
            scenario: self.clone(),
        }
    }

    /// The steps, with every random block drawn.
    #[must_use]
    pub fn steps(&self, seed: u64) -> Vec<StepPlan> {
        let mut steps = Vec::new();
        for (place, step) in (0..).zip(&self.timeline) {
            if let Some(action) = step.action() {
                steps.push(StepPlan::Fault(step.fault(action, seed)));
            } else if let Some(wait) = &step.wait {
                steps.push(StepPlan::Wait {
                    until: wait.until.value.clone(),
                    timeout_ms: wait.timeout.millis(),
                });
            } else if let Some(stretch) = &step.load {
                steps.push(StepPlan::Load {
                    length_ms: stretch.length.millis(),
                });
            } else if let Some(random) = &step.random {
                let room = room(*random.at_most);
                for drawn in random.draw(seed, place) {
                    let step = Step {
                        after: Span(drawn.after),
                        when: Some(room.clone().into()),
                        within: Some(Span::seconds(120)),
                        ..drawn.fault.clone()
                    };
                    steps.extend(step.action().map(|action| {
                        StepPlan::Fault(FaultPlan {
                            apart: random.apart,
                            ..step.fault(action, seed)
                        })
                    }));
                }
            }
        }
        // Each fault chooses among the tasks that it matches by a seed of its own.
        let faults = steps.iter_mut().filter_map(StepPlan::fault_mut);
        for (number, fault) in (0..).zip(faults) {
            fault.seed = seed.wrapping_add(number);
        }
        steps
    }

    fn budgets(&self) -> Budgets {
        let (evidence, slo) = (&self.evidence, &self.slo);
        let least = Budgets::default();
        Budgets {
            ok_checkouts_min: evidence.min_ok_checkouts.unwrap_or(least.ok_checkouts_min),
            // A PASS needs some before, during and after, whatever the file says.
            ok_before_min: evidence.min_ok_before.unwrap_or(least.ok_before_min).max(1),
            ok_during_min: evidence.min_ok_during.unwrap_or(least.ok_during_min).max(1),
            ok_after_min: evidence.min_ok_after.unwrap_or(least.ok_after_min).max(1),
            unknown_ratio_max: evidence
                .max_unknown_ratio
                .map(super::quantity::Share::ratio),
            recovery_ms_max: slo.recovery.map(|bound| bound.0.millis()),
            first_checkout_ms_max: slo.first_ok.map(|bound| bound.0.millis()),
            gap_ms_max: slo.longest_gap.map(|bound| bound.0.millis()),
            checkout_p99_ms_max: slo.p99.map(|bound| bound.0.millis()),
            served_ratio_min: Some(
                slo.served_ratio
                    .map_or(SERVED_RATIO_MIN, |bound| bound.0.ratio()),
            ),
            server_errors_max: slo.server_errors.map(|bound| bound.0.0),
        }
    }
}

/// Fewer faults than that are in effect.
fn room(at_most: u32) -> Condition {
    let text = format!("active_faults < {at_most}");
    text.parse()
        .unwrap_or_else(|_wrong| unreachable!("the text is made here"))
}

impl Step {
    fn fault(&self, action: Action, seed: u64) -> FaultPlan {
        let expect = self.expect.unwrap_or_default();
        let ms = |span: Option<Span>| span.map(Span::millis);
        FaultPlan {
            action,
            after_ms: self.after.millis(),
            when: self.when.as_ref().map(|when| when.value.clone()),
            within_ms: self.within.unwrap_or(WITHIN).millis(),
            expected: Expected {
                effective_ms_max: ms(expect.effective_within),
                writable_ms_max: ms(expect.new_primary_within),
                healed_ms_max: ms(expect.healed_within),
            },
            seed,
            apart: false,
            // Its plan knows, once it is whole.
            place: 0,
        }
    }
}

/// How long the steps take at least, and at most where every wait takes as long as it may. A fault that is held goes on
/// beside the steps after it.
fn lengths(baseline: Option<&BaselinePlan>, steps: &[StepPlan]) -> (Duration, Duration) {
    let (mut least, mut most) = baseline.map_or((0, 0), |b| (b.length_ms, b.timeout_ms));
    let (mut least_held, mut most_held) = (0, 0);
    for step in steps {
        match step {
            StepPlan::Fault(fault) => {
                least += fault.after_ms;
                let waits = fault.when.as_ref().map_or(0, |_| fault.within_ms);
                most += fault.after_ms.max(waits);
                let held = fault.action.held().map_or(0, |held| Span(held).millis());
                least_held = least_held.max(least + held);
                most_held = most_held.max(most + held);
            }
            StepPlan::Wait { timeout_ms, .. } => most += timeout_ms,
            StepPlan::Load { length_ms } => {
                least += length_ms;
                most += length_ms;
            }
        }
    }
    (
        Duration::from_millis(least.max(least_held)),
        Duration::from_millis(most.max(most_held)),
    )
}

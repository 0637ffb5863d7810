//! What a run is meant to do, and on which stack: `plan.json`.

use std::{collections::BTreeMap, time::Duration};

use checker::{Budgets, evidence::Expected};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    fault::action::Action,
    load::{Data, Profile},
    scenario::{Settle, condition::Condition},
};

mod planned;

const FORMAT: &str = "webshop-plan";
const VERSION: u32 = 2;

/// Written before anything happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub format: String,
    pub version: u32,
    /// The run's id: its directory's name when it was made. An older plan has none, and is refused by its version.
    #[serde(default)]
    pub run: String,
    /// The version of the program that made the run.
    pub webshop: String,
    pub name: String,
    /// The command, as a person typed it, or might have: for people to recognize, not to repeat.
    pub command: String,
    pub stack: StackMark,
    /// The nodes of each database, by the database's name.
    #[serde(default)]
    pub nodes: BTreeMap<String, Vec<String>>,
    /// Decides every random choice of the run.
    #[serde(default)]
    pub seed: u64,
    /// `None`: a fault without load.
    pub load: Option<LoadPlan>,
    /// Whether every database node is written to straight all the time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct_writes: bool,
    /// What must hold before the first step.
    #[serde(default)]
    pub baseline: Option<BaselinePlan>,
    /// One after the other.
    #[serde(default)]
    pub steps: Vec<StepPlan>,
    /// What each fault would have hit before the run began, in the order of the steps.
    #[serde(default)]
    pub targets: Vec<Vec<String>>,
    #[serde(default)]
    pub settle: SettlePlan,
    /// What the run must reach for a PASS.
    #[serde(default)]
    pub budgets: Budgets,
}

/// Which stack it ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackMark {
    pub name: String,
    /// The id of its network: another one after the stack was removed and brought up again.
    pub id: String,
    /// By service.
    pub images: BTreeMap<String, String>,
}

/// The load of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadPlan {
    pub profile: Profile,
    pub data: Data,
    pub length_ms: u64,
}

/// A stretch of load before the first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselinePlan {
    pub length_ms: u64,
    pub timeout_ms: u64,
    /// Served checkouts of those that ended, 0 to 1.
    pub served_ratio_min: Option<f64>,
    /// Of served checkouts.
    pub p99_ms_max: Option<u64>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepPlan {
    #[serde(alias = "kill")]
    Fault(FaultPlan),
    Wait {
        until: Condition,
        timeout_ms: u64,
    },
    Load {
        length_ms: u64,
    },
}

impl StepPlan {
    /// The fault, where it is one.
    #[must_use]
    pub fn fault(&self) -> Option<&FaultPlan> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::Wait { .. } | Self::Load { .. } => None,
        }
    }

    pub(crate) fn fault_mut(&mut self) -> Option<&mut FaultPlan> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::Wait { .. } | Self::Load { .. } => None,
        }
    }
}

/// A fault that is to be injected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultPlan {
    #[serde(flatten)]
    pub action: Action,
    /// From the end of the step before.
    pub after_ms: u64,
    /// What must be seen first.
    pub when: Option<Condition>,
    /// How long that may take.
    pub within_ms: u64,
    #[serde(default)]
    pub expected: Expected,
    /// Chooses among the tasks that the target matches.
    pub seed: u64,
    /// Whether it waits, as long as for its condition, where another fault is still on the same database, on the brokers,
    /// or on the replicas of the same service.
    #[serde(default)]
    pub apart: bool,
    /// Which of the plan's faults it is, from 0.
    #[serde(default)]
    pub place: usize,
}

impl FaultPlan {
    /// As evidence and reports call it.
    #[must_use]
    pub fn name(&self) -> String {
        self.action.to_string()
    }

    /// When, after the step before.
    #[must_use]
    pub fn after(&self) -> Duration {
        Duration::from_millis(self.after_ms)
    }
}

/// How the stack comes to rest before it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlePlan {
    /// How long that may take.
    pub timeout_ms: u64,
    /// Between the two final reads.
    pub stable_ms: u64,
}

impl SettlePlan {
    /// The same on a stack whose checkouts may take so long: what is slow there is not stuck.
    #[must_use]
    pub fn beside(self, checkout_deadline: Duration) -> Self {
        let least = checkout_deadline.saturating_add(Settle::AFTER_CHECKOUTS);
        let least_ms = u64::try_from(least.as_millis()).unwrap_or(u64::MAX);
        Self {
            timeout_ms: self.timeout_ms.max(least_ms),
            ..self
        }
    }
}

impl Default for SettlePlan {
    fn default() -> Self {
        Self {
            timeout_ms: 120_000,
            stable_ms: 3_000,
        }
    }
}

impl Plan {
    /// A plan of this program's version.
    #[must_use]
    pub fn new(shape: Shape, stack: StackMark) -> Self {
        let Shape {
            name,
            command,
            seed,
            load,
            direct_writes,
            baseline,
            mut steps,
            settle,
            budgets,
            scenario: _,
        } = shape;
        let faults = steps.iter_mut().filter_map(StepPlan::fault_mut);
        for (place, fault) in faults.enumerate() {
            fault.place = place;
        }
        Self {
            run: String::new(),
            nodes: BTreeMap::new(),
            format: FORMAT.to_owned(),
            version: VERSION,
            webshop: env!("CARGO_PKG_VERSION").to_owned(),
            name,
            command,
            stack,
            seed,
            load,
            direct_writes,
            baseline,
            steps,
            targets: Vec::new(),
            settle,
            budgets,
        }
    }

    /// Whether the services must have failpoints.
    #[must_use]
    pub fn needs_failpoints(&self) -> bool {
        self.faults()
            .any(|fault| matches!(fault.action, Action::Crash { .. }))
    }

    /// The faults among the steps.
    pub fn faults(&self) -> impl Iterator<Item = &FaultPlan> {
        self.steps.iter().filter_map(StepPlan::fault)
    }

    /// Whether it is a plan that this program can read.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err("not the plan of a run".to_owned());
        }
        if self.version != VERSION {
            let found = self.version;
            return Err(format!(
                "a plan of version {found}; this program reads version {VERSION}"
            ));
        }
        for (name, found, least) in [
            ("timeout_ms", self.settle.timeout_ms, Settle::TIMEOUT_MIN),
            ("stable_ms", self.settle.stable_ms, Settle::STABLE_FOR_MIN),
        ] {
            if Duration::from_millis(found) < least.0 {
                return Err(format!("settle.{name} of {found} is less than {least}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_what_it_does_under_a_key_of_its_own() {
        let kill = r#"{"kill":{"kill":"redis","count":"all","after_ms":0,"when":null,"within_ms":9,"seed":1}}"#;
        let step: StepPlan = serde_json::from_str(kill).unwrap();
        assert_eq!(step.fault().unwrap().name(), "kill redis");
        let crash = kill.replace(
            r#""kill":"redis","count":"all""#,
            r#""crash":"reserve.before-commit""#,
        );
        let step: StepPlan = serde_json::from_str(&crash).unwrap();
        assert_eq!(step.fault().unwrap().name(), "crash reserve.before-commit");
        let again = serde_json::to_string(&step).unwrap();
        assert_eq!(serde_json::from_str::<StepPlan>(&again).unwrap(), step);
    }

    #[test]
    fn a_plan_that_settles_for_less_than_a_scenario_may_is_refused() {
        let plan: Plan = serde_json::from_str(include_str!("../../tests/plan.json")).unwrap();
        assert_eq!(plan.check(), Ok(()));
        for (timeout_ms, stable_ms, told) in [
            (59_999, 3_000, "settle.timeout_ms of 59999 is less than 1m"),
            (120_000, 0, "settle.stable_ms of 0 is less than 1s"),
        ] {
            let hasty = Plan {
                settle: SettlePlan {
                    timeout_ms,
                    stable_ms,
                },
                ..plan.clone()
            };
            assert_eq!(hasty.check(), Err(told.to_owned()));
        }
    }

    #[test]
    fn a_plan_from_before_runs_had_ids_is_refused_by_its_version() {
        let mut plan: Plan = serde_json::from_str(include_str!("../../tests/plan.json")).unwrap();
        assert_eq!(plan.check(), Ok(()));
        assert_eq!(plan.planned().faults[0].name, "kill stock-db-primary");
        assert_eq!(plan.planned().nodes["order"].len(), 3);
        plan.version = 1;
        let mut old = serde_json::to_value(&plan).unwrap();
        for field in ["run", "nodes"] {
            old.as_object_mut().unwrap().remove(field);
        }
        let old: Plan = serde_json::from_value(old).unwrap();
        assert_eq!(
            old.check().unwrap_err(),
            "a plan of version 1; this program reads version 2"
        );
    }

    #[test]
    fn a_stack_whose_checkouts_may_take_long_has_longer_to_settle() {
        let plan = SettlePlan {
            timeout_ms: 60_000,
            stable_ms: 1_000,
        };
        for (deadline_s, timeout_ms) in [(10, 60_000), (30, 60_000), (31, 61_000), (120, 150_000)] {
            let beside = plan.beside(Duration::from_secs(deadline_s));
            assert_eq!(beside.timeout_ms, timeout_ms);
            assert_eq!(beside.stable_ms, 1_000);
        }
    }
}

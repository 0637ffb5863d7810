//! What a run is meant to do, and on which stack: `plan.json`.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::load::{Data, Profile};

const FORMAT: &str = "webshop-plan";
const VERSION: u32 = 1;

/// Written before anything happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub format: String,
    pub version: u32,
    /// The version of the program that made the run.
    pub webshop: String,
    pub name: String,
    /// The command, as a person would type it.
    pub command: String,
    pub stack: StackMark,
    /// `None`: a fault without load.
    pub load: Option<LoadPlan>,
    pub faults: Vec<FaultPlan>,
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

/// A fault that is to be injected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultPlan {
    pub kill: String,
    /// From the beginning of the load.
    pub at_ms: u64,
    pub count: Count,
}

impl FaultPlan {
    /// As evidence and reports call it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("kill {}", self.kill)
    }

    /// When, from the beginning of the load.
    #[must_use]
    pub fn at(&self) -> Duration {
        Duration::from_millis(self.at_ms)
    }
}

/// How many of the tasks that a target matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// One, or all where the target's name says so.
    Default,
    Exactly(usize),
    All,
}

impl std::str::FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            number => match number.parse() {
                Ok(count @ 1..=1000) => Ok(Self::Exactly(count)),
                Ok(_) | Err(_) => Err(format!("`{text}` is neither a number above 0 nor `all`")),
            },
        }
    }
}

impl Plan {
    /// A plan of this program's version.
    #[must_use]
    pub fn new(name: &str, command: &str, stack: StackMark) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            webshop: env!("CARGO_PKG_VERSION").to_owned(),
            name: name.to_owned(),
            command: command.to_owned(),
            stack,
            load: None,
            faults: Vec::new(),
        }
    }

    /// What decides the random choices: the load's seed, and a fixed one without load.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.load.as_ref().map_or(0, |load| load.profile.seed)
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
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_number_or_all() {
        assert_eq!("2".parse(), Ok(Count::Exactly(2)));
        assert_eq!("all".parse(), Ok(Count::All));
        for wrong in ["0", "-1", "some", ""] {
            assert!(wrong.parse::<Count>().is_err(), "{wrong}");
        }
    }
}

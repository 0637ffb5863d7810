//! Scenario files: what a run is to do, written down. Strict YAML: unknown keys, missing units,
//! duplicate keys and anchors are refused with file, line and column.

mod aim;
pub mod condition;
pub mod draw;
pub mod explain;
pub mod file;
pub mod gaps;
mod mix;
pub mod place;
pub mod plan;
pub mod quantity;
pub mod step;
pub mod suite;
pub mod tags;
pub mod validate;
mod world;

use std::{collections::BTreeMap, time::Duration};

use protocol::http::CHECKOUT_DEADLINE_S;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{
    place::Placed,
    quantity::{AtLeast, AtMost, Bytes, Number, Rate, Share, Span},
    step::Step,
};
use crate::{
    load::Mix,
    stack::{SERVICE_KIND, overview::Overview},
};

/// The version of the format that this program reads.
pub const VERSION: u32 = 1;

/// A whole scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The version of the format: 1.
    pub version: Placed<u32>,
    /// What the run and its reports are called: letters, digits and `-`.
    pub name: Placed<String>,
    /// What it shows, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// What `--tags` selects by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Decides every random choice. Without one each run draws its own and says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub stack: Stack,
    #[serde(default, skip_serializing_if = "is_default")]
    pub data: DataShape,
    #[serde(default)]
    pub load: Load,
    /// Whether every database node is written to straight, past its pool and from within its network, all the time: no two
    /// may acknowledge at once, and nothing acknowledged may be missing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub direct_writes: bool,
    /// Whether there is no load at all: such a run is no evidence, and its verdict is UNKNOWN.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_load: bool,
    /// What must hold before the timeline begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// What happens, one step after the other.
    pub timeline: Vec<Placed<Step>>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub settle: Settle,
    /// What must have been seen for a PASS.
    #[serde(default, skip_serializing_if = "is_default")]
    pub evidence: Placed<Evidence>,
    /// What is too slow although it is consistent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub slo: Slo,
    /// Violations that are known: green while they show, red when they no longer do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_gaps: Vec<KnownGap>,
}

/// The JSON Schema of scenario files.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Scenario)
}

impl Scenario {
    /// One that says no more than what is loaded and what happens.
    #[must_use]
    pub fn of(name: String, seed: Option<u64>, load: Load, timeline: Vec<Step>) -> Self {
        Self {
            version: VERSION.into(),
            name: name.into(),
            about: String::new(),
            tags: Vec::new(),
            seed,
            stack: Stack::default(),
            data: DataShape::default(),
            load,
            direct_writes: false,
            no_load: false,
            baseline: None,
            timeline: timeline.into_iter().map(Placed::from).collect(),
            settle: Settle::default(),
            evidence: Placed::default(),
            slo: Slo::default(),
            known_gaps: Vec::new(),
        }
    }
}

impl Scenario {
    /// The same on a stack that is there: a command line says neither which profile it is for nor how many tasks the
    /// services have, and its targets may be any of them.
    #[must_use]
    pub fn on(mut self, stack: &Overview) -> Self {
        if let Some(profile) = stack.profile() {
            self.stack.profile = profile.into();
        }
        let scaled = stack.services.iter().filter_map(|service| {
            let replicas = service.replicas?;
            // Of everything else the stack files have one.
            let worth_saying = service.kind == SERVICE_KIND || replicas != 1;
            worth_saying.then(|| (service.name.clone(), Placed::from(replicas)))
        });
        self.stack.scale = scaled.collect();
        self
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Which stack it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    #[serde(default)]
    pub profile: ProfileName,
    /// Which build of the services and database nodes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub images: ImagesName,
    /// The least bound that volumes must have for steps that fill one: the stack is brought up with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_size: Option<Placed<Bytes>>,
    /// How many tasks of a service a stack that is brought up for this has: `order: 4`. A stack that is there is taken as
    /// it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scale: BTreeMap<String, Placed<u32>>,
}

/// A build of the services and database nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImagesName {
    /// What people run.
    #[default]
    Release,
    /// With failpoints, for steps that crash a service at one of them.
    Test,
}

/// A profile of the stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProfileName {
    /// Three nodes per database, three brokers, two replicas of each service.
    #[default]
    Full,
    /// One of everything: no failover.
    Small,
}

/// The data that the load works on. There are always as many orders as the load may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataShape {
    #[serde(default = "DataShape::many")]
    #[schemars(range(min = 1, max = 100_000))]
    pub users: Placed<u32>,
    #[serde(default = "DataShape::many")]
    #[schemars(range(min = 2, max = 100_000))]
    pub items: Placed<u32>,
}

impl DataShape {
    fn many() -> Placed<u32> {
        Placed::from(1000)
    }
}

impl Default for DataShape {
    fn default() -> Self {
        Self {
            users: Self::many(),
            items: Self::many(),
        }
    }
}

/// Arrivals at a fixed rate, whether or not the shop keeps up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Operations a second.
    #[serde(default = "Load::rate")]
    pub rate: Rate,
    /// The shares of the operations: 100 % in all.
    #[serde(default, with = "mix")]
    #[schemars(with = "std::collections::BTreeMap<String, Share>")]
    pub mix: Mix,
    /// When a request without an answer is given up: its outcome is then unknown.
    #[serde(default = "Load::timeout")]
    pub request_timeout: Span,
    /// How often an operation of unknown outcome is sent again.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(range(max = 100))]
    pub retries: Placed<u32>,
}

impl Load {
    fn rate() -> Rate {
        Rate(100.0)
    }

    fn timeout() -> Span {
        Span::seconds(35)
    }
}

impl Default for Load {
    fn default() -> Self {
        Self {
            rate: Self::rate(),
            mix: Mix::default(),
            request_timeout: Self::timeout(),
            retries: Placed::default(),
        }
    }
}

/// A stretch of load that must go well before anything is done to the stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// How long it must hold.
    #[serde(rename = "for")]
    pub length: Span,
    /// How long the shop may take to get there: a stack that has just come up is slow.
    #[serde(default = "Baseline::timeout")]
    pub timeout: Span,
    #[serde(default, skip_serializing_if = "is_default")]
    pub require: BaselineRequire,
}

impl Baseline {
    fn timeout() -> Span {
        Span::seconds(60)
    }
}

/// What a baseline must reach.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineRequire {
    /// The checkouts that were served (ok, or a business rejection) of those that ended.
    #[serde(
        rename = "checkout.ok_ratio",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub served: Option<AtLeast<Share>>,
    /// The 99th percentile of the latency of checkouts.
    #[serde(
        rename = "checkout.p99",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub p99: Option<AtMost<Span>>,
}

/// How the stack comes to rest before it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// How long it may take: at least 60s, 30s more than a checkout may.
    #[serde(default = "Settle::timeout")]
    pub timeout: Placed<Span>,
    /// Between the two final reads: at least 1s.
    #[serde(default = "Settle::stable_for")]
    pub stable_for: Placed<Span>,
}

impl Settle {
    /// What the stack may take after the last checkout's deadline.
    pub const AFTER_CHECKOUTS: Duration = Duration::from_secs(30);
    /// A checkout that began at the end of the load may take its deadline, and the stack half a minute after that.
    pub const TIMEOUT_MIN: Span =
        Span::seconds(CHECKOUT_DEADLINE_S + Self::AFTER_CHECKOUTS.as_secs());
    /// Two reads that are closer say nothing about rest.
    pub const STABLE_FOR_MIN: Span = Span::seconds(1);

    fn timeout() -> Placed<Span> {
        Span::seconds(120).into()
    }

    fn stable_for() -> Placed<Span> {
        Span::seconds(3).into()
    }
}

impl Default for Settle {
    fn default() -> Self {
        Self {
            timeout: Self::timeout(),
            stable_for: Self::stable_for(),
        }
    }
}

/// What must have been seen. Less of it is UNKNOWN, whatever the checks say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Ok checkouts in the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ok_checkouts: Option<u64>,
    /// Ok checkouts before the first fault. 20 unless told, and never less than 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ok_before: Option<u64>,
    /// Ok checkouts while a fault was in effect. 1 unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ok_during: Option<u64>,
    /// Ok checkouts after the last fault was healed. 20 unless told, and never less than 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ok_after: Option<u64>,
    /// The operations of unknown outcome of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unknown_ratio: Option<Share>,
}

/// Budgets of time and availability. Over one of them a consistent run is SLO.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// From each fault's effect until the shop serves as before for 10 s.
    #[serde(
        rename = "checkout.recovery",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub recovery: Option<AtMost<Span>>,
    /// From each fault's effect to the first ok checkout that was sent after it.
    #[serde(
        rename = "checkout.first_ok",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub first_ok: Option<AtMost<Span>>,
    /// The longest time without an ok checkout.
    #[serde(
        rename = "checkout.longest_gap",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub longest_gap: Option<AtMost<Span>>,
    /// The 99th percentile of the latency of served checkouts, over the whole run.
    #[serde(
        rename = "checkout.p99",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub p99: Option<AtMost<Span>>,
    /// Checkouts that were answered with a 5xx.
    #[serde(
        rename = "checkout.server_errors",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub server_errors: Option<AtMost<Number>>,
    /// Operations that were served of those that were due. Half of them unless told.
    #[serde(
        rename = "served_ratio",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub served_ratio: Option<AtLeast<Share>>,
}

/// A violation that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownGap {
    pub id: String,
    /// The label of the violations that it excuses, such as `TORN`.
    #[schemars(with = "String")]
    pub only: checker::verdict::Label,
    pub reason: String,
}

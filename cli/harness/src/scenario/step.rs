//! The steps of a timeline: faults, waits, stretches of load, and random blocks.

use std::time::Duration;

use protocol::failpoint::Failpoint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    place::Placed,
    quantity::{BitRate, Cpus, Share, Span, Spans},
};
use crate::fault::action::{Count, Sides};

/// One step of the timeline: one fault, or one of `wait`, `load` and `random`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Kill the containers of tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<Hit>,
    /// Tell tasks to stop, as the Swarm would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Hit>,
    /// Restart whole services, task by task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Hit>,
    /// Kill the containers of tasks and delete all that is on their volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wipe: Option<Hit>,
    /// Let a service crash at one of its failpoints. Needs `stack: { images: test }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<Crash>,
    /// Freeze every process of tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Held>,
    /// Cut tasks off from everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolate: Option<Held>,
    /// Drop what goes between two sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// Drop a share of the packets that reach tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// Reset the TCP connections of tasks, and every new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Held>,
    /// Let tasks send no faster than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// Let what tasks send arrive later. Needs a kernel with `sch_netem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// Give tasks no more of the processors than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Throttle>,
    /// Leave no room on the volumes of tasks. Needs volumes with a bound: `webshop up --volume-size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill_disk: Option<Held>,
    /// Wait for something to be seen, with the load going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// Only load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Stretch>,
    /// Faults drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<Random>,
    /// For a fault: how long after the end of the step before, at least.
    #[serde(default, skip_serializing_if = "Span::is_zero")]
    pub after: Span,
    /// For a fault: what must be seen first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Placed<Condition>>,
    /// For a fault with `when`: how long that may take, or the fault is not injected. 60s unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// For a fault: what must come of it, and how soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// For a fault that may be drawn: how often, beside the weights of the others. Once unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: Option<Placed<u32>>,
}

impl Step {
    /// Whether it breaks something once.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        self.crash.is_some() || !self.aims().is_empty()
    }

    /// A stretch of load.
    #[must_use]
    pub fn stretch(length: Duration) -> Self {
        Self {
            load: Some(Stretch {
                length: Span(length),
            }),
            ..Self::default()
        }
    }
}

/// Tasks to do something to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hit {
    /// A name that `webshop targets` lists; resolved at the moment of injection.
    pub target: Placed<String>,
    /// How many of the tasks that it names. One, or all where the name says so, unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<CountOf>,
}

/// Tasks to do something to for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// A name that `webshop targets` lists; resolved at the moment of injection.
    pub target: Placed<String>,
    /// How many of the tasks that it names. One, or all where the name says so, unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<CountOf>,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub length: Placed<Span>,
}

/// Two sides that lose what goes between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// `A..B`: every packet between them. `A->B`: those from A to B. All tasks of both targets.
    pub between: Placed<Sides>,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub length: Placed<Span>,
}

/// Tasks that lose packets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// A name that `webshop targets` lists; resolved at the moment of injection.
    pub target: Placed<String>,
    /// How many of the tasks that it names. One, or all where the name says so, unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<CountOf>,
    /// Of the packets that reach them, in steps of 0.1%.
    pub share: Placed<Share>,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub length: Placed<Span>,
}

/// Tasks that send slowly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// A name that `webshop targets` lists; resolved at the moment of injection.
    pub target: Placed<String>,
    /// How many of the tasks that it names. One, or all where the name says so, unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<CountOf>,
    /// No faster than that: `1mbit`, or `25% of now`, of what the task's busiest link sends at the moment of injection.
    pub to: BitRate,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub length: Placed<Span>,
}

/// Tasks whose words arrive late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// A name that `webshop targets` lists; resolved at the moment of injection.
    pub target: Placed<String>,
    /// How many of the tasks that it names. One, or all where the name says so, unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<CountOf>,
    /// By how much.
    pub by: Placed<Span>,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub length: Placed<Span>,
}

/// Tasks that get little of the processors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// A name that `webshop targets` lists; resolved at the moment of injection.
    pub target: Placed<String>,
    /// How many of the tasks that it names. One, or all where the name says so, unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<CountOf>,
    /// No more than that: `0.05cpu`, or `25% of now`, of what the task uses at the moment of injection.
    pub to: Cpus,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub length: Placed<Span>,
}

/// A place at which every replica of a service crashes when it next gets there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// A step of the saga and a moment of it, such as `reserve.before-commit`.
    #[schemars(extend("enum" = Crash::names()))]
    pub at: Placed<String>,
}

impl Crash {
    /// Every failpoint there is.
    pub(crate) fn names() -> Vec<String> {
        Failpoint::all().map(|point| point.to_string()).collect()
    }
}

/// A number above 0, a percentage, `majority` or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CountOf(pub Count);

impl TryFrom<String> for CountOf {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl From<CountOf> for String {
    fn from(CountOf(count): CountOf) -> Self {
        count.to_string()
    }
}

impl JsonSchema for CountOf {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                { "enum": ["all", "majority"] },
                { "type": "integer", "minimum": 1, "maximum": 1000 },
                { "type": "string", "pattern": "^[1-9][0-9]*%?$" },
            ],
        })
    }
}

/// Something to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    pub until: Placed<Condition>,
    pub timeout: Span,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    #[serde(rename = "for")]
    pub length: Span,
}

/// Faults that the seed draws, one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// How long faults are drawn for: the pauses between them add up to no more.
    #[serde(rename = "for")]
    pub length: Span,
    /// The pause before each fault.
    pub every: Spans,
    /// How many faults may be in effect at once.
    #[serde(default = "Random::one")]
    #[schemars(range(min = 1, max = 10))]
    pub at_most: Placed<u32>,
    /// Whether a fault waits where another one is still on the same database, on the brokers, or on the replicas of the
    /// same service. It does unless told.
    #[serde(default = "Random::apart", skip_serializing_if = "Clone::clone")]
    pub apart: bool,
    /// Steps that are one fault each.
    pub faults: Vec<Placed<Step>>,
}

impl Random {
    fn apart() -> bool {
        true
    }

    fn one() -> Placed<u32> {
        Placed::from(1)
    }
}

/// What must come of a fault. Times count from its injection, the last two from its effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Until it is seen to have taken effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_within: Option<Span>,
    /// Until another primary takes writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_primary_within: Option<Span>,
    /// Until the target is back in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed_within: Option<Span>,
}

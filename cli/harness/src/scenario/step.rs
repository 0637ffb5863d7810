//! The steps of a timeline: faults, waits, stretches of load, and random blocks.

use std::time::Duration;

use protocol::failpoint::Failpoint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    place::Placed,
    quantity::{Span, Spans},
};
use crate::run::plan::Count;

/// One step of the timeline: exactly one of `kill`, `crash`, `wait`, `load` and `random`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Kill the containers of tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<Kill>,
    /// Let a service crash at one of its failpoints. Needs `stack: { images: test }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<Crash>,
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
}

impl Step {
    /// Whether it breaks something once.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        self.kill.is_some() || self.crash.is_some()
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

/// Containers to kill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// A name that `webshop targets` lists; resolved at the moment of injection.
    pub target: Placed<String>,
    /// How many of the tasks that it names. One, or all where the name says so, unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<CountOf>,
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

/// A number above 0, or `all`.
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
        match count {
            Count::Exactly(number) => number.to_string(),
            Count::All | Count::Default => "all".to_owned(),
        }
    }
}

impl JsonSchema for CountOf {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                { "const": "all" },
                { "type": "integer", "minimum": 1, "maximum": 1000 },
                { "type": "string", "pattern": "^[1-9][0-9]*$" },
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    pub faults: Vec<Placed<Choice>>,
}

impl Random {
    fn one() -> Placed<u32> {
        Placed::from(1)
    }
}

/// A fault that may be drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// How often, beside the weights of the others.
    #[serde(default = "Choice::once")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: Placed<u32>,
    pub kill: Kill,
}

impl Choice {
    fn once() -> Placed<u32> {
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

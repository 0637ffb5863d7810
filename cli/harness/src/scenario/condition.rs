//! What a step waits for: `ok_checkouts >= 2000 && in_flight >= 10`, `new_primary`, `stack_healthy`.
//!
//! `new_primary`: each primary that a fault has hit so far has been followed by another one, which committed a write.
//!
//! `stack_healthy`: no fault of the run is in effect, none is left on the stack by anybody, every service runs as many
//! tasks as it should, each database has one primary and standbys that stream from it and have what it had a second
//! ago, every replica says that it is well, and the brokers are in sync. It is looked at once a second, and only while
//! a step waits for it and for nothing else.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// All of its terms must hold at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition(Vec<Term>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Term {
    Compare(Metric, Comparison, u64),
    State(State),
}

/// What a run can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    OkCheckouts,
    Ok,
    Failed,
    Unknown,
    InFlight,
    ActiveFaults,
}

/// What a run can see of its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NewPrimary,
    StackHealthy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// A run at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    pub ok_checkouts: u64,
    pub ok: u64,
    pub failed: u64,
    pub unknown: u64,
    pub in_flight: u64,
    /// Faults that were injected and have not been seen to be healed.
    pub active_faults: u64,
    /// A primary was hit, and each one that was has been followed by another one that has committed a write.
    pub new_primary: bool,
    /// The whole stack was looked at, and nothing was amiss.
    pub stack_healthy: bool,
}

const METRICS: [(Metric, &str); 6] = [
    (Metric::OkCheckouts, "ok_checkouts"),
    (Metric::Ok, "ok"),
    (Metric::Failed, "failed"),
    (Metric::Unknown, "unknown"),
    (Metric::InFlight, "in_flight"),
    (Metric::ActiveFaults, "active_faults"),
];
const STATES: [(State, &str); 2] = [
    (State::NewPrimary, "new_primary"),
    (State::StackHealthy, "stack_healthy"),
];
// The longer signs first: `<=` begins with `<`.
const COMPARISONS: [(Comparison, &str); 5] = [
    (Comparison::AtMost, "<="),
    (Comparison::AtLeast, ">="),
    (Comparison::Equal, "=="),
    (Comparison::Less, "<"),
    (Comparison::More, ">"),
];

impl Condition {
    /// Whether it holds now.
    #[must_use]
    pub fn holds(&self, now: &Moment) -> bool {
        self.0.iter().all(|term| term.holds(now))
    }

    /// Whether it can only hold after a primary was hit.
    #[must_use]
    pub fn wants_new_primary(&self) -> bool {
        self.0.contains(&Term::State(State::NewPrimary))
    }

    /// Whether the health of the whole stack is a part of it.
    #[must_use]
    pub fn wants_health(&self) -> bool {
        self.0.contains(&Term::State(State::StackHealthy))
    }

    /// Whether nothing is left to wait for but that the stack is healthy: only then is it worth a look.
    #[must_use]
    pub fn awaits_health(&self, now: &Moment) -> bool {
        let healthy = Moment {
            stack_healthy: true,
            ..*now
        };
        self.wants_health() && self.holds(&healthy)
    }

    /// The most ok checkouts that it waits for.
    #[must_use]
    pub fn ok_checkouts_min(&self) -> u64 {
        let wanted = self.0.iter().map(|term| match term {
            Term::Compare(Metric::OkCheckouts, Comparison::AtLeast | Comparison::Equal, n) => *n,
            Term::Compare(Metric::OkCheckouts, Comparison::More, n) => n.saturating_add(1),
            Term::Compare(..) | Term::State(_) => 0,
        });
        wanted.max().unwrap_or(0)
    }
}

impl Term {
    fn holds(self, now: &Moment) -> bool {
        match self {
            Self::State(State::NewPrimary) => now.new_primary,
            Self::State(State::StackHealthy) => now.active_faults == 0 && now.stack_healthy,
            Self::Compare(metric, comparison, wanted) => {
                let found = match metric {
                    Metric::OkCheckouts => now.ok_checkouts,
                    Metric::Ok => now.ok,
                    Metric::Failed => now.failed,
                    Metric::Unknown => now.unknown,
                    Metric::InFlight => now.in_flight,
                    Metric::ActiveFaults => now.active_faults,
                };
                match comparison {
                    Comparison::Less => found < wanted,
                    Comparison::AtMost => found <= wanted,
                    Comparison::Equal => found == wanted,
                    Comparison::AtLeast => found >= wanted,
                    Comparison::More => found > wanted,
                }
            }
        }
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split("&&")
            .map(term)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn term(text: &str) -> Result<Term, String> {
    let text = text.trim();
    if let Some((state, _)) = STATES.iter().find(|(_, name)| *name == text) {
        return Ok(Term::State(*state));
    }
    let split = COMPARISONS
        .iter()
        .find_map(|(comparison, sign)| Some((*comparison, text.split_once(sign)?)));
    let Some((comparison, (metric, number))) = split else {
        return Err(format!(
            "`{text}` is neither a comparison such as `ok_checkouts >= 2000` nor one of {}",
            names(&STATES)
        ));
    };
    let metric = metric.trim();
    let (metric, _) = METRICS
        .iter()
        .find(|(_, name)| *name == metric)
        .ok_or_else(|| {
            format!(
                "nothing is counted as `{metric}`; there are {}",
                names(&METRICS)
            )
        })?;
    let number = number.trim();
    let number = number
        .parse()
        .map_err(|_not_one| format!("`{number}` is not a whole number"))?;
    Ok(Term::Compare(*metric, comparison, number))
}

fn names<T>(known: &[(T, &str)]) -> String {
    let names: Vec<&str> = known.iter().map(|(_, name)| *name).collect();
    names.join(", ")
}

fn name<T: PartialEq>(wanted: &T, known: &[(T, &'static str)]) -> &'static str {
    let found = known.iter().find(|(value, _)| value == wanted);
    found.map_or("", |(_, name)| name)
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, term) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" && ")?;
            }
            match term {
                Term::State(state) => f.write_str(name(state, &STATES))?,
                Term::Compare(metric, comparison, number) => {
                    let (metric, sign) = (name(metric, &METRICS), name(comparison, &COMPARISONS));
                    write!(f, "{metric} {sign} {number}")?;
                }
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Condition {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.to_string()
    }
}

impl JsonSchema for Condition {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        let any = |names: String| names.replace(", ", "|");
        let term = format!(
            "(({}) *(<=|>=|==|<|>) *[0-9]+|{})",
            any(names(&METRICS)),
            any(names(&STATES))
        );
        json_schema!({
            "type": "string",
            "pattern": format!("^ *{term}( *&& *{term})* *$"),
            "examples": ["ok_checkouts >= 2000 && in_flight >= 10", "new_primary", "stack_healthy"],
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn every_term_must_hold() {
        let condition: Condition = "ok_checkouts >= 20 && in_flight>3".parse().unwrap();
        let mut now = Moment {
            ok_checkouts: 20,
            in_flight: 3,
            ..Moment::default()
        };
        assert!(!condition.holds(&now));
        now.in_flight = 4;
        assert!(condition.holds(&now));
        assert_eq!(condition.to_string(), "ok_checkouts >= 20 && in_flight > 3");
        assert_eq!(condition.ok_checkouts_min(), 20);
    }

    #[test]
    fn states_are_seen_of_the_stack() {
        let healthy: Condition = "stack_healthy".parse().unwrap();
        let primary: Condition = "new_primary".parse().unwrap();
        let mut now = Moment::default();
        assert!(!healthy.holds(&now) && !primary.holds(&now));
        now.stack_healthy = true;
        assert!(healthy.holds(&now));
        now.active_faults = 1;
        now.new_primary = true;
        assert!(!healthy.holds(&now) && primary.holds(&now));
    }

    #[test]
    fn a_stack_without_a_fault_is_not_healthy_until_somebody_looked() {
        let healthy: Condition = "stack_healthy && ok >= 5".parse().unwrap();
        let mut now = Moment::default();
        assert!(!healthy.awaits_health(&now), "other terms come first");
        now.ok = 5;
        assert!(healthy.awaits_health(&now) && !healthy.holds(&now));
        now.active_faults = 1;
        assert!(
            !healthy.awaits_health(&now),
            "a fault is known without a look"
        );
        let other: Condition = "ok >= 5".parse().unwrap();
        assert!(!other.awaits_health(&now));
    }

    #[rstest]
    #[case("ok_checkout >= 3", "nothing is counted as `ok_checkout`")]
    #[case("in_flight >= many", "`many` is not a whole number")]
    #[case("healthy", "`healthy` is neither a comparison")]
    #[case("", "`` is neither a comparison")]
    #[case("ok >= 1 &&", "`` is neither a comparison")]
    fn a_wrong_condition_says_what_is_wrong(#[case] text: &str, #[case] told: &str) {
        let error = text.parse::<Condition>().unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}

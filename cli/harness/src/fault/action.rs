//! What a fault does, and to which tasks.

use std::{fmt, str::FromStr, time::Duration};

use protocol::failpoint::Failpoint;
use serde::{Deserialize, Serialize};

use super::limit::{BitLimit, CpuLimit};
use crate::{target::Target, units::human};

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Action {
    /// Ends so many of the tasks that a target names; the Swarm starts others in their place.
    End {
        #[serde(flatten)]
        end: End,
        count: Count,
    },
    /// Lets each replica of the failpoint's service crash when it next gets there.
    Crash { crash: Failpoint },
    /// Puts something on so many of the tasks that a target names, and lifts it after a time.
    Hold {
        hold: Hold,
        target: String,
        count: Count,
        for_ms: u64,
    },
}

/// A way for tasks to end, and the target that names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// SIGKILL, with no time to say goodbye.
    Kill(String),
    /// The signal that the image wants for a stop: what is under way is brought to its end.
    Stop(String),
    /// The Swarm restarts the whole service, as after a forced update.
    Restart(String),
    /// SIGKILL, and everything on the task's volumes is deleted.
    Wipe(String),
}

/// What can be put on a task for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Every process of it is frozen; the Swarm does not see that.
    Pause,
    /// It exchanges no packet with anybody.
    Isolate,
    /// It exchanges no packet with the tasks of another target, or only gets none from here to there.
    Partition { with: String, way: Way },
    /// So many of a thousand packets that reach it are dropped.
    Loss { per_mille: u32 },
    /// Its TCP connections are reset, and so is each new one.
    Reset,
    /// It sends no faster than this.
    Bandwidth {
        #[serde(flatten)]
        to: BitLimit,
    },
    /// What it sends arrives later by this much.
    Delay { ms: u64 },
    /// It gets no more of the processors than this.
    Throttle {
        #[serde(flatten)]
        to: CpuLimit,
    },
    /// Its volume has no room left; so has the volume of the task that takes its place.
    FillDisk,
}

/// Which packets between two sides are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// All of them: `A..B`.
    Both,
    /// Those from the first side to the second: `A->B`.
    There,
}

/// How many of the tasks that a target matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// One, or all where the target's name says so.
    Default,
    Exactly(usize),
    /// Of a hundred, rounded up.
    Percent(usize),
    /// More than half.
    Majority,
    All,
}

impl Action {
    /// What it is aimed at, as the scenario says it.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::End { end, .. } => end.target().to_owned(),
            Self::Crash { crash } => crash.to_string(),
            Self::Hold {
                hold: Hold::Partition { with, way },
                target,
                ..
            } => format!("{target}{way}{with}"),
            Self::Hold { target, .. } => target.clone(),
        }
    }

    /// The target that names its victims, and how many of what that matches.
    #[must_use]
    pub fn aim(&self) -> (Target, Count) {
        let (name, count) = match self {
            Self::End {
                end: End::Restart(target),
                ..
            } => (target.as_str(), Count::All),
            Self::End { end, count } => (end.target(), *count),
            // Every replica: which of them will get there first nobody knows.
            Self::Crash { crash } => (crash.step.service, Count::All),
            Self::Hold { target, count, .. } => (target.as_str(), *count),
        };
        let Ok(target) = name.parse();
        (target, count)
    }

    /// What it does, in a word.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::End { end, .. } => end.verb(),
            Self::Crash { .. } => "crash",
            Self::Hold { hold, .. } => hold.verb(),
        }
    }

    /// How long it is held, where it is.
    #[must_use]
    pub fn held(&self) -> Option<Duration> {
        self.held_ms().map(Duration::from_millis)
    }

    /// How long it is held, where it is, in milliseconds.
    #[must_use]
    pub fn held_ms(&self) -> Option<u64> {
        match self {
            Self::Hold { for_ms, .. } => Some(*for_ms),
            Self::End { .. } | Self::Crash { .. } => None,
        }
    }
}

impl fmt::Display for Action {
    /// As evidence and reports call it: `kill redis`, `loss 30% on order.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, target) = (self.verb(), self.target());
        match self {
            Self::Hold { hold, .. } => match hold.amount() {
                Some(amount) => write!(f, "{verb} {amount} on {target}"),
                None => write!(f, "{verb} {target}"),
            },
            Self::End { .. } | Self::Crash { .. } => write!(f, "{verb} {target}"),
        }
    }
}

impl End {
    /// Whom it ends.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::Kill(target)
            | Self::Stop(target)
            | Self::Restart(target)
            | Self::Wipe(target) => target,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Stop(_) => "stop",
            Self::Restart(_) => "restart",
            Self::Wipe(_) => "wipe",
        }
    }
}

impl Hold {
    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Isolate => "isolate",
            Self::Partition { .. } => "partition",
            Self::Loss { .. } => "loss",
            Self::Reset => "reset",
            Self::Bandwidth { .. } => "bandwidth",
            Self::Delay { .. } => "delay",
            Self::Throttle { .. } => "throttle",
            Self::FillDisk => "fill-disk",
        }
    }

    /// Whether it is still there when another task has taken the place of the one that it was put on.
    #[must_use]
    pub fn outlives_its_task(&self) -> bool {
        matches!(self, Self::FillDisk)
    }

    /// How much of it, with its unit.
    fn amount(&self) -> Option<String> {
        match self {
            Self::Loss { per_mille } => Some(format!("{}%", f64::from(*per_mille) / 10.0)),
            Self::Bandwidth { to } => Some(to.to_string()),
            Self::Delay { ms } => Some(human(Duration::from_millis(*ms))),
            Self::Throttle { to } => Some(to.to_string()),
            Self::Pause | Self::Isolate | Self::Partition { .. } | Self::Reset | Self::FillDisk => {
                None
            }
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "..",
            Self::There => "->",
        })
    }
}

/// Two sides and which of the packets between them are dropped: `A..B`, `A->B`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sides {
    pub from: String,
    pub with: String,
    pub way: Way,
}

impl FromStr for Sides {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Way::There, Way::Both]
            .into_iter()
            .find_map(|way| Some((text.split_once(&way.to_string())?, way)));
        match found {
            Some(((from, with), way)) if !from.trim().is_empty() && !with.trim().is_empty() => {
                Ok(Self {
                    from: from.trim().to_owned(),
                    with: with.trim().to_owned(),
                    way,
                })
            }
            _ => Err(format!(
                "`{text}` names no two sides: A..B drops every packet between them, A->B only those from A to B"
            )),
        }
    }
}

impl fmt::Display for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.from, self.way, self.with)
    }
}

impl Count {
    /// How many of `found` tasks; `by_default` says what a target means that is given no count.
    #[must_use]
    pub fn of(self, found: usize, by_default: usize) -> usize {
        match self {
            Self::Default => by_default,
            Self::Exactly(count) => count,
            Self::Percent(percent) => (found * percent).div_ceil(100),
            Self::Majority => found / 2 + 1,
            Self::All => found,
        }
    }
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is none of: a number above 0, a percentage, `majority`, `all`");
        match (text, text.strip_suffix('%')) {
            ("all", _) => Ok(Self::All),
            ("majority", _) => Ok(Self::Majority),
            (_, Some(percent)) => match percent.parse() {
                Ok(percent @ 1..=100) => Ok(Self::Percent(percent)),
                Ok(_) | Err(_) => Err(wrong()),
            },
            (number, None) => match number.parse() {
                Ok(count @ 1..=1000) => Ok(Self::Exactly(count)),
                Ok(_) | Err(_) => Err(wrong()),
            },
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Majority => f.write_str("majority"),
            Self::All | Self::Default => f.write_str("all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2", Count::Exactly(2))]
    #[case("50%", Count::Percent(50))]
    #[case("majority", Count::Majority)]
    #[case("all", Count::All)]
    fn a_count_reads_back(#[case] text: &str, #[case] count: Count) {
        assert_eq!(text.parse(), Ok(count));
        assert_eq!(count.to_string(), text);
    }

    #[test]
    fn no_count_is_none_or_more_than_everything() {
        for wrong in ["0", "-1", "some", "", "0%", "101%", "%"] {
            assert!(wrong.parse::<Count>().is_err(), "{wrong}");
        }
    }

    #[rstest]
    #[case(Count::Default, 5, 1)]
    #[case(Count::Exactly(3), 5, 3)]
    #[case(Count::Percent(50), 5, 3)]
    #[case(Count::Percent(1), 5, 1)]
    #[case(Count::Majority, 3, 2)]
    #[case(Count::Majority, 4, 3)]
    #[case(Count::All, 5, 5)]
    fn a_count_is_of_what_was_found(
        #[case] count: Count,
        #[case] found: usize,
        #[case] many: usize,
    ) {
        assert_eq!(count.of(found, 1), many);
    }

    #[test]
    fn sides_have_a_way() {
        let sides: Sides = "stock-db-primary -> stock".parse().unwrap();
        assert_eq!(sides.to_string(), "stock-db-primary->stock");
        assert_eq!("a..b".parse::<Sides>().unwrap().way, Way::Both);
        for wrong in ["a", "a..", "..b", "a-b", ""] {
            assert!(wrong.parse::<Sides>().is_err(), "{wrong}");
        }
    }

    fn hold(hold: Hold) -> Action {
        Action::Hold {
            hold,
            target: "order.1".to_owned(),
            count: Count::Default,
            for_ms: 20_000,
        }
    }

    #[rstest]
    #[case(hold(Hold::Pause), "pause order.1")]
    #[case(hold(Hold::Loss { per_mille: 300 }), "loss 30% on order.1")]
    #[case(hold(Hold::Bandwidth { to: BitLimit::BitsPerS(1_000_000) }), "bandwidth 1mbit on order.1")]
    #[case(hold(Hold::Bandwidth { to: BitLimit::PercentOfNow(25) }), "bandwidth 25% of now on order.1")]
    #[case(hold(Hold::Throttle { to: CpuLimit::MilliCpus(50) }), "throttle 0.05cpu on order.1")]
    #[case(hold(Hold::Throttle { to: CpuLimit::PercentOfNow(25) }), "throttle 25% of now on order.1")]
    #[case(hold(Hold::FillDisk), "fill-disk order.1")]
    #[case(
        hold(Hold::Partition { with: "stock".to_owned(), way: Way::Both }),
        "partition order.1..stock"
    )]
    #[case(Action::End { end: End::Wipe("redis".to_owned()), count: Count::All }, "wipe redis")]
    fn an_action_reads_back_and_has_a_name(#[case] action: Action, #[case] name: &str) {
        assert_eq!(action.to_string(), name);
        let text = serde_json::to_string(&action).unwrap();
        assert_eq!(serde_json::from_str::<Action>(&text).unwrap(), action);
    }

    #[test]
    fn a_plan_of_before_limits_were_parts_of_now_still_reads() {
        let text = r#"{"hold":{"bandwidth":{"bits_per_s":512000}},"target":"order.1","count":"default","for_ms":20000}"#;
        let action: Action = serde_json::from_str(text).unwrap();
        assert_eq!(action.to_string(), "bandwidth 512kbit on order.1");
        assert_eq!(serde_json::to_string(&action).unwrap(), text);
    }
}

//! What the harness saw besides the clients' history: faults, healing, settling. A PASS is earned with it.

use std::fmt;

use serde::{Deserialize, Serialize};

mod planned;

pub use planned::{Aim, KindShare, Planned, PlannedFault};

/// How many looks must agree on a role, a timeline or an identity. Nodes are not asked at one instant: in the middle of a
/// failover, or just after a start, one look may put together what never was at the same time.
pub const LOOKS_MIN: u32 = 2;

/// Everything seen around one run. Times are microseconds on the history's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The id of the run that it is of.
    pub run: String,
    /// Every planned fault, whether it happened or not; several of one that has several victims.
    pub faults: Vec<FaultEvidence>,
    pub settle: Settle,
    /// Two primaries of one database, each seen writable while the other was.
    #[serde(default)]
    pub split_brains: Vec<SplitBrain>,
    /// What each database node acknowledged to a writer of its own; `None` where nobody wrote to nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_writes: Option<DirectWrites>,
    /// What the run was to wait for and never saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<String>,
    /// What Docker or the stack could not do when asked, and faults or resources left behind.
    #[serde(default)]
    pub harness_errors: Vec<String>,
}

/// One planned fault, and what proves that it took effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultEvidence {
    /// Which of the plan's faults it is of, from 0.
    pub place: usize,
    /// As the plan says it, e.g. `kill stock-db-primary`.
    pub name: String,
    /// What the target was at the moment of injection, e.g. `stock-db-0`.
    pub target: String,
    /// When the harness asked for it; `None` if the run ended before.
    pub injected_us: Option<u64>,
    /// When it was first seen to have taken effect (the `die` event); `None` if never.
    pub effective_us: Option<u64>,
    /// What was seen of the effect, e.g. `die event`, `new task`, `stock-db-1 is primary on timeline 2`.
    pub seen: Vec<String>,
    /// What should have been seen and was not.
    pub missing: Vec<String>,
    /// When the fault was verified to be gone: the target is back in its place.
    pub healed_us: Option<u64>,
    /// For how long it was seen to be held; `None` for a fault that is not held, and for one that was never injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// When the service's database took a probe write again, where that was watched.
    #[serde(default)]
    pub writable_us: Option<u64>,
    /// How soon what was to come of it, for people: it is judged by what the plan expects.
    #[serde(default)]
    pub expected: Expected,
}

/// For how long a fault was seen in its place, of as long as it should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// As the plan says.
    pub planned_ms: u64,
    /// From its effect to the last look that found it in place, where no stretch between two such looks was too long.
    pub seen_ms: u64,
    pub until: HeldUntil,
}

/// What ended the time for which a fault was seen in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldUntil {
    /// The harness lifted it.
    Lifted,
    /// A look found it gone, and it was not the harness that lifted it.
    Gone,
    /// A look found that the task's container had ended.
    TaskEnded,
    /// A look found that the container had ended from which the fault was made and seen.
    HelperEnded,
    /// No look was answered for too long.
    Unseen,
    /// The run ended before.
    RunEnded,
}

/// How much shorter than planned a fault may have been held: a look comes so much earlier than the lifting at most.
pub const HELD_SLACK_MS: u64 = 500;

impl Held {
    /// Whether it was held for as long as planned.
    #[must_use]
    pub fn is_as_planned(&self) -> bool {
        self.seen_ms.saturating_add(HELD_SLACK_MS) >= self.planned_ms
    }
}

impl HeldUntil {
    /// Whether it was in its place until it was to be lifted, as far as anybody looked.
    #[must_use]
    pub fn is_as_planned(self) -> bool {
        match self {
            Self::Lifted | Self::TaskEnded | Self::Unseen => true,
            Self::Gone | Self::HelperEnded | Self::RunEnded => false,
        }
    }
}

impl fmt::Display for Held {
    /// `held 15.0 of 15 s`; where that is too short, with what ended it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.seen_ms / 100;
        let (seen, planned) = (tenths as f64 / 10.0, self.planned_ms as f64 / 1_000.0);
        write!(f, "held {seen:.1} of {planned} s")?;
        if self.is_as_planned() {
            return Ok(());
        }
        f.write_str(match self.until {
            HeldUntil::Lifted => "",
            HeldUntil::Gone => ", then it was gone",
            HeldUntil::TaskEnded => ", then its task had ended",
            HeldUntil::HelperEnded => ", then the helper that held it had ended",
            HeldUntil::Unseen => ", then no look at it was answered",
            HeldUntil::RunEnded => ", then the run ended",
        })
    }
}

/// How soon something must come of a fault. Slower than that is over the budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// From its injection until it was seen to take effect.
    pub effective_ms_max: Option<u64>,
    /// From its effect until another primary took a write.
    pub writable_ms_max: Option<u64>,
    /// From its effect until the target was back in its place.
    pub healed_ms_max: Option<u64>,
}

impl FaultEvidence {
    /// Whether everything that proves its effect was seen, and for as long as planned.
    #[must_use]
    pub fn took_effect(&self) -> bool {
        self.was_seen() && self.cut_short().is_none()
    }

    /// Whether everything that proves its effect was seen, for however short a time.
    #[must_use]
    pub fn was_seen(&self) -> bool {
        self.effective_us.is_some() && self.missing.is_empty()
    }

    /// How long it was held, where that is shorter than planned.
    #[must_use]
    pub fn cut_short(&self) -> Option<Held> {
        self.held.filter(|held| !held.is_as_planned())
    }
}

/// How the final reads were prepared. The three first must all hold, else the run proves nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// The load stopped, and each operation ended or timed out.
    pub load_stopped: bool,
    /// Every fault was verified to be gone.
    pub faults_healed: bool,
    /// Tasks = replicas, one primary per database, standbys at the primary's LSN.
    pub converged: bool,
    /// Lanes empty, sagas ended.
    pub quiescent: bool,
    /// How long the settling took.
    pub waited_ms: u64,
    /// How long it was allowed to take.
    pub deadline_ms: u64,
    /// What was still missing when the waiting ended, for people.
    #[serde(default)]
    pub missing: Vec<String>,
}

impl Settle {
    /// Whether the stack was whole, so that what is unfinished is the shop's own fault.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.load_stopped && self.faults_healed && self.converged
    }
}

/// What the writers beside the database nodes saw, and what they did not see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectWrites {
    /// The nodes beside which a writer began: a standby's acknowledges nothing, and is there all the same.
    pub begun: Vec<String>,
    pub writes: Vec<DirectWrite>,
    /// When a node was there and nobody can say what it acknowledged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<WriterGap>,
}

/// A write that went straight to one database node, past every pool, and that the node acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectWrite {
    pub database: String,
    pub node: String,
    /// What the node wrote it on. A promotion begins a new one.
    pub timeline: u32,
    /// Unix microseconds before it was sent. With the node it is the write's name; it orders nothing, for a wall clock may step.
    pub sent_us: i64,
    /// The boot of the host that the two times below count from. Times of two boots have no order.
    pub boot: String,
    /// Microseconds on the host's monotonic clock, before it was sent.
    pub sent_at_us: u64,
    /// Microseconds on the same clock, when its acknowledgement had arrived.
    pub acked_at_us: u64,
}

/// A stretch of time in which a node was there and its writer was not heard. Times are microseconds on the history's clock, 0
/// for what was before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterGap {
    pub node: String,
    pub from_us: u64,
    pub until_us: u64,
    pub cause: GapCause,
}

/// Why a writer was not heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// It could not be put beside its node, for the reason given.
    NotPlaced(String),
    /// What it prints broke off, or never began.
    Silent,
    /// So many of its lines could not be read.
    Unread(u64),
    /// The engine could not say which containers there are, for the reason given.
    NotFollowed(String),
}

/// Two writable primaries at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitBrain {
    pub database: String,
    pub nodes: Vec<String>,
    pub at_us: u64,
    /// How many looks in a row saw the same.
    pub looks: u32,
}

impl SplitBrain {
    /// Whether it is certain: one look alone may have met a node in the middle of its change of roles.
    #[must_use]
    pub fn is_agreed(&self) -> bool {
        self.looks >= LOOKS_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(seen_ms: u64, until: HeldUntil) -> Held {
        Held {
            planned_ms: 15_000,
            seen_ms,
            until,
        }
    }

    #[test]
    fn a_fault_that_was_held_too_short_says_what_ended_it() {
        for (held, text) in [
            (held(15_020, HeldUntil::Lifted), "held 15.0 of 15 s"),
            (held(14_500, HeldUntil::Lifted), "held 14.5 of 15 s"),
            (
                held(1_290, HeldUntil::Gone),
                "held 1.2 of 15 s, then it was gone",
            ),
            (
                held(0, HeldUntil::TaskEnded),
                "held 0.0 of 15 s, then its task had ended",
            ),
        ] {
            assert_eq!(held.to_string(), text);
        }
    }

    #[test]
    fn a_look_interval_is_all_that_may_be_missing() {
        assert!(held(14_500, HeldUntil::Lifted).is_as_planned());
        assert!(!held(14_499, HeldUntil::Lifted).is_as_planned());
    }
}

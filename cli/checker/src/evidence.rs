//! What the harness saw besides the clients' history: faults, healing, settling. A PASS is earned with it.

use serde::{Deserialize, Serialize};

/// Everything seen around one run. Times are microseconds on the history's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Every planned fault, in the order of the plan, whether it happened or not.
    pub faults: Vec<FaultEvidence>,
    pub settle: Settle,
    /// Two primaries of one database, each seen writable while the other was.
    #[serde(default)]
    pub split_brains: Vec<SplitBrain>,
    /// What each database node acknowledged to a writer of its own; `None` where nobody wrote to nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_writes: Option<Vec<DirectWrite>>,
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
    /// When the service's database took a probe write again, where that was watched.
    #[serde(default)]
    pub writable_us: Option<u64>,
    /// How soon what was to come of it.
    #[serde(default)]
    pub expected: Expected,
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
    /// Whether everything that proves its effect was seen.
    #[must_use]
    pub fn took_effect(&self) -> bool {
        self.effective_us.is_some() && self.missing.is_empty()
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

/// A write that went straight to one database node, past every pool, and that the node acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectWrite {
    pub database: String,
    pub node: String,
    /// What the node wrote it on. A promotion begins a new one.
    pub timeline: u32,
    /// Unix microseconds before it was sent: with the node, its name.
    pub sent_us: i64,
    /// Unix microseconds, by the same clock, when its acknowledgement had arrived.
    pub acked_us: i64,
}

/// Two writable primaries at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitBrain {
    pub database: String,
    pub nodes: Vec<String>,
    pub at_us: u64,
}

//! How a node comes up, as a pure function of its data directory, its durable state and its peers.
//!
//! **Invariant:** a node that was primary never becomes writable on its own word. The two exceptions lead no
//! third node astray: a cluster of one, and the first primary of a cluster nobody has joined yet.

use std::time::Duration;

use protocol::db::NodeState;

use crate::{
    data_dir::DataDir,
    durable::Durable,
    gate::{self, Candidacy, StandBack},
};

/// How long a node that was primary lets the standbys elect one of themselves before it asks to go on.
pub const RESUME_AFTER: Duration = Duration::from_secs(1);
/// So many starts in a row that failed mean that the data is bad.
const FAILED_STARTS_MAX: u8 = 3;

/// What a node knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub node_id: u8,
    /// `None`: the volume is empty.
    pub data: Option<DataDir>,
    pub durable: Durable,
    pub troubles: Troubles,
    /// How long it has been looking for a primary.
    pub waited: Duration,
}

/// What went wrong since the node last ran well. Not durable: a restart may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Troubles {
    /// Its standby could not stream from a healthy primary: it may be on a branch that was given up.
    pub lost_branch: bool,
    pub failed_starts: u8,
}

/// What its peers say: those that answered, of how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peers {
    pub count: usize,
    pub answered: Vec<NodeState>,
}

/// A primary to follow, and the epoch that it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Primary {
    pub name: String,
    pub epoch: u64,
}

impl From<&NodeState> for Primary {
    fn from(state: &NodeState) -> Self {
        Self {
            name: state.name.clone(),
            epoch: state.epoch,
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Make a new cluster and lead it in `epoch`.
    Initialise {
        epoch: u64,
    },
    /// Lead without asking anybody.
    StartPrimary {
        epoch: u64,
    },
    /// Throw away what is there and copy this primary.
    Clone {
        primary: Primary,
    },
    StartStandby {
        follow: Option<Primary>,
    },
    /// Give up what only this node has, and follow this primary.
    Rejoin {
        primary: Primary,
    },
    /// Ask these peers to go on as primary in `epoch`.
    AskResume {
        epoch: u64,
        peers: Vec<String>,
    },
    Wait(Wait),
}

/// Why a node waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Empty, and not sure that all the others are.
    ForPeers,
    /// Empty or unfinished, and there is no primary to copy from.
    ForPrimary,
    /// A peer knows of a later epoch than the only primary in sight.
    StalePrimary(String),
    /// The primary in sight belongs to another cluster.
    ForeignPrimary(String),
    /// It was primary, and the standbys may be electing one of themselves.
    ForElection,
    /// There is no epoch left to lead in.
    EpochsUsedUp,
    /// It was primary, and nobody can vouch for it.
    ForGrant(StandBack),
}

/// Decides how a node comes up.
#[must_use]
pub fn decide(facts: &Facts, peers: &Peers) -> Decision {
    if peers.count == 0 {
        return alone(facts);
    }
    if let Some(primary) = gate::primary_to_follow(facts.durable.epoch, &peers.answered) {
        return join(facts, primary);
    }
    let Some(data) = &facts.data else {
        return without_data(facts, peers);
    };
    if facts.durable.dirty || !data.readable {
        return Decision::Wait(waiting_for_primary(peers));
    }
    if data.is_standby() {
        return Decision::StartStandby { follow: None };
    }
    was_primary(facts, peers)
}

fn alone(facts: &Facts) -> Decision {
    match (gate::next_epoch(facts.durable.epoch), &facts.data) {
        (None, _) => Decision::Wait(Wait::EpochsUsedUp),
        (Some(epoch), None) => Decision::Initialise { epoch },
        (Some(epoch), Some(_)) => Decision::StartPrimary { epoch },
    }
}

fn join(facts: &Facts, primary: &NodeState) -> Decision {
    let follow = Primary::from(primary);
    let Some(data) = facts.data.as_ref().filter(|data| data.readable) else {
        return Decision::Clone { primary: follow };
    };
    if data.system_id != primary.system_id {
        return Decision::Wait(Wait::ForeignPrimary(follow.name));
    }
    // A rewind that was cut short leaves neither the old state nor the new one: another would take it for either.
    if facts.durable.dirty || facts.troubles.failed_starts >= FAILED_STARTS_MAX {
        return Decision::Clone { primary: follow };
    }
    if facts.troubles.lost_branch || !data.is_standby() {
        return Decision::Rejoin { primary: follow };
    }
    Decision::StartStandby {
        follow: Some(follow),
    }
}

fn without_data(facts: &Facts, peers: &Peers) -> Decision {
    let all_empty =
        peers.answered.len() == peers.count && peers.answered.iter().all(|peer| !peer.has_data);
    if all_empty && facts.node_id == 0 {
        let heard = peers
            .answered
            .iter()
            .map(|peer| peer.epoch)
            .max()
            .unwrap_or(0);
        return match gate::next_epoch(facts.durable.epoch.max(heard)) {
            Some(epoch) => Decision::Initialise { epoch },
            None => Decision::Wait(Wait::EpochsUsedUp),
        };
    }
    let unsure = peers.answered.len() < peers.count;
    Decision::Wait(if unsure {
        Wait::ForPeers
    } else {
        waiting_for_primary(peers)
    })
}

fn was_primary(facts: &Facts, peers: &Peers) -> Decision {
    let durable = &facts.durable;
    // Nobody has ever had a copy: nothing was acknowledged, and nobody could vouch for it.
    let never_joined = durable.led == 1
        && durable.epoch == 1
        && peers.answered.len() == peers.count
        && peers.answered.iter().all(|peer| !peer.has_data);
    if never_joined && let Some(epoch) = gate::next_epoch(durable.epoch) {
        return Decision::StartPrimary { epoch };
    }
    if facts.waited < RESUME_AFTER {
        return Decision::Wait(Wait::ForElection);
    }
    match gate::resumption(durable.epoch, durable.led, &peers.answered) {
        Candidacy::Ask { epoch, peers } => Decision::AskResume { epoch, peers },
        Candidacy::StandBack(reason) => Decision::Wait(Wait::ForGrant(reason)),
    }
}

fn waiting_for_primary(peers: &Peers) -> Wait {
    let stale = peers
        .answered
        .iter()
        .find(|peer| peer.role == protocol::db::Role::Primary);
    stale.map_or(Wait::ForPrimary, |peer| {
        Wait::StalePrimary(peer.name.clone())
    })
}

#[cfg(test)]
mod tests;

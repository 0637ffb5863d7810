//! The gate to promotion, as pure functions: who may ask, who may grant, and when a primary has to stop.
//!
//! A node leads an epoch after one peer granted it. [`consider`] and [`confirm`] are the two halves of that
//! peer's decision: between them it writes its promise down and stops feeding every older primary, so the
//! history that `confirm` compares can no longer grow.

use protocol::db::{GrantRefusal, GrantRequest, NodeState, Position, Role, Takeover};

/// So far above every epoch that a node has heard of may one be that it is asked for. A candidate asks for the epoch
/// after the highest that it has heard of itself; it may have heard of more than the granter, as each grant that was
/// promised and then refused uses one up, and a peer may be out of sight for a while. Candidacies are at least 150 ms
/// apart. What is beyond all that would cost: a promotion leaves a file for each epoch that it skips.
pub const EPOCHS_AHEAD_MAX: u64 = 1000;
/// An epoch is also the number of a timeline, which has 32 bits.
pub const EPOCH_MAX: u64 = 0xFFFF_FFFE;

/// Whether a request can be that of a peer at all, whatever this node is. `heard` is the highest epoch that it has
/// heard of, its own included.
///
/// # Errors
/// Why not. Nothing is to be done for such a request, and nothing to be noted.
pub fn admit(peers: &[String], heard: u64, request: &GrantRequest) -> Result<(), GrantRefusal> {
    if !peers.contains(&request.candidate) {
        return Err(GrantRefusal::Stranger);
    }
    let history = match request.action {
        Takeover::Promote { position } => position.epoch,
        Takeover::Resume { led } => led,
    };
    let most = heard.saturating_add(EPOCHS_AHEAD_MAX).min(EPOCH_MAX);
    if request.epoch > most || history >= request.epoch {
        return Err(GrantRefusal::Unbelievable);
    }
    Ok(())
}

/// The epoch after this one; `None`: there are no more.
#[must_use]
pub fn next_epoch(epoch: u64) -> Option<u64> {
    epoch.checked_add(1).filter(|next| *next <= EPOCH_MAX)
}

/// What a node is when it is asked for a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Without data: whatever it once promised is lost with it.
    Empty,
    /// A rewind or clone over its data has not finished. `led` is the epoch that it led, if it has followed nobody
    /// since; 0 otherwise.
    Dirty { led: u64 },
    /// Writable.
    Primary,
    /// Asking for grants, promoting, or starting as primary.
    Promoting,
    /// A clean standby. `position` is `None` while it cannot tell: PostgreSQL is not up.
    Standby {
        streaming: bool,
        position: Option<Position>,
    },
    /// It was primary of epoch `led`, and its PostgreSQL is down.
    Stopped { led: u64 },
}

/// Whether a node of this epoch and standing may promise to follow `request`.
///
/// # Errors
/// Why not. A refusal from here leaves the node as it was.
pub fn consider(
    epoch: u64,
    standing: Standing,
    request: &GrantRequest,
) -> Result<(), GrantRefusal> {
    match standing {
        Standing::Primary => Err(GrantRefusal::Primary),
        Standing::Promoting => Err(GrantRefusal::Promoting),
        Standing::Empty | Standing::Dirty { led: 0 } => Err(GrantRefusal::NoData),
        Standing::Standby {
            streaming: true, ..
        } => Err(GrantRefusal::Streaming),
        Standing::Standby { .. } | Standing::Stopped { .. } | Standing::Dirty { .. }
            if request.epoch <= epoch =>
        {
            Err(GrantRefusal::Epoch)
        }
        Standing::Standby { position: None, .. } => Err(GrantRefusal::NotReady),
        Standing::Standby {
            position: Some(mine),
            ..
        } => confirm(mine, request),
        Standing::Stopped { led } | Standing::Dirty { led } => confirm_stopped(led, request),
    }
}

/// The last word of a standby that has promised and is fenced: does the candidate hold all it holds?
///
/// # Errors
/// [`GrantRefusal::MoreHistory`]. The promise stands all the same: the epoch is used up.
pub fn confirm(mine: Position, request: &GrantRequest) -> Result<(), GrantRefusal> {
    let enough = match request.action {
        Takeover::Promote { position } => position >= mine,
        // A primary flushes before its standbys do: it holds all of the epoch it led.
        Takeover::Resume { led } => led >= mine.epoch,
    };
    if enough {
        Ok(())
    } else {
        Err(GrantRefusal::MoreHistory)
    }
}

/// A node that was primary may hold commits that only it and one standby have, so it vouches only for a node
/// whose history began after its own reign: that one was found complete when it took over. What has become of its
/// data since is all the same.
fn confirm_stopped(led: u64, request: &GrantRequest) -> Result<(), GrantRefusal> {
    let theirs = match request.action {
        Takeover::Promote { position } => position.epoch,
        Takeover::Resume { led } => led,
    };
    if theirs > led {
        Ok(())
    } else {
        Err(GrantRefusal::MoreHistory)
    }
}

/// A node that lost its primary, as it weighs whether to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub name: &'a str,
    pub id: u8,
    pub epoch: u64,
    pub position: Position,
    /// It has waited long enough for an equal with a lower id.
    pub patient: bool,
}

/// What a node without a primary does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidacy {
    /// Ask these peers, in this order, to be led in `epoch`.
    Ask {
        epoch: u64,
        peers: Vec<String>,
    },
    StandBack(StandBack),
}

/// Why a node does not stand now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StandBack {
    /// The peer still streams from a living primary: ours is a false alarm.
    PeerStreams(String),
    PeerLeads(String),
    PeerPromotes(String),
    /// The peer holds more, or as much under a lower id: it goes first.
    PeerGoesFirst(String),
    /// Nobody who could grant answers.
    NobodyToAsk,
    /// There is no epoch left to lead in.
    EpochsUsedUp,
}

/// Whether a standby without a primary stands for promotion, given what its peers said just now.
#[must_use]
pub fn candidacy(me: Candidate<'_>, peers: &[NodeState]) -> Candidacy {
    let mut ask = Vec::new();
    for peer in peers {
        let name = || peer.name.clone();
        match peer.role {
            Role::Primary if peer.epoch >= me.epoch => {
                return Candidacy::StandBack(StandBack::PeerLeads(name()));
            }
            Role::Promoting => return Candidacy::StandBack(StandBack::PeerPromotes(name())),
            Role::Standby if peer.streaming => {
                return Candidacy::StandBack(StandBack::PeerStreams(name()));
            }
            Role::Standby if peer.position() > me.position => {
                return Candidacy::StandBack(StandBack::PeerGoesFirst(name()));
            }
            Role::Standby
                if peer.position() == me.position && peer.node_id < me.id && !me.patient =>
            {
                return Candidacy::StandBack(StandBack::PeerGoesFirst(name()));
            }
            Role::Standby => ask.push(name()),
            Role::Waiting if peer.has_data && peer.data_epoch < me.position.epoch => {
                ask.push(name())
            }
            // A primary of an older epoch stops by itself as soon as it hears of ours.
            Role::Primary | Role::Starting | Role::Waiting => {}
        }
    }
    asking(me.epoch, ask, peers)
}

/// Whether a node that was primary of epoch `led` asks to go on.
#[must_use]
pub fn resumption(epoch: u64, led: u64, peers: &[NodeState]) -> Candidacy {
    let mut ask = Vec::new();
    for peer in peers {
        let name = || peer.name.clone();
        match peer.role {
            Role::Primary => return Candidacy::StandBack(StandBack::PeerLeads(name())),
            Role::Promoting => return Candidacy::StandBack(StandBack::PeerPromotes(name())),
            Role::Standby if peer.streaming => {
                return Candidacy::StandBack(StandBack::PeerStreams(name()));
            }
            Role::Standby if peer.data_epoch <= led => ask.push(name()),
            Role::Waiting if peer.has_data && peer.data_epoch < led => ask.push(name()),
            Role::Standby | Role::Starting | Role::Waiting => {}
        }
    }
    asking(epoch, ask, peers)
}

fn asking(epoch: u64, ask: Vec<String>, peers: &[NodeState]) -> Candidacy {
    if ask.is_empty() {
        return Candidacy::StandBack(StandBack::NobodyToAsk);
    }
    let heard = peers.iter().map(|peer| peer.epoch).max().unwrap_or(0);
    match next_epoch(epoch.max(heard)) {
        Some(epoch) => Candidacy::Ask { epoch, peers: ask },
        None => Candidacy::StandBack(StandBack::EpochsUsedUp),
    }
}

/// The peer whose epoch shows that a primary of `epoch` has been, or is being, succeeded.
#[must_use]
pub fn succeeded(epoch: u64, peers: &[NodeState]) -> Option<&NodeState> {
    peers.iter().find(|peer| peer.epoch > epoch)
}

/// The primary to follow for a node that knows of `epoch`: never one that anybody knows to be succeeded.
#[must_use]
pub fn primary_to_follow(epoch: u64, peers: &[NodeState]) -> Option<&NodeState> {
    let heard = peers.iter().map(|peer| peer.epoch).fold(epoch, u64::max);
    peers
        .iter()
        .find(|peer| peer.role == Role::Primary && peer.epoch >= heard)
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

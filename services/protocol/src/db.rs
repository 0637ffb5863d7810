//! What a database node says of itself on `GET http://NODE:8008/state`, and how nodes ask for a grant.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The port on which `db-node` answers.
pub const DB_NODE_PORT: u16 = 8008;
/// The port of PostgreSQL on each node.
pub const POSTGRES_PORT: u16 = 5432;
/// The database and the role of the services on every cluster.
pub const DATABASE: &str = "webshop";
pub const APP_ROLE: &str = "webshop";

/// A position in the write-ahead log, in bytes; written as PostgreSQL does, `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl std::str::FromStr for Lsn {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (high, low) = text.split_once('/').unwrap_or(("", text));
        let high = if high.is_empty() {
            0
        } else {
            u64::from_str_radix(high, 16)?
        };
        Ok(Self(
            (high << 32) | u64::from(u32::from_str_radix(low, 16)?),
        ))
    }
}

impl Serialize for Lsn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lsn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a node is doing right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Writable, at the node's epoch.
    Primary,
    /// In recovery.
    Standby,
    /// Between roles: promoting, or starting as primary. Not writable yet.
    Promoting,
    /// Coming up: initialising, cloning, rewinding, or PostgreSQL is starting.
    Starting,
    /// Has data but nobody to follow and no grant: not writable, waiting.
    Waiting,
}

/// A node's own account. Services route to the [`Role::Primary`] of the highest epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// The node's DNS name, e.g. `stock-db-1`.
    pub name: String,
    /// 0, 1 or 2.
    pub node_id: u8,
    pub role: Role,
    /// The highest epoch this node has led, granted or followed.
    pub epoch: u64,
    pub has_data: bool,
    /// PostgreSQL's timeline; 0 before there is data.
    pub timeline: u32,
    /// Primary: flushed. Standby: received or replayed, the greater.
    pub lsn: Lsn,
    /// A standby whose walreceiver streams right now.
    pub streaming: bool,
    /// PostgreSQL's system identifier as a decimal string, empty before there is data.
    pub system_id: String,
    /// The latest epoch whose beginning stands in this node's own data: what it holds, not what it heard of.
    #[serde(default)]
    pub data_epoch: u64,
    /// A primary to which no standby is attached whose receipt its commits wait for: it acknowledges nothing.
    #[serde(default)]
    pub alone: bool,
    /// The node that this one streams from, or waits to stream from.
    #[serde(default)]
    pub following: Option<String>,
}

impl NodeState {
    /// How much of the cluster's history this node holds.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            epoch: self.data_epoch,
            lsn: self.lsn,
        }
    }
}

/// How much history a node holds. Of two nodes, the greater holds every commit that the other may have acknowledged.
///
/// The epoch comes first: a deposed primary's log may be longer and yet lack what its successor acknowledged.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Position {
    /// The latest epoch whose beginning stands in the data.
    pub epoch: u64,
    pub lsn: Lsn,
}

/// Asks a peer for its word that it feeds nobody older than `epoch`: the body of `POST /grant`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRequest {
    /// The node that wants to lead.
    pub candidate: String,
    /// The epoch it wants to lead; above every epoch it has heard of.
    pub epoch: u64,
    pub action: Takeover,
}

/// How the candidate would become primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Takeover {
    /// A standby with this much history wants to be promoted.
    Promote { position: Position },
    /// The primary of epoch `led` came back and wants to go on.
    Resume { led: u64 },
}

/// The answer to a [`GrantRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantAnswer {
    /// The node that answers.
    pub name: String,
    /// Its epoch after the answer.
    pub epoch: u64,
    /// `None`: granted.
    pub refusal: Option<GrantRefusal>,
}

/// Why a grant is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantRefusal {
    /// It streams from a living primary: a false alarm.
    Streaming,
    /// It is the primary.
    Primary,
    /// It is becoming primary itself.
    Promoting,
    /// It has granted, led or followed this epoch or a higher one.
    Epoch,
    /// It may hold acknowledged commits that the candidate lacks.
    MoreHistory,
    /// Its data is gone, unfinished or half rewound: its word is worth nothing.
    NoData,
    /// Its PostgreSQL is not up yet, so it cannot tell what it holds.
    NotReady,
    /// The candidate is none of its peers.
    Stranger,
    /// No candidate can have come to such an epoch, or to such a history, in the ordinary way.
    Unbelievable,
}

impl fmt::Display for GrantRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Streaming => "it streams from a living primary",
            Self::Primary => "it is the primary",
            Self::Promoting => "it is becoming primary itself",
            Self::Epoch => "it knows of this epoch or a higher one",
            Self::MoreHistory => "it holds more history",
            Self::NoData => "it has no data to vouch for",
            Self::NotReady => "its PostgreSQL is not up",
            Self::Stranger => "the candidate is none of its peers",
            Self::Unbelievable => "no candidate comes to such an epoch",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_epoch_outweighs_a_longer_log() {
        let deposed = Position {
            epoch: 1,
            lsn: Lsn(900),
        };
        let successor = Position {
            epoch: 2,
            lsn: Lsn(500),
        };
        assert!(successor > deposed);
    }

    #[test]
    fn an_account_without_the_later_fields_is_read() {
        let text = r#"{"name":"stock-db-1","node_id":1,"role":"standby","epoch":3,"has_data":true,
            "timeline":2,"lsn":"0/10","streaming":true,"system_id":"7"}"#;
        let state: NodeState = serde_json::from_str(text).unwrap();
        assert_eq!(
            state.position(),
            Position {
                epoch: 0,
                lsn: Lsn(16)
            }
        );
    }

    #[test]
    fn an_lsn_reads_back_as_written() {
        for lsn in [Lsn(0), Lsn(0x16_B374_D848), Lsn(u64::MAX)] {
            assert_eq!(lsn.to_string().parse(), Ok(lsn));
        }
        assert_eq!("16/B374D848".parse(), Ok(Lsn(0x16_B374_D848)));
    }
}

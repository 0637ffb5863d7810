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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_lsn_reads_back_as_written() {
        for lsn in [Lsn(0), Lsn(0x16_B374_D848), Lsn(u64::MAX)] {
            assert_eq!(lsn.to_string().parse(), Ok(lsn));
        }
        assert_eq!("16/B374D848".parse(), Ok(Lsn(0x16_B374_D848)));
    }
}

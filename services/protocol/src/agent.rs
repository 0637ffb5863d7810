//! What the CLI asks of the agent inside the network, one JSON value a line.
//!
//! A [`Request`] is answered by one [`Answer::Result`] or [`Answer::Error`]; a streamed one by any number
//! of [`Answer::Item`] and then [`Answer::End`] (or [`Answer::Error`]). Answers to several requests may
//! interleave; `id` tells them apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ItemId, OrderId, SagaId, UserId,
    db::{Lsn, NodeState},
    primary::{self, Account},
};

/// A question, under an id of the asker's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub id: u64,
    #[serde(flatten)]
    pub op: Op,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// Answered by `"pong"`.
    Ping,
    /// Every database node's own account: `Vec<`[`Cluster`]`>`. Cheap: no SQL.
    Databases,
    /// Every primary's view of its standbys: `Vec<`[`Replication`]`>`.
    Replication,
    /// Brokers, controller and partitions: [`Kafka`].
    Kafka,
    /// How far every lane and the sagas are: [`Lanes`].
    Lanes,
    /// Every replica of every service, by DNS, and its health: `Vec<`[`ServiceReplica`]`>`.
    Services,
    /// Whether Redis answers: [`Redis`].
    Redis,
    /// Commits one synchronously replicated record on the cluster's primary: [`Probe`].
    ProbeWrite { cluster: String },
    /// Streamed [`Rows`]: everything a verdict needs, from every primary, one transaction a database.
    /// Of the ledgers only what is after `since`, and nothing but their ends where it is `None`.
    Snapshot { since: Option<Watermarks> },
    /// The writes that went straight to nodes, as every primary holds them: `Vec<`[`DirectRows`]`>`.
    DirectRows { since_us: i64 },
    /// Row counts and digests of every replicated table on every node: `Vec<`[`ClusterDigest`]`>`.
    Digests,
    /// What every part of the stack has counted of its own work: [`Counters`].
    Counters,
}

/// The agent's answer to the request of the same id. `T` is a JSON value, still unread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response<T> {
    pub id: u64,
    #[serde(flatten)]
    pub answer: Answer<T>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    Result(T),
    Item(T),
    /// How many items were sent: a stream that lost one is not complete.
    End(u64),
    /// What was attempted and why it failed, for people.
    Error(String),
}

/// One database cluster, e.g. `stock`, as its nodes tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    pub name: String,
    pub nodes: Vec<Node>,
}

impl Cluster {
    /// Its primaries, of the highest epoch first, as [`primary::primaries`] defines them: by the nodes' own accounts.
    #[must_use]
    pub fn primaries(&self) -> Vec<&NodeState> {
        let found = primary::primaries(&self.nodes, |node| Account::own(node.state.as_ref()));
        found
            .into_iter()
            .filter_map(|node| node.state.as_ref())
            .collect()
    }
}

/// A node and what it answered on `/state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub name: String,
    pub state: Option<NodeState>,
    /// Why there is no `state`.
    pub error: Option<String>,
}

/// What one cluster's primary knows of its standbys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replication {
    pub cluster: String,
    /// `None`: there is no primary, or it could not be asked.
    pub primary: Option<String>,
    pub standbys: Vec<Standby>,
    pub error: Option<String>,
}

/// A row of `pg_stat_replication`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standby {
    pub name: String,
    pub state: String,
    pub sync_state: String,
    pub replay_lsn: Option<Lsn>,
    /// WAL that the primary has flushed and the standby has not replayed.
    pub lag_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kafka {
    pub brokers: Vec<Broker>,
    /// The leader of the metadata quorum; `None` while there is none.
    pub controller: Option<i32>,
    pub partitions: Vec<Partition>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    pub broker_id: i32,
    pub host: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    pub topic: String,
    pub partition: i32,
    /// `None` while the partition has no leader.
    pub leader: Option<i32>,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    /// The offset that the next record gets; `None` where it cannot be read.
    pub log_end: Option<i64>,
}

/// The lanes of every service and the sagas that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lanes {
    pub lanes: Vec<LaneState>,
    pub sagas_open: i64,
}

/// One row of a service's `lane` table, beside the end of its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    pub service: String,
    pub topic: String,
    pub partition: i32,
    pub next_offset: i64,
    pub published_offset: i64,
    pub holder: String,
    /// `None` where Kafka could not be asked.
    pub log_end: Option<i64>,
}

impl LaneState {
    /// Nothing is waiting in the log and every reply is known to be published.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.log_end == Some(self.next_offset) && self.published_offset == self.next_offset
    }
}

/// One task of a service as DNS and its `/health` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReplica {
    pub service: String,
    pub address: String,
    pub healthy: bool,
    /// Why it is not healthy.
    pub error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redis {
    pub answers: bool,
    pub error: Option<String>,
}

/// A write that a primary has committed and one standby has flushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub node: String,
    pub timeline: u32,
}

/// A line of `agent write`, which writes straight to one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriterLine {
    /// The first line: it runs, on a host of this boot.
    Begun { boot: String },
    /// It runs; printed at least once a second where nothing is acknowledged.
    Alive,
    /// The node acknowledged a write.
    Wrote(DirectWrite),
}

/// A write that went straight to one node and that it acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectWrite {
    /// What the node wrote it on.
    pub timeline: u32,
    /// Microseconds since 1970 before it was sent: names it among the node's writes, and orders nothing.
    pub sent_us: i64,
    /// Microseconds on the monotonic clock of the host before it was sent. All containers of a host share it.
    pub sent_at_us: u64,
    /// Microseconds on the same clock when its acknowledgement had arrived.
    pub acked_at_us: u64,
}

/// The direct writes that the primary of a cluster holds: the node that took each, and when it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectRows {
    pub cluster: String,
    pub rows: Vec<(String, i64)>,
}

/// The last row of each effect ledger at some moment; 0 for an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Watermarks {
    pub stock: i64,
    pub payment: i64,
}

/// Where the effect ledgers end, and how much is in them up to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LedgerEnds {
    pub last: Watermarks,
    pub stock_rows: u64,
    pub payment_rows: u64,
}

/// Where the rows that follow are read: the node, and the timeline that it is on in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSource {
    pub cluster: String,
    pub node: String,
    pub timeline: u32,
}

/// A batch of rows of one kind. Rows are tuples, so that a large shop stays a small stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    Source(RowSource),
    Orders(Vec<OrderRow>),
    /// User and credit.
    Users(Vec<(UserId, i64)>),
    /// Item, price and stock.
    Items(Vec<(ItemId, i64, i64)>),
    StockMovements(Vec<StockMovement>),
    PaymentMovements(Vec<PaymentMovement>),
    /// Sagas that have not ended: saga, order, state, and how many seconds ago it began.
    Sagas(Vec<(SagaId, OrderId, String, i64)>),
    Ends(LedgerEnds),
}

/// Order, user, paid, total cost, lines.
pub type OrderRow = (OrderId, UserId, bool, i64, Vec<OrderLine>);
/// Item, quantity, price of one piece when it was added.
pub type OrderLine = (ItemId, i64, i64);
/// Movement, saga, order, item, delta (< 0 taken, > 0 given back), microseconds since 1970.
pub type StockMovement = (i64, SagaId, OrderId, ItemId, i64, i64);
/// Movement, saga, order, user, delta (< 0 charged, > 0 refunded), microseconds since 1970.
pub type PaymentMovement = (i64, SagaId, OrderId, UserId, i64, i64);

/// The tables of every node of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDigest {
    pub cluster: String,
    pub nodes: Vec<NodeDigest>,
}

/// What stands on one node, read from it directly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDigest {
    pub node: String,
    /// From `pg_is_in_recovery()` on the very connection that read the tables.
    pub in_recovery: bool,
    pub tables: BTreeMap<String, TableDigest>,
    /// A standby: how far it had replayed when its tables were read.
    #[serde(default)]
    pub replayed: Option<Lsn>,
    /// Why `tables` is empty or not comparable.
    pub error: Option<String>,
}

/// What the parts of the stack have counted since each of them started. Only differences mean something, and only where
/// no part was replaced between two looks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// What each cluster's primary counted.
    pub databases: BTreeMap<String, DatabaseCounters>,
    /// Records ever appended to each of the shop's topics.
    pub kafka_records: BTreeMap<String, i64>,
    /// Commands that Redis has processed.
    pub redis_commands: i64,
    /// The metrics of each service, by name with labels, added up over its replicas. Of a histogram its sum and its count.
    pub services: BTreeMap<String, BTreeMap<String, f64>>,
}

/// What a primary counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseCounters {
    /// Transactions that committed, those that only read among them.
    pub commits: i64,
    /// Where its write-ahead log ends.
    pub wal_bytes: i64,
}

/// How many rows a table has, and the sum of their hashes (so their order does not matter).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDigest {
    pub rows: i64,
    pub digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_are_flat_lines() {
        let request = Request {
            id: 7,
            op: Op::ProbeWrite {
                cluster: "stock".to_owned(),
            },
        };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(line, r#"{"id":7,"op":"probe_write","cluster":"stock"}"#);
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        let response = Response::<String> {
            id: 7,
            answer: Answer::Error("stock has no primary".to_owned()),
        };
        let line = serde_json::to_string(&response).unwrap();
        assert_eq!(line, r#"{"id":7,"error":"stock has no primary"}"#);
        assert_eq!(
            serde_json::from_str::<Response<String>>(&line).unwrap(),
            response
        );
    }
}

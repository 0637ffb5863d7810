//! What the databases held: before the load ([`Initial`]) and after it ([`Snapshot`]).
//!
//! Rows are arrays on disk, so that 100 000 orders with their movements stay in a file that is quick to
//! read. Times are Unix microseconds, as the databases' clocks gave them.

use protocol::{
    ItemId, OrderId, SagaId, UserId,
    db::{Lsn, NodeState, Role},
    primary::{Account, primaries},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::contents::Digest;

mod differences;
mod parse;
mod row;
mod rows;

pub use differences::{Difference, differences};
pub(crate) use differences::{repetitions, row_differences};
pub use parse::{ORDER_LINES_MAX, SecondRead};
pub use rows::Rows;

use row::row;

/// What an [`Initial`]'s `format` says.
pub const INITIAL_FORMAT: &str = "webshop-initial";
/// What a [`Snapshot`]'s `format` says.
pub const SNAPSHOT_FORMAT: &str = "webshop-snapshot";
/// The version of both that this checker reads.
pub const VERSION: u32 = 2;

row! {
    /// One line of an order.
    #[derive(Copy)]
    pub struct OrderLine { item_id: ItemId, quantity: i64, price: i64 }
}
row! {
    /// A row of `shop_order` with its lines.
    pub struct OrderRow {
        order_id: OrderId, user_id: UserId, paid: bool, total_cost: i64, lines: Box<[OrderLine]>,
    }
}
row! {
    /// A row of `account`.
    #[derive(Copy)]
    pub struct UserRow { user_id: UserId, credit: i64 }
}
row! {
    /// A row of `item`.
    #[derive(Copy)]
    pub struct ItemRow { item_id: ItemId, price: i64, stock: i64 }
}
row! {
    /// A row of `stock_movement`: `delta` < 0 was taken, > 0 was given back.
    #[derive(Copy)]
    pub struct StockMovement {
        movement_id: i64, saga_id: SagaId, order_id: OrderId, item_id: ItemId, delta: i64,
        recorded_at_us: i64,
    }
}
row! {
    /// A row of `payment_movement`: `delta` < 0 was charged, > 0 was refunded.
    #[derive(Copy)]
    pub struct PaymentMovement {
        movement_id: i64, saga_id: SagaId, order_id: OrderId, user_id: UserId, delta: i64,
        recorded_at_us: i64,
    }
}
row! {
    /// A saga that has not ended.
    pub struct SagaRow { saga_id: SagaId, order_id: OrderId, state: String, age_s: i64 }
}
row! {
    /// A digest over all rows of one table, computed in the database.
    pub struct TableDigest { table: String, rows: u64, digest: String }
}

row! {
    /// Where the rows of a database were read: the node, and the timeline that it was on in the same transaction.
    pub struct Source { database: String, node: String, timeline: u32 }
}

row! {
    /// A row of `direct_write`, on the primary of the database.
    pub struct DirectRow { database: String, node: String, sent_us: i64 }
}

/// A node of a database, asked directly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    pub name: String,
    /// Its own account; `None` if it did not answer.
    pub state: Option<NodeState>,
    /// What PostgreSQL itself said on the connection that read the tables; `None` if it was not read.
    pub in_recovery: Option<bool>,
    /// Digests of the tables that the replicas must share; a standby's are taken after it replayed what
    /// the primary had flushed when its own were taken.
    pub tables: Vec<TableDigest>,
    /// A standby: how far it had replayed when its tables were read.
    #[serde(default)]
    pub replayed: Option<Lsn>,
    /// Why the tables are missing or not comparable.
    pub error: Option<String>,
}

impl NodeView {
    /// What is known of it, as primaries are told by.
    #[must_use]
    pub fn account(&self) -> Account<'_> {
        Account {
            state: self.state.as_ref(),
            in_recovery: self.in_recovery,
        }
    }

    /// Whether its PostgreSQL answered, and the node has come to rest in a role: what it says of itself then holds.
    #[must_use]
    pub fn serves(&self) -> bool {
        let at_rest = |state: &NodeState| matches!(state.role, Role::Primary | Role::Standby);
        self.in_recovery.is_some() && self.state.as_ref().is_some_and(at_rest)
    }

    /// Its digest of a table.
    pub(crate) fn digest(&self, table: &str) -> Option<&TableDigest> {
        self.tables.iter().find(|digest| digest.table == table)
    }
}

/// A database: the nodes of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseView {
    /// `order`, `payment` or `stock`.
    pub name: String,
    pub nodes: Vec<NodeView>,
}

impl DatabaseView {
    /// Its primaries at this look, of the highest epoch first.
    #[must_use]
    pub fn primaries(&self) -> Vec<&NodeView> {
        primaries(&self.nodes, NodeView::account)
    }
}

/// How far the work on a topic's partition is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneView {
    pub topic: String,
    pub partition: i32,
    /// The first offset not applied.
    pub next_offset: i64,
    /// Replies to everything below are known to be published.
    pub published_offset: i64,
    /// The end of the log; `None` where it could not be read.
    pub end_offset: Option<i64>,
}

impl LaneView {
    /// Whether nothing is waiting in it.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.end_offset == Some(self.next_offset) && self.published_offset == self.next_offset
    }
}

row! {
    /// An order as `GET /orders/find` answered.
    #[derive(Copy)]
    pub struct ApiOrder {
        order_id: OrderId, user_id: UserId, paid: bool, total_cost: i64, contents: Digest,
    }
}

impl OrderRow {
    /// The digest of everything in it but the paid flag and the prices.
    #[must_use]
    pub fn contents(&self) -> Digest {
        let lines = self.lines.iter();
        let lines = lines.map(|line| (line.item_id, line.quantity));
        Digest::of(self.user_id, self.total_cost, lines)
    }
}

impl From<&OrderRow> for ApiOrder {
    /// What the API must answer for this row.
    fn from(row: &OrderRow) -> Self {
        Self {
            order_id: row.order_id,
            user_id: row.user_id,
            paid: row.paid,
            total_cost: row.total_cost,
            contents: row.contents(),
        }
    }
}

/// Something that a check can speak of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Order(OrderId),
    User(UserId),
    Item(ItemId),
    Database(String),
    Lane(String),
}

/// The reads across the public API, made after the rows of the same snapshot were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiReads {
    pub orders: Vec<ApiOrder>,
    pub users: Vec<UserRow>,
    pub items: Vec<ItemRow>,
    /// The API said that there is no such thing (4xx).
    pub absent: Vec<Subject>,
    /// How many reads got no answer that counts, after retries.
    pub unanswered: u64,
}

impl ApiReads {
    /// Whether nothing was read.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What was there before the load, read while the shop was quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initial {
    pub format: String,
    pub version: u32,
    /// The id of the run that it is of.
    pub run: String,
    pub taken_at_us: i64,
    pub users: Vec<UserRow>,
    pub items: Vec<ItemRow>,
    /// Every order that was there: they must still be there at the end, and their lines are what was ordered.
    #[serde(default)]
    pub orders: Vec<OrderRow>,
    /// Orders that were paid before the load: they must stay so, and a checkout of them changes nothing.
    #[serde(default)]
    pub paid_orders: Vec<OrderId>,
    /// The highest `stock_movement.movement_id`, 0 if there was none.
    pub stock_watermark: i64,
    /// The highest `payment_movement.movement_id`, 0 if there was none.
    pub payment_watermark: i64,
    /// How many rows of `stock_movement` there were up to the watermark.
    pub stock_movements: u64,
    /// How many rows of `payment_movement` there were up to the watermark.
    pub payment_movements: u64,
    /// Sagas that had not ended: there must be none.
    #[serde(default)]
    pub sagas: Vec<SagaRow>,
}

impl Default for Initial {
    /// An empty shop, with format and version filled in.
    fn default() -> Self {
        Self {
            format: INITIAL_FORMAT.to_owned(),
            version: VERSION,
            run: String::new(),
            taken_at_us: 0,
            users: Vec::new(),
            items: Vec::new(),
            orders: Vec::new(),
            paid_orders: Vec::new(),
            stock_watermark: 0,
            payment_watermark: 0,
            stock_movements: 0,
            payment_movements: 0,
            sagas: Vec::new(),
        }
    }
}

/// Which of the two independent witnesses a final read has. The lists of the other one are empty, and say
/// nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witnesses {
    #[default]
    Both,
    /// Users' credit, items' stock and orders' paid flags, without what each order moved.
    Balances,
    /// What each order moved, without balances and paid flags.
    Ledgers,
    /// There is no final read.
    None,
}

impl Witnesses {
    /// Whether nothing is missing.
    #[must_use]
    pub fn are_both(&self) -> bool {
        *self == Self::Both
    }

    /// Whether balances and paid flags were read.
    #[must_use]
    pub fn have_balances(self) -> bool {
        matches!(self, Self::Both | Self::Balances)
    }

    /// Whether the ledgers were read.
    #[must_use]
    pub fn have_ledgers(self) -> bool {
        matches!(self, Self::Both | Self::Ledgers)
    }
}

/// One final read of everything. `Snapshot { users, ..Snapshot::default() }` fills format and version in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub format: String,
    pub version: u32,
    /// The id of the run that it is of.
    pub run: String,
    pub taken_at_us: i64,
    /// Where the rows of each database were read.
    pub sources: Vec<Source>,
    /// Which of the two witnesses were read.
    #[serde(default, skip_serializing_if = "Witnesses::are_both")]
    pub witnesses: Witnesses,
    pub orders: Rows<OrderRow>,
    pub users: Rows<UserRow>,
    pub items: Rows<ItemRow>,
    /// Those above the initial watermark. Older ones are ignored.
    pub stock_movements: Rows<StockMovement>,
    pub payment_movements: Rows<PaymentMovement>,
    /// Sagas that have not ended.
    pub sagas: Vec<SagaRow>,
    pub databases: Vec<DatabaseView>,
    pub lanes: Vec<LaneView>,
    pub api: ApiReads,
    /// The direct writes of the run; `None` where there were none to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_writes: Option<Vec<DirectRow>>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            format: SNAPSHOT_FORMAT.to_owned(),
            version: VERSION,
            run: String::new(),
            taken_at_us: 0,
            sources: Vec::new(),
            witnesses: Witnesses::Both,
            orders: Rows::default(),
            users: Rows::default(),
            items: Rows::default(),
            stock_movements: Rows::default(),
            payment_movements: Rows::default(),
            sagas: Vec::new(),
            databases: Vec::new(),
            lanes: Vec::new(),
            api: ApiReads::default(),
            direct_writes: None,
        }
    }
}

/// Why a text is not what was read from the databases.
#[derive(Debug, Error)]
pub enum SnapshotError {
    #[error("this is not a {format} file")]
    Foreign { format: &'static str },
    #[error("it has version {found}, and this program reads version {VERSION}")]
    Version { found: u32 },
    #[error("malformed or cut short")]
    Malformed(#[source] serde_json::Error),
    #[error("order {order} has {lines} lines, and this program reads at most {ORDER_LINES_MAX}", order = .order.0)]
    Lines { order: OrderId, lines: usize },
}

impl Snapshot {
    /// What stands for a final read where there is none.
    pub(crate) fn missing() -> Self {
        Self {
            witnesses: Witnesses::None,
            ..Self::default()
        }
    }

    /// The primary of a database at this look, of the highest epoch where there are several.
    pub(crate) fn primary(&self, database: &str) -> Option<&NodeView> {
        let view = self.databases.iter().find(|view| view.name == database)?;
        view.primaries().into_iter().next()
    }

    /// Whether every saga has ended and every lane is empty.
    #[must_use]
    pub fn is_quiescent(&self) -> bool {
        self.sagas.is_empty() && self.lanes.iter().all(LaneView::is_drained)
    }
}

//! What the databases held: before the load ([`Initial`]) and after it ([`Snapshot`]).
//!
//! Rows are arrays on disk, so that 100 000 orders with their movements stay in a file that is quick to
//! read. Times are Unix microseconds, as the databases' clocks gave them.

use protocol::{
    ItemId, OrderId, SagaId, UserId,
    db::{NodeState, Role},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

mod differences;
mod row;

pub use differences::{Difference, differences};

use row::row;

/// What an [`Initial`]'s `format` says.
pub const INITIAL_FORMAT: &str = "webshop-initial";
/// What a [`Snapshot`]'s `format` says.
pub const SNAPSHOT_FORMAT: &str = "webshop-snapshot";
/// The version of both that this checker reads.
pub const VERSION: u32 = 1;

row! {
    /// One line of an order.
    #[derive(Copy)]
    pub struct OrderLine { item_id: ItemId, quantity: i64, price: i64 }
}
row! {
    /// A row of `shop_order` with its lines.
    pub struct OrderRow {
        order_id: OrderId, user_id: UserId, paid: bool, total_cost: i64, lines: Vec<OrderLine>,
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
    /// Why the tables are missing or not comparable.
    pub error: Option<String>,
}

impl NodeView {
    /// Whether it says of itself, or PostgreSQL does, that it takes writes.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.in_recovery == Some(false)
            || self
                .state
                .as_ref()
                .is_some_and(|state| state.role == Role::Primary)
    }
}

/// A database: the nodes of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseView {
    /// `order`, `payment` or `stock`.
    pub name: String,
    pub nodes: Vec<NodeView>,
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
    pub struct ApiOrder { order_id: OrderId, user_id: UserId, paid: bool, total_cost: i64 }
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

/// What was there before the load, read while the shop was quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initial {
    pub format: String,
    pub version: u32,
    pub taken_at_us: i64,
    pub users: Vec<UserRow>,
    pub items: Vec<ItemRow>,
    /// Orders that were acknowledged as created before the load, where the harness made them: they must
    /// still be there at the end, and their lines are what was ordered.
    #[serde(default)]
    pub orders: Vec<OrderRow>,
    /// Orders that were paid before the load: they must stay so, and a checkout of them changes nothing.
    #[serde(default)]
    pub paid_orders: Vec<OrderId>,
    /// The highest `stock_movement.movement_id`, 0 if there was none.
    pub stock_watermark: i64,
    /// The highest `payment_movement.movement_id`, 0 if there was none.
    pub payment_watermark: i64,
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
            taken_at_us: 0,
            users: Vec::new(),
            items: Vec::new(),
            orders: Vec::new(),
            paid_orders: Vec::new(),
            stock_watermark: 0,
            payment_watermark: 0,
            sagas: Vec::new(),
        }
    }
}

/// One final read of everything. `Snapshot { users, ..Snapshot::default() }` fills format and version in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub format: String,
    pub version: u32,
    pub taken_at_us: i64,
    pub orders: Vec<OrderRow>,
    pub users: Vec<UserRow>,
    pub items: Vec<ItemRow>,
    /// Those above the initial watermark. Older ones are ignored.
    pub stock_movements: Vec<StockMovement>,
    pub payment_movements: Vec<PaymentMovement>,
    /// Sagas that have not ended.
    pub sagas: Vec<SagaRow>,
    pub databases: Vec<DatabaseView>,
    pub lanes: Vec<LaneView>,
    pub api: ApiReads,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            format: SNAPSHOT_FORMAT.to_owned(),
            version: VERSION,
            taken_at_us: 0,
            orders: Vec::new(),
            users: Vec::new(),
            items: Vec::new(),
            stock_movements: Vec::new(),
            payment_movements: Vec::new(),
            sagas: Vec::new(),
            databases: Vec::new(),
            lanes: Vec::new(),
            api: ApiReads::default(),
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
}

/// What both formats begin with, whatever their version.
#[derive(Deserialize)]
struct Envelope {
    format: String,
    version: u32,
}

fn parse<T: DeserializeOwned>(text: &[u8], format: &'static str) -> Result<T, SnapshotError> {
    let envelope: Envelope = serde_json::from_slice(text).map_err(|error| {
        if error.is_eof() {
            SnapshotError::Malformed(error)
        } else {
            SnapshotError::Foreign { format }
        }
    })?;
    if envelope.format != format {
        return Err(SnapshotError::Foreign { format });
    }
    if envelope.version != VERSION {
        return Err(SnapshotError::Version {
            found: envelope.version,
        });
    }
    serde_json::from_slice(text).map_err(SnapshotError::Malformed)
}

impl Initial {
    /// Reads what was there before the load.
    ///
    /// # Errors
    /// The text is cut short, of another version, or something else altogether.
    pub fn parse(text: &[u8]) -> Result<Self, SnapshotError> {
        parse(text, INITIAL_FORMAT)
    }
}

impl Snapshot {
    /// Reads a final read.
    ///
    /// # Errors
    /// The text is cut short, of another version, or something else altogether.
    pub fn parse(text: &[u8]) -> Result<Self, SnapshotError> {
        parse(text, SNAPSHOT_FORMAT)
    }

    /// Whether every saga has ended and every lane is empty.
    #[must_use]
    pub fn is_quiescent(&self) -> bool {
        self.sagas.is_empty() && self.lanes.iter().all(LaneView::is_drained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Snapshot::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_snapshot_reads_back_as_written_and_cut_short_is_said_so() {
        let snapshot = Snapshot {
            users: vec![UserRow {
                user_id: UserId(1),
                credit: -5,
            }],
            ..Snapshot::default()
        };
        let text = serde_json::to_string(&snapshot).unwrap();
        assert_eq!(Snapshot::parse(text.as_bytes()).unwrap(), snapshot);
        assert_eq!(error(&text[..text.len() / 2]), "malformed or cut short");
    }

    #[test]
    fn another_file_or_version_is_refused() {
        let initial = serde_json::to_string(&Initial::default()).unwrap();
        assert_eq!(error(&initial), "this is not a webshop-snapshot file");
        assert_eq!(error("[1]"), "this is not a webshop-snapshot file");
        assert_eq!(
            error(r#"{"format":"webshop-snapshot","version":9}"#),
            "it has version 9, and this program reads version 1"
        );
    }
}

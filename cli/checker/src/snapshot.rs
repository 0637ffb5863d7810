//! What the databases held: before the load ([`Initial`]) and after it ([`Snapshot`]).
//!
//! Rows are arrays on disk, so that 100 000 orders with their movements stay in a file that is quick to
//! read. Times are Unix microseconds, as the databases' clocks gave them.

use protocol::{ItemId, OrderId, SagaId, UserId, db::NodeState};
use serde::{Deserialize, Serialize};

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
    pub struct SagaRow { saga_id: SagaId, order_id: OrderId, state: String, updated_at_us: i64 }
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
    /// Digests of the tables that the replicas must share, taken at the state's LSN or later.
    pub tables: Vec<TableDigest>,
}

/// A database: the nodes of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseView {
    /// `order`, `payment` or `stock`.
    pub name: String,
    /// Read in this order: the primary first, so that a standby which then has its LSN has its rows.
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
    /// The end of the log.
    pub end_offset: i64,
}

impl LaneView {
    /// Whether nothing is waiting in it.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.next_offset == self.end_offset && self.published_offset == self.next_offset
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
    pub orders: Vec<OrderRow>,
    pub users: Vec<UserRow>,
    pub items: Vec<ItemRow>,
    /// The highest `stock_movement.movement_id`, 0 if there was none.
    pub stock_watermark: i64,
    /// The highest `payment_movement.movement_id`, 0 if there was none.
    pub payment_watermark: i64,
    /// Sagas that had not ended: there must be none.
    pub sagas: Vec<SagaRow>,
}

impl Default for Initial {
    /// An empty shop.
    fn default() -> Self {
        Self {
            format: INITIAL_FORMAT.to_owned(),
            version: VERSION,
            taken_at_us: 0,
            orders: Vec::new(),
            users: Vec::new(),
            items: Vec::new(),
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

impl Snapshot {
    /// Whether every saga has ended and every lane is empty.
    #[must_use]
    pub fn is_quiescent(&self) -> bool {
        self.sagas.is_empty() && self.lanes.iter().all(LaneView::is_drained)
    }
}

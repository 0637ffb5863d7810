//! Bodies of the public HTTP API. Ids are decimal strings there, money and amounts are numbers.

use serde::{Deserialize, Serialize};

use crate::{ItemId, UserId, id::BadId, saga::RefusalCode};

/// The port on which every service of ours listens inside the stack.
pub const SERVICE_PORT: u16 = 8000;

/// Seconds after which a checkout whose outcome is still open is answered as unknown, unless the stack says otherwise.
pub const CHECKOUT_DEADLINE_S: u64 = 30;

/// The body of a business rejection (400).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    pub code: RefusalCode,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCreated {
    pub order_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub order_id: String,
    pub paid: bool,
    /// Item id and quantity, one entry an item.
    pub items: Vec<(String, i64)>,
    pub user_id: String,
    pub total_cost: i64,
}

impl Order {
    /// Whose it is.
    ///
    /// # Errors
    /// [`BadId`]: the shop answered with something else than an id.
    pub fn owner(&self) -> Result<UserId, BadId> {
        self.user_id.parse()
    }

    /// Each line's item and quantity.
    ///
    /// # Errors
    /// [`BadId`]: the shop answered with something else than an id.
    pub fn lines(&self) -> Result<Vec<(ItemId, i64)>, BadId> {
        let lines = self.items.iter();
        let lines = lines.map(|(item, quantity)| Ok((item.parse()?, *quantity)));
        lines.collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemCreated {
    pub item_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub stock: i64,
    pub price: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserCreated {
    pub user_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub user_id: String,
    pub credit: i64,
}

/// The answer of a write that makes no new id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub msg: String,
}

/// The answer of every `batch_init`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchInitialised {
    pub msg: String,
}

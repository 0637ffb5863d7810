//! The wire that the parts of the shop share: ids, money, HTTP bodies, Kafka commands and replies,
//! topic names, and what a database node says of itself.
//!
//! Pure data: serde only, no IO. Start with [`saga`] for the messages of one checkout.

pub mod agent;
pub mod db;
pub mod failpoint;
pub mod http;
pub mod id;
pub mod money;
pub mod outcome;
pub mod primary;
pub mod saga;

pub use id::{ItemId, OrderId, SagaId, UserId};
pub use money::{Credits, Quantity};
pub use outcome::Outcome;

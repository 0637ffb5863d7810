//! The payment service: users, their credit, and what sagas charge to it.
//!
//! [`ledger`] decides and touches nothing; [`worker`] puts its decisions into the database, a batch at a
//! time; [`http`] is the public interface.

pub mod http;
pub mod ledger;
pub mod worker;

/// The schema of the payment database.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

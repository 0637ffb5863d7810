//! The stock service: items, and what sagas reserve of them.
//!
//! [`reservation`] decides and touches nothing; [`worker`] puts its decisions into the database, a batch at a
//! time; [`http`] is the public interface.

pub mod http;
pub mod reservation;
pub mod worker;

/// The schema of the stock database.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

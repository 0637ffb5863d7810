//! The payment service: users, their credit, and what sagas charge to it.
//!
//! [`ledger`] decides and touches nothing; [`worker`] puts its decisions into the database, a batch at a
//! time; [`http`] is the public interface.

pub mod http;
pub mod ledger;
pub mod worker;

use std::convert::Infallible;

use service_core::postgres::{Database, TxError, serializable};

/// The planted bug's other half: the database does not object either.
///
/// # Errors
/// The database gave no answer.
pub async fn allow_debt(db: &Database) -> Result<(), TxError<Infallible>> {
    serializable(db, |tx| {
        Box::pin(async move {
            sqlx::raw_sql(
                "alter table account drop constraint if exists account_credit_nonnegative",
            )
            .execute(&mut **tx)
            .await?;
            Ok(())
        })
    })
    .await
}

/// The schema of the payment database.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

//! What every cluster has: the two roles, the two databases, the table of epochs. Made by the first primary,
//! and put right again by whoever leads.

use std::path::Path;

use protocol::db::{APP_ROLE, DATABASE};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::session::{self, Error};
use crate::config::Secrets;

/// Makes what is missing. The epoch table comes last: a session that finds it finds everything.
///
/// # Errors
/// The server refuses a step; the next attempt continues there.
pub async fn create(socket_dir: &Path, secrets: &Secrets) -> Result<(), Error> {
    let mut connection = session::admin(socket_dir, "postgres").await?;
    roles(&mut connection, secrets).await?;
    for (database, owner) in [(DATABASE, APP_ROLE), ("repmgr", "repmgr")] {
        let exists: bool =
            sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
                .bind(database)
                .fetch_one(&mut connection)
                .await?;
        if !exists {
            let sql = format!("create database {database} owner {owner}");
            connection.execute(AssertSqlSafe(sql)).await?;
        }
    }
    connection.close().await?;
    let mut connection = session::admin(socket_dir, "repmgr").await?;
    for sql in [
        "create extension if not exists repmgr",
        "create schema if not exists ha",
        "create table if not exists ha.epoch (
            epoch bigint primary key,
            node text not null,
            begun_at timestamptz not null default clock_timestamp()
        )",
    ] {
        connection.execute(sql).await?;
    }
    Ok(connection.close().await?)
}

/// Sets the passwords to this stack's secrets: a volume may come from an earlier one.
///
/// # Errors
/// The server refuses.
pub async fn ensure_roles(socket_dir: &Path, secrets: &Secrets) -> Result<(), Error> {
    let mut connection = session::admin(socket_dir, "postgres").await?;
    roles(&mut connection, secrets).await?;
    Ok(connection.close().await?)
}

async fn roles(connection: &mut PgConnection, secrets: &Secrets) -> Result<(), Error> {
    // A statement that fails must not put its password into the log.
    connection
        .execute("set log_min_error_statement = panic")
        .await?;
    // Stretching a password protects one that can be guessed. These are 32 random characters, and the pools and
    // detectors open several connections a second, each of which would hash them 4096 times.
    connection.execute("set scram_iterations = 1").await?;
    for (role, attributes, password) in [
        (APP_ROLE, "login", &secrets.db),
        ("repmgr", "login superuser replication", &secrets.repmgr),
    ] {
        let exists: bool =
            sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
                .bind(role)
                .fetch_one(&mut *connection)
                .await?;
        let verb = if exists { "alter" } else { "create" };
        // Secrets are letters and digits: config.rs refuses anything else.
        let sql = format!("{verb} role {role} {attributes} password '{password}'");
        connection.execute(AssertSqlSafe(sql)).await?;
    }
    // A service that has filled its tables anew writes them out before it says so.
    let grant = format!("grant pg_checkpoint to {APP_ROLE}");
    connection.execute(AssertSqlSafe(grant)).await?;
    Ok(())
}

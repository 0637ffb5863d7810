//! Connections to one node each, never through a pooler and never kept: a node that was replaced answers
//! under a new address, and a verdict must know which node it read.

use std::{path::Path, time::Duration};

use protocol::db::{APP_ROLE, DATABASE, POSTGRES_PORT};
use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::time::timeout;

use crate::{config::Config, error::Error};

/// The bound of one connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to `node` as the role of the services.
pub async fn connect(config: &Config, node: &str) -> Result<PgConnection, Error> {
    let password = secret(&config.db_password_file).await?;
    open(node, DATABASE, APP_ROLE, &password).await
}

/// Connects to whatever listens at `host` as the role of the services.
pub async fn connect_with(host: &str, password: &str) -> Result<PgConnection, Error> {
    open(host, DATABASE, APP_ROLE, password).await
}

/// Connects to `node` as the replication manager, who sees every column of `pg_stat_replication`.
pub async fn connect_as_repmgr(config: &Config, node: &str) -> Result<PgConnection, Error> {
    let password = secret(&config.repmgr_password_file).await?;
    open(node, "repmgr", "repmgr", &password).await
}

async fn secret(path: &Path) -> Result<String, Error> {
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|source| Error::Secret {
            path: path.display().to_string(),
            source,
        })?;
    Ok(text.trim_end().to_owned())
}

async fn open(
    node: &str,
    database: &str,
    role: &str,
    password: &str,
) -> Result<PgConnection, Error> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(node)
        .port(POSTGRES_PORT)
        .database(database)
        .username(role)
        .password(password)
        .ssl_mode(PgSslMode::Disable)
        .application_name("agent")
        .options([("statement_timeout", "60s")]);
    match timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(source)) => Err(Error::Sql {
            node: node.to_owned(),
            attempt: "cannot connect",
            source,
        }),
        Err(_elapsed) => Err(Error::Timeout {
            node: node.to_owned(),
            seconds: CONNECT_TIMEOUT.as_secs(),
        }),
    }
}

/// Says which node a statement failed on.
pub fn failed(node: &str, attempt: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| Error::Sql {
        node: node.to_owned(),
        attempt,
        source,
    }
}

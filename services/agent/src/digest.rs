//! What every node of a cluster holds, as one hash a table: equal on all of them once the standbys have
//! replayed what the primary had flushed.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use protocol::{
    agent::{ClusterDigest, NodeDigest, TableDigest},
    db::Lsn,
};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::{Instant, sleep};

use crate::{
    config::{ClusterNodes, Config},
    databases,
    error::{Error, one_line},
    sql,
};

/// How long a standby may take to replay what the primary had flushed when it was read.
const REPLAY_MAX: Duration = Duration::from_secs(10);
const REPLAY_POLL: Duration = Duration::from_millis(50);
/// How often a standby is read at most. One that has waited for its readers for as long as
/// `max_standby_streaming_delay` cancels them and replays, as while the primary vacuums what a long load left.
const READS_MAX: u32 = 5;
/// What such a reader is told: `serialization_failure`.
const CANCELLED: &str = "40001";

/// The digests of every cluster; a node that cannot be read says so in its own entry.
pub async fn clusters(config: &Config, http: &reqwest::Client) -> Vec<ClusterDigest> {
    join_all(config.clusters.0.iter().map(|nodes| async {
        ClusterDigest {
            cluster: nodes.name.clone(),
            nodes: cluster(config, nodes, http).await,
        }
    }))
    .await
}

async fn cluster(config: &Config, nodes: &ClusterNodes, http: &reqwest::Client) -> Vec<NodeDigest> {
    let primary = match databases::primary(nodes, http).await {
        Ok(state) => state.name,
        Err(error) => {
            let told = one_line(&error);
            return nodes.nodes.iter().map(|n| unread(n, &told)).collect();
        }
    };
    // The primary first: the standbys are compared at its position or later.
    let (first, flushed) = match on_primary(config, &primary).await {
        Ok(read) => read,
        Err(error) => {
            let told = one_line(&error);
            return nodes.nodes.iter().map(|n| unread(n, &told)).collect();
        }
    };
    let standbys = nodes.nodes.iter().filter(|node| **node != primary);
    let others = join_all(standbys.map(|node| async {
        match uncancelled(|| on_standby(config, node, flushed)).await {
            Ok(digest) => digest,
            Err(error) => unread(node, &one_line(&error)),
        }
    }))
    .await;
    let mut all = vec![first];
    all.extend(others);
    all
}

fn unread(node: &str, why: &str) -> NodeDigest {
    NodeDigest {
        node: node.to_owned(),
        in_recovery: false,
        tables: BTreeMap::new(),
        replayed: None,
        error: Some(why.to_owned()),
    }
}

async fn on_primary(config: &Config, node: &str) -> Result<(NodeDigest, Lsn), Error> {
    let mut connection = sql::connect(config, node).await?;
    let digest = tables(&mut connection, node).await?;
    // Asked for afterwards: every row that the digest saw was flushed before this position.
    let flushed = position(&mut connection, node, "pg_current_wal_flush_lsn()").await?;
    let none = || sql::failed(node, "has no position")(sqlx::Error::RowNotFound);
    Ok((digest, flushed.ok_or_else(none)?))
}

async fn on_standby(config: &Config, node: &str, flushed: Lsn) -> Result<NodeDigest, Error> {
    let mut connection = sql::connect(config, node).await?;
    let deadline = Instant::now() + REPLAY_MAX;
    loop {
        let replayed = position(&mut connection, node, "pg_last_wal_replay_lsn()").await?;
        let is_there = replayed.is_some_and(|replayed| replayed >= flushed);
        if is_there || Instant::now() >= deadline {
            let late = (!is_there).then(|| {
                format!(
                    "has not replayed {flushed} within {} s",
                    REPLAY_MAX.as_secs()
                )
            });
            return Ok(NodeDigest {
                replayed,
                error: late,
                ..tables(&mut connection, node).await?
            });
        }
        sleep(REPLAY_POLL).await;
    }
}

/// Reads again what replay cancelled.
async fn uncancelled<T, R>(mut read: impl FnMut() -> R) -> Result<T, Error>
where
    R: Future<Output = Result<T, Error>>,
{
    let mut reads = 1;
    loop {
        match read().await {
            Err(error) if reads < READS_MAX && is_cancelled(&error) => reads += 1,
            read => return read,
        }
    }
}

fn is_cancelled(error: &Error) -> bool {
    let Error::Sql { source, .. } = error else {
        return false;
    };
    let code = source.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == CANCELLED)
}

/// A position in the WAL; `function` is one of PostgreSQL's that give one, or null.
async fn position(
    connection: &mut PgConnection,
    node: &str,
    function: &'static str,
) -> Result<Option<Lsn>, Error> {
    let text: Option<String> =
        sqlx::query_scalar(AssertSqlSafe(format!("select {function}::text")))
            .fetch_one(connection)
            .await
            .map_err(sql::failed(node, "cannot read its position"))?;
    let parsed = text.map(|text| text.parse()).transpose();
    parsed.map_err(|error| sql::failed(node, "cannot read its position")(decode(error)))
}

fn decode(error: std::num::ParseIntError) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// Digests every permanent table of the schema `public` in one transaction. Unlogged tables exist on the
/// primary alone.
async fn tables(connection: &mut PgConnection, node: &str) -> Result<NodeDigest, Error> {
    let failed = |attempt| sql::failed(node, attempt);
    sqlx::query("begin isolation level repeatable read read only")
        .execute(&mut *connection)
        .await
        .map_err(failed("cannot begin a transaction"))?;
    let in_recovery: bool = sqlx::query_scalar("select pg_is_in_recovery()")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed("cannot ask for its role"))?;
    let names: Vec<(String, String)> = sqlx::query_as(
        "select c.relname::text, quote_ident(c.relname) from pg_class c \
         join pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = 'public' and c.relkind = 'r' and c.relpersistence = 'p' \
         order by c.relname",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("cannot list its tables"))?;
    let mut digests = BTreeMap::new();
    for (name, quoted) in names {
        let query = format!(
            "select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text \
             from public.{quoted} t"
        );
        // The name comes quoted from the catalogue of our own database.
        let (rows, digest) = sqlx::query_as(AssertSqlSafe(query))
            .fetch_one(&mut *connection)
            .await
            .map_err(failed("cannot digest its tables"))?;
        digests.insert(name, TableDigest { rows, digest });
    }
    sqlx::query("commit")
        .execute(&mut *connection)
        .await
        .map_err(failed("cannot end the transaction"))?;
    Ok(NodeDigest {
        node: node.to_owned(),
        in_recovery,
        tables: digests,
        replayed: None,
        error: None,
    })
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, future::ready};

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("canceling statement due to conflict with recovery")]
    struct Refused {
        code: &'static str,
    }

    impl DatabaseError for Refused {
        fn message(&self) -> &str {
            "canceling statement due to conflict with recovery"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.code.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    /// How often a standby is read that refuses so many times with this code, and whether it is read in the end.
    async fn reads(refusals: u32, code: &'static str) -> (u32, bool) {
        let mut reads = 0;
        let read = uncancelled(|| {
            reads += 1;
            let refused = sqlx::Error::Database(Box::new(Refused { code }));
            let refused = sql::failed("stock-db-2", "cannot digest its tables")(refused);
            ready(if reads <= refusals {
                Err(refused)
            } else {
                Ok(())
            })
        });
        let is_read = read.await.is_ok();
        (reads, is_read)
    }

    #[tokio::test]
    async fn a_standby_that_replayed_over_its_reader_is_read_again() {
        assert_eq!(reads(1, CANCELLED).await, (2, true));
        assert_eq!(reads(READS_MAX, CANCELLED).await, (READS_MAX, false));
        assert_eq!(reads(1, "42P01").await, (1, false));
    }
}

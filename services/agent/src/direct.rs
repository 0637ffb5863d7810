//! Writes straight to one database node, past every pool, and says which of them the node acknowledged. Two nodes that
//! acknowledge at the same time, or one that acknowledges what its successor does not have, are a split brain.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use protocol::agent::{DirectRows, DirectWrite, WriterLine};
use sqlx::{PgConnection, Postgres, error::DatabaseError};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep, timeout},
};

use crate::{
    config::{ClusterNodes, Config},
    databases,
    error::{Error, one_line},
    sql,
};

/// Between two writes.
const PACE: Duration = Duration::from_millis(100);
/// A write that has not come back by then may still be acknowledged to nobody: it is given up with its connection, and
/// never cancelled, for a cancelled wait for a standby ends in an acknowledgement.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the writer says nothing at most, plus the time that one write may take.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// One for each time that the host was booted; the same in all of its containers.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const CREATE: &str = "create table if not exists direct_write \
                      (node text not null, sent_us bigint not null, primary key (node, sent_us))";
/// The timeline that the row's WAL is written on. Everything of the statement has arrived only when the commit has.
const INSERT: &str = "insert into direct_write (node, sent_us) values ($1, $2) \
     returning ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int";
const UNDEFINED_TABLE: &str = "42P01";

/// Which node is written to.
#[derive(Debug, Clone, clap::Args)]
pub struct WriterConfig {
    /// What the node is called in its rows.
    #[arg(long)]
    pub node: String,
    /// Where it listens; from within its network namespace it is reached even where nobody else can.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// The password of the role `webshop`.
    #[arg(long, env, hide_env_values = true)]
    pub db_password: String,
}

/// Writes until `input` ends, and prints that it begins, each write that was acknowledged, and that it is alive where none
/// is: a [`WriterLine`] each.
///
/// # Errors
/// The output is closed, or the host has no boot id or no monotonic clock.
pub async fn write(
    config: WriterConfig,
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> anyhow::Result<()> {
    let until_end = async {
        let mut rest = [0; 64];
        while !matches!(input.read(&mut rest).await, Ok(0) | Err(_)) {}
    };
    tokio::select! {
        () = until_end => Ok(()),
        written = write_for_ever(&config, &mut output) => written,
    }
}

async fn write_for_ever(
    config: &WriterConfig,
    output: &mut (impl AsyncWrite + Unpin),
) -> anyhow::Result<()> {
    let boot = tokio::fs::read_to_string(BOOT_ID).await?.trim().to_owned();
    say(output, &WriterLine::Begun { boot }).await?;
    let (mut connection, mut said) = (None, Instant::now());
    loop {
        let attempt = timeout(WRITE_TIMEOUT, write_once(config, &mut connection)).await;
        match attempt {
            Ok(Ok(Some(write))) => {
                say(output, &WriterLine::Wrote(write)).await?;
                said = Instant::now();
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::debug!(error = one_line(&error), "no direct write");
                connection = None;
            }
            Err(_elapsed) => connection = None,
        }
        if said.elapsed() >= ALIVE_EVERY {
            say(output, &WriterLine::Alive).await?;
            said = Instant::now();
        }
        sleep(PACE).await;
    }
}

async fn say(output: &mut (impl AsyncWrite + Unpin), line: &WriterLine) -> anyhow::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    output.write_all(text.as_bytes()).await?;
    output.flush().await?;
    Ok(())
}

/// `None`: the node refused it, as a standby does.
async fn write_once(
    config: &WriterConfig,
    connection: &mut Option<PgConnection>,
) -> Result<Option<DirectWrite>, Error> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(sql::connect_with(&config.host, &config.db_password).await?),
    };
    let (sent_us, sent_at_us) = (unix_us(), monotonic_us()?);
    let acknowledged = sqlx::query_scalar::<Postgres, i32>(INSERT)
        .bind(&config.node)
        .bind(sent_us)
        .fetch_all(&mut *open)
        .await;
    let acked_at_us = monotonic_us()?;
    match acknowledged {
        Ok(timeline) => Ok(timeline.first().map(|timeline| DirectWrite {
            timeline: timeline.cast_unsigned(),
            sent_us,
            sent_at_us,
            acked_at_us,
        })),
        Err(sqlx::Error::Database(refused)) if is(&*refused, UNDEFINED_TABLE) => {
            let created = sqlx::query(CREATE).execute(open).await;
            refusal(created.map(|_done| None), &config.node)
        }
        Err(error) => refusal(Err(error), &config.node),
    }
}

/// A server that stays up and refuses keeps its connection.
fn refusal(
    result: Result<Option<DirectWrite>, sqlx::Error>,
    node: &str,
) -> Result<Option<DirectWrite>, Error> {
    const READ_ONLY: &str = "25006";
    const UNIQUE: &str = "23505";
    match result {
        Err(sqlx::Error::Database(refused))
            if is(&*refused, READ_ONLY) || is(&*refused, UNIQUE) =>
        {
            Ok(None)
        }
        other => other.map_err(sql::failed(node, "a direct write failed")),
    }
}

fn is(error: &dyn DatabaseError, code: &str) -> bool {
    error.code().as_deref() == Some(code)
}

fn unix_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

/// Microseconds on the clock that no step of the wall clock moves, and that all containers of a host share.
fn monotonic_us() -> Result<u64, Error> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(Error::Clock)?;
    let since_boot = Duration::from(now);
    Ok(u64::try_from(since_boot.as_micros()).unwrap_or(u64::MAX))
}

/// The direct writes that every primary holds, from `since_us` on.
pub async fn rows(
    config: &Config,
    http: &reqwest::Client,
    since_us: i64,
) -> Result<Vec<DirectRows>, Error> {
    let mut all = Vec::new();
    for nodes in &config.clusters.0 {
        all.push(DirectRows {
            cluster: nodes.name.clone(),
            rows: rows_of(config, nodes, http, since_us).await?,
        });
    }
    Ok(all)
}

async fn rows_of(
    config: &Config,
    nodes: &ClusterNodes,
    http: &reqwest::Client,
    since_us: i64,
) -> Result<Vec<(String, i64)>, Error> {
    let primary = databases::primary(nodes, http).await?.name;
    let mut connection = sql::connect(config, &primary).await?;
    let read = sqlx::query_as(
        "select node, sent_us from direct_write where sent_us >= $1 order by sent_us, node",
    )
    .bind(since_us)
    .fetch_all(&mut connection)
    .await;
    match read {
        // Nobody has written to it.
        Err(sqlx::Error::Database(error)) if is(&*error, UNDEFINED_TABLE) => Ok(Vec::new()),
        read => read.map_err(sql::failed(&primary, "cannot read the direct writes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> WriterConfig {
        WriterConfig {
            node: "stock-db-1".to_owned(),
            host: "127.0.0.1".to_owned(),
            db_password: "secret".to_owned(),
        }
    }

    /// What a writer prints that runs until `lines` have come.
    async fn printed(lines: usize) -> Vec<WriterLine> {
        let (mut reading, mut printing) = tokio::io::duplex(4096);
        let (config, mut said) = (nowhere(), Vec::new());
        let reads = async {
            let mut byte = [0; 1];
            while said.iter().filter(|byte| **byte == b'\n').count() < lines {
                reading.read_exact(&mut byte).await.unwrap();
                said.push(byte[0]);
            }
        };
        tokio::select! {
            () = reads => {}
            ended = write_for_ever(&config, &mut printing) => panic!("{ended:?}"),
        }
        let text = String::from_utf8(said).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn a_writer_whose_node_is_away_says_that_it_begins_and_that_it_is_alive() {
        let lines = printed(2).await;
        let [WriterLine::Begun { boot }, WriterLine::Alive] = &lines[..] else {
            panic!("{lines:?}");
        };
        assert!(!boot.is_empty());
    }

    #[test]
    fn the_monotonic_clock_goes_forward() {
        let before = monotonic_us().unwrap();
        assert!(before > 0 && monotonic_us().unwrap() >= before);
    }
}

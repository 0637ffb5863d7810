//! SQL sessions with the server of this node, over its socket, and with another node's, over the network.

use std::{path::Path, time::Duration};

use protocol::db::{Lsn, POSTGRES_PORT, Position};
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgRow, PgSslMode},
};
use tokio::time::{sleep, timeout};

use super::quoting::Unquotable;

const CONNECT_MAX: Duration = Duration::from_secs(2);
const QUERY_MAX: Duration = Duration::from_secs(2);
/// Replay of what was received has to end first.
const PROMOTE_MAX: Duration = Duration::from_secs(10);
const PROMOTE_LOOK: Duration = Duration::from_millis(4);
/// `invalid_catalog_name`: the database is not there.
const NO_DATABASE: &str = "3D000";
/// `undefined_table`
const NO_TABLE: &str = "42P01";

/// Why a session is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("database session")]
    Sql(#[from] sqlx::Error),
    #[error("the database did not answer in time")]
    Timeout,
    #[error("how a node is reached")]
    Conninfo(#[from] Unquotable),
}

impl Error {
    /// The cluster has been initialised, but not set up to the end.
    #[must_use]
    pub fn is_unfinished_setup(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => {
                matches!(error.code().as_deref(), Some(NO_DATABASE | NO_TABLE))
            }
            Self::Sql(_) | Self::Timeout | Self::Conninfo(_) => false,
        }
    }
}

/// What the server says of itself, cheap enough to ask every few dozen milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    pub in_recovery: bool,
    pub streaming: bool,
    /// How long the stream has been without a message.
    pub silent: Duration,
    pub position: Position,
    /// A standby that receives but does not replay is on another branch than its primary.
    pub replayed: Lsn,
    /// A primary whose commits wait for standbys, and none is attached.
    pub alone: bool,
    pub timeline: u32,
}

/// A session on the database `repmgr`, where the epochs stand.
#[derive(Debug)]
pub struct Session {
    connection: PgConnection,
}

/// A local superuser session on `database` for setting things up: it may write before the node takes writes,
/// and its commits don't wait for a standby.
///
/// # Errors
/// The server does not take it.
pub async fn admin(socket_dir: &Path, database: &str) -> Result<PgConnection, Error> {
    connect(&local(socket_dir, database).options([("default_transaction_read_only", "off")])).await
}

fn local(socket_dir: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .username("postgres")
        .database(database)
        .application_name("db-node")
        .options([("synchronous_commit", "local")])
}

/// A superuser session with another node.
///
/// # Errors
/// The server does not take it.
pub async fn remote(host: &str, password: &str) -> Result<PgConnection, Error> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(host)
        .port(POSTGRES_PORT)
        .username("repmgr")
        .password(password)
        .database("repmgr")
        .ssl_mode(PgSslMode::Disable)
        .application_name("db-node");
    connect(&options).await
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    // A statement that is slow would be logged as it is, passwords included.
    let options = options.clone().disable_statement_logging();
    let connection = timeout(CONNECT_MAX, PgConnection::connect_with(&options)).await;
    Ok(connection.map_err(|_elapsed| Error::Timeout)??)
}

const STANDBY: &str = "
    select pg_is_in_recovery() as in_recovery, false as alone,
        coalesce(w.status = 'streaming', false) as streaming,
        coalesce(extract(epoch from clock_timestamp() - w.last_msg_receipt_time) * 1000, 0)::bigint as silent_ms,
        coalesce(w.received_tli, 0) as timeline,
        coalesce(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn, 0)::bigint as lsn,
        coalesce(pg_last_wal_replay_lsn() - '0/0'::pg_lsn, 0)::bigint as replayed,
        (select coalesce(max(epoch), 0) from ha.epoch) as epoch
    from (select) as one left join pg_stat_wal_receiver w on true";

const PRIMARY: &str = "
    select false as in_recovery, false as streaming, 0::bigint as silent_ms,
        ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int as timeline,
        (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint as lsn,
        0::bigint as replayed,
        current_setting('synchronous_standby_names') <> '' and not exists (
            select from pg_stat_replication where state = 'streaming' and sync_state in ('sync', 'quorum')) as alone,
        (select coalesce(max(epoch), 0) from ha.epoch) as epoch";

/// What a node holds once it is fenced. The log on disk has been read to its end only when recovery waits for
/// somebody to stream from; before that, a node that has just started would understate itself.
const FENCED: &str = "
    select coalesce(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn, 0)::bigint as lsn,
        (select coalesce(max(epoch), 0) from ha.epoch) as epoch,
        exists (select from pg_stat_activity
            where backend_type = 'startup' and wait_event = 'RecoveryRetrieveRetryInterval') as drained";

impl Session {
    /// Opens a session with this node's server.
    ///
    /// # Errors
    /// The server does not take it.
    pub async fn open(socket_dir: &Path) -> Result<Self, Error> {
        Ok(Self {
            connection: connect(&local(socket_dir, "repmgr")).await?,
        })
    }

    /// A standby's account.
    ///
    /// # Errors
    /// The session is broken.
    pub async fn standby(&mut self) -> Result<Snapshot, Error> {
        snapshot(&self.row(STANDBY).await?)
    }

    /// A primary's account.
    ///
    /// # Errors
    /// The session is broken.
    pub async fn primary(&mut self) -> Result<Snapshot, Error> {
        snapshot(&self.row(PRIMARY).await?)
    }

    /// The walreceivers that run or are about to connect.
    ///
    /// # Errors
    /// The session is broken.
    pub async fn receivers(&mut self) -> Result<Vec<i32>, Error> {
        let sql = "select coalesce(array_agg(pid), '{}') as pids from pg_stat_activity
            where backend_type = 'walreceiver'";
        Ok(self.row(sql).await?.try_get("pids")?)
    }

    /// What a fenced standby holds; `None` while it still reads its log.
    ///
    /// # Errors
    /// The session is broken.
    pub async fn fenced_position(&mut self) -> Result<Option<Position>, Error> {
        let row = self.row(FENCED).await?;
        let drained: bool = row.try_get("drained")?;
        Ok(if drained { Some(position(&row)?) } else { None })
    }

    /// Promotes the server; returns once it has left recovery. (`pg_promote` itself would look only every 100 ms.)
    ///
    /// # Errors
    /// It did not in time, or the session broke.
    pub async fn promote(&mut self) -> Result<(), Error> {
        self.row("select pg_promote(false)").await?;
        let promoted = async {
            loop {
                let row = self
                    .row("select pg_is_in_recovery() as in_recovery")
                    .await?;
                if !row.try_get::<bool, _>("in_recovery")? {
                    return Ok(());
                }
                sleep(PROMOTE_LOOK).await;
            }
        };
        timeout(PROMOTE_MAX, promoted)
            .await
            .map_err(|_elapsed| Error::Timeout)?
    }

    /// Writes the beginning of an epoch into the log. Everything that is acknowledged in it comes after.
    ///
    /// # Errors
    /// It could not be written.
    pub async fn begin_epoch(&mut self, epoch: u64, node: &str) -> Result<(), Error> {
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        let insert = async {
            // The node does not take writes yet: this transaction says that it does.
            let mut tx = self.connection.begin_with("begin read write").await?;
            // What is acknowledged later comes later in the log, and so takes this to disk with it.
            tx.execute("set local synchronous_commit = off").await?;
            let query = sqlx::query(
                "insert into ha.epoch (epoch, node) values ($1, $2) on conflict (epoch) do nothing",
            );
            query.bind(epoch).bind(node).execute(&mut *tx).await?;
            tx.commit().await
        };
        Ok(timeout(QUERY_MAX, insert)
            .await
            .map_err(|_elapsed| Error::Timeout)??)
    }

    /// Whether the server gives new sessions write access by now.
    ///
    /// # Errors
    /// The session is broken.
    pub async fn takes_writes(&mut self) -> Result<bool, Error> {
        let sql = "select current_setting('default_transaction_read_only') = 'off' as writable";
        Ok(self.row(sql).await?.try_get("writable")?)
    }

    async fn row(&mut self, sql: &'static str) -> Result<PgRow, Error> {
        let query = sqlx::query(sql).fetch_one(&mut self.connection);
        Ok(timeout(QUERY_MAX, query)
            .await
            .map_err(|_elapsed| Error::Timeout)??)
    }
}

fn position(row: &PgRow) -> Result<Position, sqlx::Error> {
    let (lsn, epoch): (i64, i64) = (row.try_get("lsn")?, row.try_get("epoch")?);
    Ok(Position {
        epoch: epoch.unsigned_abs(),
        lsn: Lsn(lsn.unsigned_abs()),
    })
}

fn snapshot(row: &PgRow) -> Result<Snapshot, Error> {
    let silent_ms: i64 = row.try_get("silent_ms")?;
    let timeline: i32 = row.try_get("timeline")?;
    let replayed: i64 = row.try_get("replayed")?;
    Ok(Snapshot {
        in_recovery: row.try_get("in_recovery")?,
        streaming: row.try_get("streaming")?,
        silent: Duration::from_millis(u64::try_from(silent_ms).unwrap_or(0)),
        position: position(row)?,
        replayed: Lsn(replayed.unsigned_abs()),
        alone: row.try_get("alone")?,
        timeline: timeline.unsigned_abs(),
    })
}

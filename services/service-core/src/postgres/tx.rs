//! Transactions that survive conflicts and failovers.

use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use planted::Bug;
use rand::RngExt as _;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::time::Instant;

use super::{Database, Failure, Route, sqlstate};

const BACKOFF_MIN: Duration = Duration::from_millis(5);
const BACKOFF_MAX: Duration = Duration::from_millis(200);

/// How long a transaction may be tried.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One attempt; then its connection is dropped and the outcome of that attempt is unknown.
    pub attempt: Duration,
    /// All attempts together.
    pub deadline: Duration,
}

impl Limits {
    /// For a transaction of a few rows.
    pub const SINGLE: Self = Self {
        // Long enough for a standby to come back: a commit that is abandoned still waits at the server.
        attempt: Duration::from_secs(10),
        deadline: Duration::from_secs(25),
    };
    /// For a read of a few rows.
    pub const READ: Self = Self {
        attempt: Duration::from_secs(2),
        deadline: Duration::from_secs(10),
    };
    /// For one statement over very many rows.
    pub const BULK: Self = Self {
        attempt: Duration::from_secs(300),
        deadline: Duration::from_secs(600),
    };
}

/// Why a transaction did not commit, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum TxError<E> {
    /// The closure's own verdict: rolled back, not tried again.
    #[error("rejected")]
    Rejected(E),
    /// An error that would come again.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// Gave up. Some attempt may have been committed.
    #[error("gave up after {attempts} attempts: {last}")]
    Unavailable { attempts: u32, last: String },
}

/// An open transaction; derefs to its connection. `'env` is what the closure may borrow.
///
/// Dropped before its end (a timeout, a failover, a client that left), it drops its connection with it:
/// a connection in mid-statement is of no use to anybody else. No cancel request is ever sent: a cancelled
/// wait for the standby would report a success that is not replicated.
pub struct Tx<'env> {
    connection: Option<PoolConnection<Postgres>>,
    env: PhantomData<&'env ()>,
}

impl Tx<'_> {
    async fn begin(route: &Route, before_snapshot: &'static str) -> Result<Self, sqlx::Error> {
        let mut tx = Self::plain(&route.pool).await?;
        // All of it in one trip to the database.
        let begin = AssertSqlSafe(format!("{}; {before_snapshot}", begin()));
        sqlx::raw_sql(begin).execute(&mut *tx).await?;
        Ok(tx)
    }

    /// A connection outside any transaction.
    pub(super) async fn plain(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self {
            connection: Some(pool.acquire().await?),
            env: PhantomData,
        })
    }

    /// Gives the connection back to the pool.
    pub(super) fn give_back(mut self) {
        drop(self.connection.take());
    }

    /// Ends the transaction and gives the connection back to the pool.
    async fn end(mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(statement).execute(&mut *self).await?;
        self.give_back();
        Ok(())
    }
}

impl Deref for Tx<'_> {
    type Target = PgConnection;

    #[expect(
        clippy::expect_used,
        reason = "taken only by `end` and `drop`, which consume self"
    )]
    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("the transaction is open")
    }
}

impl DerefMut for Tx<'_> {
    #[expect(
        clippy::expect_used,
        reason = "taken only by `end` and `drop`, which consume self"
    )]
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("the transaction is open")
    }
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tx")
    }
}

/// What runs inside a transaction, perhaps many times.
pub(crate) trait Body<'env, T, E> {
    fn run<'c>(&'c mut self, tx: &'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<E>>>;
}

impl<'env, T, E, F> Body<'env, T, E> for F
where
    F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<E>>>,
{
    fn run<'c>(&'c mut self, tx: &'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<E>>> {
        self(tx)
    }
}

/// Runs `body` in a SERIALIZABLE transaction until it is committed, rejected, or [`Limits::SINGLE`] are
/// used up. `body` may run many times, and may have been committed already when it runs again: what it
/// does must be safe to repeat (a key, a state that is checked).
///
/// `serializable(&db, |tx| Box::pin(async move { … query.execute(&mut **tx).await?; Ok(()) }))`
pub async fn serializable<'env, T, E, F>(db: &Database, body: F) -> Result<T, TxError<E>>
where
    F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<E>>>,
{
    commit(Limits::SINGLE, "", db, body).await
}

/// [`serializable`] within other limits, after statements that come before its snapshot is taken: locks, settings.
pub async fn serializable_after<'env, T, E, F>(
    before_snapshot: &'static str,
    limits: Limits,
    db: &Database,
    body: F,
) -> Result<T, TxError<E>>
where
    F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<E>>>,
{
    commit(limits, before_snapshot, db, body).await
}

/// [`serializable`] for a [`Body`].
pub(crate) async fn commit<'env, T, E>(
    limits: Limits,
    before_snapshot: &'static str,
    db: &Database,
    mut body: impl Body<'env, T, E>,
) -> Result<T, TxError<E>> {
    let mut tries = Tries::new(limits, db);
    loop {
        let route = tries.route().await?;
        let attempt = committed(&route, before_snapshot, &mut body);
        match tries.run(&route, attempt).await {
            Ok(value) => return Ok(value),
            Err(error) => tries.failed(error).await?,
        }
    }
}

async fn committed<'env, T, E>(
    route: &Route,
    before_snapshot: &'static str,
    body: &mut impl Body<'env, T, E>,
) -> Result<T, TxError<E>> {
    let mut tx = Tx::begin(route, before_snapshot).await?;
    match body.run(&mut tx).await {
        Ok(value) => {
            tx.end("commit").await?;
            Ok(value)
        }
        // The connection is of no more use, and goes with the transaction.
        Err(TxError::Database(error)) if Failure::of(&error) == Failure::Outage => {
            Err(TxError::Database(error))
        }
        Err(error) => {
            tx.end("rollback").await?;
            Err(error)
        }
    }
}

/// How every transaction that writes begins.
fn begin() -> &'static str {
    if planted::is(Bug::LostUpdate) {
        "begin isolation level read committed"
    } else {
        "begin isolation level serializable"
    }
}

/// Makes the transaction one that waits for a standby at its commit, though it only read: what it saw is
/// then replicated too. Rows can be visible before they are (their writer was terminated while waiting).
pub async fn barrier(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_logical_emit_message(true, 'barrier', '')")
        .execute(tx)
        .await?;
    Ok(())
}

/// The attempts of one transaction.
pub(super) struct Tries<'a> {
    db: &'a Database,
    limits: Limits,
    deadline: Instant,
    attempts: u32,
    conflicts: u32,
    last: String,
}

impl<'a> Tries<'a> {
    pub(super) fn new(limits: Limits, db: &'a Database) -> Self {
        Self {
            db,
            limits,
            deadline: Instant::now() + limits.deadline,
            attempts: 0,
            conflicts: 0,
            last: "no primary is known".into(),
        }
    }

    /// The current route; waits for the first one.
    pub(super) async fn route<E>(&self) -> Result<Arc<Route>, TxError<E>> {
        let mut routes = self.db.route();
        let known = tokio::time::timeout_at(self.deadline, routes.wait_for(Option::is_some)).await;
        match known {
            Ok(Ok(route)) => route.clone().ok_or_else(|| self.gave_up()),
            _ => Err(self.gave_up()),
        }
    }

    /// One attempt, for as long as it may take and its route leads to the primary.
    pub(super) async fn run<T, E>(
        &mut self,
        route: &Arc<Route>,
        attempt: impl Future<Output = Result<T, TxError<E>>>,
    ) -> Result<T, TxError<E>> {
        self.attempts += 1;
        let mut routes = self.db.route();
        let moved = async {
            let other =
                |now: &Option<Arc<Route>>| now.as_ref().is_some_and(|now| !Arc::ptr_eq(now, route));
            if routes.wait_for(other).await.is_err() {
                // A fixed route never moves.
                std::future::pending::<()>().await;
            }
        };
        let until = self.deadline.min(Instant::now() + self.limits.attempt);
        tokio::select! {
            done = tokio::time::timeout_at(until, attempt) => {
                done.unwrap_or(Err(TxError::Database(sqlx::Error::PoolTimedOut)))
            }
            () = moved => Err(TxError::Database(sqlx::Error::PoolClosed)),
        }
    }

    /// Waits before the next attempt, or says why there is none.
    pub(super) async fn failed<E>(&mut self, error: TxError<E>) -> Result<(), TxError<E>> {
        let TxError::Database(source) = error else {
            return Err(error);
        };
        let state = sqlstate(&source);
        self.last = source.to_string();
        match Failure::of(&source) {
            Failure::Permanent => return Err(TxError::Database(source)),
            Failure::Conflict => self.conflicts += 1,
            Failure::Outage => self.db.suspect(),
        }
        metrics::counter!("webshop_tx_retries_total", "sqlstate" => state).increment(1);
        let pause = backoff(self.attempts);
        if self.conflicts > self.db.max_retry() || Instant::now() + pause >= self.deadline {
            return Err(self.gave_up());
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn gave_up<E>(&self) -> TxError<E> {
        TxError::Unavailable {
            attempts: self.attempts,
            last: self.last.clone(),
        }
    }
}

/// Exponential, with full jitter: those that collided must not meet again.
pub(crate) fn backoff(attempt: u32) -> Duration {
    let ceiling = BACKOFF_MIN
        .saturating_mul(1 << attempt.min(10))
        .min(BACKOFF_MAX);
    rand::rng().random_range(BACKOFF_MIN / 2..=ceiling)
}

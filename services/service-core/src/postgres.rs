//! The database behind a service: whichever of its nodes is the primary right now.

mod failure;
mod leadership;
mod reading;
mod route;
mod tx;

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use protocol::db::{APP_ROLE, DATABASE, DB_NODE_PORT, POSTGRES_PORT};
use sqlx::{
    Connection as _, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use failure::{Failure, sqlstate};
pub use reading::{read, read_lately};
pub use route::Route;
pub(crate) use tx::{Body, backoff, commit};
pub use tx::{Limits, Tx, TxError, barrier, serializable, serializable_after};

use self::leadership::Node;
use crate::config::{Common, DbRoute};

const POOL_CONNECTIONS_MAX: u32 = 16;
/// Covers connecting too: a dead address must not hold a request for longer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);
const CONNECTION_LIFETIME_MAX: Duration = Duration::from_secs(600);
/// Then the connection is dropped: its node may have died without a word.
const MIGRATE_MAX: Duration = Duration::from_secs(30);
const MIGRATE_RETRY: Duration = Duration::from_millis(200);

/// A cheap handle to the database. Follows the primary from node to node.
#[derive(Clone)]
pub struct Database {
    routes: watch::Receiver<Option<Arc<Route>>>,
    /// Woken when something hints that the route is stale.
    suspect: Arc<Notify>,
    /// What [`Database::pool`] answers before the first primary is known.
    first: PgPool,
    max_retry: u32,
    _watcher: Option<Arc<DropGuard>>,
}

impl Database {
    /// Starts watching the nodes. It answers at once: transactions wait for the first primary.
    pub fn connect(config: &Common) -> anyhow::Result<Self> {
        if let Some(url) = &config.db_url {
            let options: PgConnectOptions = url.parse().context("read DB_URL")?;
            let options = session_settings(options, &config.replica);
            return Ok(Self::fixed(pool(options), config.max_retry));
        }
        let Some(first_host) = config.db_hosts.first() else {
            anyhow::bail!("DB_HOSTS or DB_URL must be set");
        };
        let pool_host = match config.db_route {
            DbRoute::Direct => None,
            DbRoute::Pgpool => Some(
                config
                    .db_pool_host
                    .clone()
                    .context("DB_POOL_HOST must be set for the route through pgpool")?,
            ),
        };
        let options = PgConnectOptions::new_without_pgpass()
            .port(POSTGRES_PORT)
            .username(APP_ROLE)
            .database(DATABASE)
            .password(&password(&config.db_password_file)?)
            .ssl_mode(PgSslMode::Disable);
        let options = session_settings(options, &config.replica);
        let first = pool(
            options
                .clone()
                .host(pool_host.as_ref().unwrap_or(first_host)),
        );
        let hosts = config.db_hosts.iter();
        let nodes = hosts.map(|host| Node {
            name: host.clone(),
            url: format!("http://{host}:{DB_NODE_PORT}/state"),
        });
        let target = route::Target { options, pool_host };
        Self::watching(nodes.collect(), target, first, config.max_retry)
    }

    fn watching(
        nodes: Vec<Node>,
        target: route::Target,
        first: PgPool,
        max_retry: u32,
    ) -> anyhow::Result<Self> {
        let suspect = Arc::new(Notify::new());
        let stop = CancellationToken::new();
        let routes = route::watch(nodes, target, &suspect, &stop)?;
        Ok(Self {
            routes,
            suspect,
            first,
            max_retry,
            _watcher: Some(Arc::new(stop.drop_guard())),
        })
    }

    /// A database that never moves: for tests.
    #[must_use]
    pub fn from_pool(pool: PgPool) -> Self {
        Self::fixed(pool, 10)
    }

    fn fixed(pool: PgPool, max_retry: u32) -> Self {
        let (_, routes) = watch::channel(Some(Arc::new(Route::fixed(pool.clone()))));
        Self {
            routes,
            suspect: Arc::new(Notify::new()),
            first: pool,
            max_retry,
            _watcher: None,
        }
    }

    /// The route to the current primary, `None` before the first one is known.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Route>> {
        self.routes.borrow().clone()
    }

    /// Tells of every change of the primary.
    #[must_use]
    pub fn route(&self) -> watch::Receiver<Option<Arc<Route>>> {
        self.routes.clone()
    }

    /// The pool of the current primary. Whoever uses it directly retries by himself: prefer
    /// [`read`] and [`serializable`].
    #[must_use]
    pub fn pool(&self) -> PgPool {
        self.current()
            .map_or_else(|| self.first.clone(), |route| route.pool.clone())
    }

    /// A session of its own on the current primary, outside the pool, and the route it is on.
    pub async fn dedicated(&self) -> Result<(PgConnection, Arc<Route>), sqlx::Error> {
        let Some(route) = self.current() else {
            return Err(sqlx::Error::Configuration("no primary is known yet".into()));
        };
        let options = route.pool.connect_options();
        let connecting = PgConnection::connect_with(&options);
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut));
        if connected.is_err() {
            self.suspect();
        }
        Ok((connected?, route))
    }

    /// Asks the nodes again at once: something failed that a failover would explain.
    pub fn suspect(&self) {
        self.suspect.notify_waiters();
    }

    /// Brings the schema up to date, however long the database takes to appear. Replicas that start
    /// together take turns by the migrator's own lock.
    pub async fn migrate(
        &self,
        migrator: &Migrator,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        loop {
            let attempt = async {
                let (mut connection, _) = self.dedicated().await?;
                tokio::time::timeout(MIGRATE_MAX, migrator.run(&mut connection))
                    .await
                    .unwrap_or(Err(sqlx::Error::PoolTimedOut.into()))
            };
            let Some(migrated) = shutdown.run_until_cancelled(attempt).await else {
                anyhow::bail!("stopped before the schema was up to date");
            };
            match migrated {
                Ok(()) => return Ok(()),
                Err(error @ sqlx::migrate::MigrateError::Execute(_)) => {
                    tracing::info!(%error, "waiting for the database");
                }
                Err(error @ sqlx::migrate::MigrateError::ExecuteMigration(..)) => {
                    tracing::warn!(%error, "a migration did not finish, trying again");
                }
                Err(error) => return Err(error).context("migrate the database"),
            }
            self.suspect();
            tokio::time::sleep(MIGRATE_RETRY).await;
        }
    }

    pub(crate) fn max_retry(&self) -> u32 {
        self.max_retry
    }
}

/// Settings that every session of ours has.
fn session_settings(options: PgConnectOptions, replica: &str) -> PgConnectOptions {
    options.application_name(replica).options([
        // A frozen client must not keep its row locks.
        ("idle_in_transaction_session_timeout", "1500ms"),
        // A client that gave up must not leave its statement waiting for a lock.
        ("client_connection_check_interval", "1s"),
        // A sequential scan takes a predicate lock on the whole table.
        ("enable_seqscan", "off"),
    ])
}

fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(POOL_CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(CONNECTION_LIFETIME_MAX)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

fn password(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("read the database password from {}", file.display()))?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests;

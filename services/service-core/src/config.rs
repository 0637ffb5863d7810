//! The configuration that every service has, read from flags and the environment.

use std::{net::SocketAddr, path::PathBuf};

/// Which way the service reaches its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DbRoute {
    /// Straight to the node that says it is the primary.
    Direct,
    /// Through pgpool.
    Pgpool,
}

/// Flattened into each service's own configuration.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// Address to serve HTTP on.
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8000")]
    pub listen: SocketAddr,
    /// Name of this replica, as lanes and database sessions show it.
    #[arg(long, env = "REPLICA", default_value = "local")]
    pub replica: String,
    /// The database nodes, separated by commas.
    #[arg(long, env = "DB_HOSTS", value_delimiter = ',')]
    pub db_hosts: Vec<String>,
    #[arg(long, env = "DB_ROUTE", value_enum, default_value = "direct")]
    pub db_route: DbRoute,
    /// Host of pgpool, for the route through it.
    #[arg(long, env = "DB_POOL_HOST")]
    pub db_pool_host: Option<String>,
    /// File with the database role's password.
    #[arg(
        long,
        env = "DB_PASSWORD_FILE",
        default_value = "/run/secrets/db_password"
    )]
    pub db_password_file: PathBuf,
    /// A whole database URL; instead of `DB_HOSTS`, and without failover.
    #[arg(long, env = "DB_URL", hide_env_values = true)]
    pub db_url: Option<String>,
    /// Kafka bootstrap brokers, separated by commas.
    #[arg(long, env = "KAFKA_BROKERS")]
    pub kafka_brokers: String,
    /// Replication factor of topics this service creates.
    #[arg(long, env = "TOPIC_REPLICATION", default_value_t = 1)]
    pub topic_replication: i32,
    #[arg(long, env = "REDIS_URL", default_value = "redis://redis:6379")]
    pub redis_url: String,
    /// How often a transaction is tried again after a serialization failure.
    #[arg(long, env = "MAX_RETRY", default_value_t = 10)]
    pub max_retry: u32,
}

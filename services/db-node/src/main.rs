//! `db-node`: PID 1 of a database container.

use std::{io, net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use db_node::{config::Config, data_dir, durable::Store, node};
use protocol::db::DB_NODE_PORT;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Runs one node of a PostgreSQL cluster with automatic failover.
#[derive(Parser)]
#[command(subcommand_negates_reqs = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: Option<Config>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the node; the default
    Run(Config),
    /// Ask this node to become primary, through the same gate as its own watcher
    Promote,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Run(config)) => run(config).await,
        Some(Command::Promote) => promote().await,
        None => run(cli.config.context("no configuration")?).await,
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .init();
    planted::start()?;
    let stop = stop_on_signal()?;
    let secrets = config.secrets().context("reading the secrets")?;
    let Some(store) = lock_volume(&config, &stop).await? else {
        return Ok(());
    };
    let address = SocketAddr::from(([0, 0, 0, 0], DB_NODE_PORT));
    let listener = TcpListener::bind(address).await.context("listening")?;
    node::run(config, secrets, store, listener, stop).await
}

/// Waits until an earlier task on the same volume is gone; `None`: told to stop first.
async fn lock_volume(config: &Config, stop: &CancellationToken) -> anyhow::Result<Option<Store>> {
    let mut told = false;
    loop {
        match Store::open(&config.ha(), data_dir::exists(&config.data())) {
            Ok(store) => return Ok(Some(store)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !told {
                    tracing::warn!("another task holds this volume: waiting for it to go");
                    told = true;
                }
            }
            Err(error) => return Err(error).context("reading the durable state"),
        }
        let rest = tokio::time::sleep(Duration::from_millis(200));
        if stop.run_until_cancelled(rest).await.is_none() {
            return Ok(None);
        }
    }
}

/// PID 1 has no default handlers: without this, it could not be stopped at all.
fn stop_on_signal() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::quit(),
    ] {
        let mut signals = signal(kind)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                tracing::info!(?kind, "told to stop");
                stop.cancel();
            }
        });
    }
    Ok(stop)
}

async fn promote() -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()?;
    let url = format!("http://127.0.0.1:{DB_NODE_PORT}/promote");
    let response = client
        .post(url)
        .send()
        .await
        .context("asking the node on this host")?;
    if !response.status().is_success() {
        bail!("not promoted: {}", response.text().await?.trim());
    }
    Ok(())
}

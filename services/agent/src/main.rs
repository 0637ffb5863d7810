//! `agent wait` idles as PID 1 of the container; `agent serve` answers questions on standard input; `agent write` writes
//! straight to one database node.

use agent::{config::Config, direct::WriterConfig};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// Answers the CLI from inside the network.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Do nothing until SIGTERM: the container exists to be exec'd into.
    Wait,
    /// Answer JSON-lines requests from standard input until it ends.
    Serve(Config),
    /// Write to one database node until standard input ends, and print what it acknowledged.
    Write(WriterConfig),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Wait => wait().await,
        Command::Serve(config) => {
            agent::serve::run(config, tokio::io::stdin(), tokio::io::stdout()).await
        }
        Command::Write(config) => {
            agent::direct::write(config, tokio::io::stdin(), tokio::io::stdout()).await
        }
    }
}

/// PID 1 has no default signal actions: without a handler SIGTERM would be ignored.
async fn wait() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

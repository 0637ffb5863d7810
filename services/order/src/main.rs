//! The order service.

use anyhow::Context as _;
use clap::Parser as _;
use order::{app, config::Config};
use service_core::{serve, shutdown, telemetry};

/// A batch is many small pieces of memory, made by one thread and given back by another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    telemetry::init()?;
    planted::start()?;
    let shutdown = shutdown::token().context("listen to signals")?;
    let listener = serve::listen(config.common.listen)?;

    let app = app::start(&config, &shutdown).await?;
    tracing::info!(listen = %config.common.listen, replica = config.common.replica, "ready");
    serve::run(listener, app.router, shutdown.clone()).await?;

    shutdown.cancel();
    app.lane.await.context("the lane's task ended badly")?;
    drop(app.background);
    Ok(())
}

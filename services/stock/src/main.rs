use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use protocol::saga::STOCK_COMMANDS;
use service_core::{
    config::Common,
    health, idempotency,
    kafka::{self, Kafka},
    lane::{self, LaneSpec},
    postgres::Database,
    serve, shutdown, telemetry,
};
use stock::worker::Worker;

/// For the lane to give its lock back after the last request was served.
const LANE_GRACE: Duration = Duration::from_secs(2);

/// The stock service: items and reservations.
#[derive(Debug, Parser)]
struct Config {
    #[command(flatten)]
    common: Common,
}

/// A batch is many small pieces of memory, made by one thread and given back by another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Config { common } = Config::parse();
    telemetry::init()?;
    planted::start()?;
    let shutdown = shutdown::token().context("listen for signals")?;

    let db = Database::connect(&common)?;
    db.migrate(&stock::MIGRATIONS, &shutdown).await?;
    let kafka = Kafka::connect(&common).context("configure Kafka")?;
    tokio::spawn(kafka::ensure_topics(common.clone(), shutdown.clone()));
    tokio::spawn(idempotency::sweep(db.clone(), shutdown.clone()));

    let spec = LaneSpec::new(STOCK_COMMANDS, "stock", &common.replica);
    let status = spec.status.clone();
    let lane = tokio::spawn(lane::run(spec, db.clone(), kafka, Worker, shutdown.clone()));

    let router = stock::http::router(db.clone())
        .merge(health::router(db, status))
        .merge(telemetry::metrics_router());
    let listener = serve::listen(common.listen)?;
    tracing::info!(listen = %common.listen, "serving");
    serve::run(listener, router, shutdown.clone()).await?;
    shutdown.cancel();
    match tokio::time::timeout(LANE_GRACE, lane).await {
        Ok(ended) => ended.context("work the lane"),
        Err(_elapsed) => anyhow::bail!("the lane did not stop in time"),
    }
}

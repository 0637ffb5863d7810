//! The parts of one replica, put together.

use anyhow::Context as _;
use axum::Router;
use protocol::saga::{CHECKOUT_ENDED_CHANNEL, ORDER_REPLIES};
use service_core::{
    cache::{Publisher, Subscriber},
    health, idempotency,
    kafka::{self, Kafka},
    lane::{self, LaneSpec},
    postgres::Database,
    telemetry,
};
use sqlx::migrate::Migrator;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::Admission,
    config::Config,
    http::{self, Api},
    notification::{self, Announcer, Hearing},
    price::Prices,
    replies::Replies,
    waiting::Waiting,
};

/// The schema of the order database.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Requests that one replica holds at the same time. At the longest deadline this is some hundred
/// checkouts a second of which none ends.
const WAITING_MAX: usize = 10_000;

/// A replica at work: its routes, and the tasks behind them.
pub struct App {
    pub router: Router,
    /// Runs until it is dropped: requests that are in flight at a shutdown still need it.
    pub background: JoinSet<()>,
    /// Ends by itself at the shutdown, so that another replica gets the lane at once.
    pub lane: tokio::task::JoinHandle<()>,
}

/// Connects to everything and starts the background tasks. Nothing but the configuration can be wrong:
/// whatever is not there yet is waited for.
pub async fn start(config: &Config, shutdown: &CancellationToken) -> anyhow::Result<App> {
    let common = &config.common;
    let db = Database::connect(common)?;
    let kafka = Kafka::connect(common).context("configure the Kafka client")?;
    let prices = Prices::new(&config.stock_url)?;
    let publisher = Publisher::new(&common.redis_url).context("read REDIS_URL")?;
    // Like the background, it outlives the shutdown.
    let subscriber = Subscriber::start(
        &common.redis_url,
        CHECKOUT_ENDED_CHANNEL,
        CancellationToken::new(),
    )
    .context("read REDIS_URL")?;

    let waiting = Waiting::new(WAITING_MAX);
    let hearing = Hearing::default();
    let announcer = Announcer::start(publisher);
    let mut background = JoinSet::new();
    background.spawn(notification::hear(
        subscriber,
        hearing.clone(),
        waiting.clone(),
    ));
    db.migrate(&MIGRATOR, shutdown).await?;
    background.spawn(notification::poll(db.clone(), hearing, waiting.clone()));
    background.spawn(idempotency::sweep(db.clone(), shutdown.clone()));
    background.spawn(kafka::ensure_topics(common.clone(), shutdown.clone()));

    let spec = LaneSpec::new(ORDER_REPLIES, "order", &common.replica);
    let health = health::router(db.clone(), spec.status.clone());
    let admission = Admission::start(db.clone(), kafka.producer.clone(), waiting.clone());
    let lane = tokio::spawn(lane::run(
        spec,
        db.clone(),
        kafka,
        Replies::new(waiting.clone(), announcer),
        shutdown.clone(),
    ));
    let router = http::router(Api {
        db,
        prices,
        admission,
        waiting,
        checkout_deadline: config.checkout_deadline(),
    });
    Ok(App {
        router: router.merge(health).merge(telemetry::metrics_router()),
        background,
        lane,
    })
}

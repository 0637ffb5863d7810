//! Logs and metrics.

use std::{sync::OnceLock, time::Duration};

use anyhow::Context as _;
use axum::{Router, routing::get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

static PROMETHEUS: OnceLock<PrometheusHandle> = OnceLock::new();

const SECONDS_BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
const MESSAGES_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// What librdkafka reports as a "global error" it has logged by itself already, and less often.
const FILTER_DEFAULT: &str = "info,rdkafka::client=off";

/// Histograms keep their samples in memory until they are folded.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Starts logging (JSON on stderr, filtered by `RUST_LOG`) and the metrics recorder.
/// Called once, inside the runtime.
pub fn init() -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER_DEFAULT));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init()
        .map_err(|error| anyhow::anyhow!(error))
        .context("start logging")?;
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_messages".into()), &MESSAGES_BUCKETS)?
        .install_recorder()
        .context("install the metrics recorder")?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut every = tokio::time::interval(UPKEEP_EVERY);
        loop {
            every.tick().await;
            upkeep.run_upkeep();
        }
    });
    PROMETHEUS
        .set(handle)
        .map_err(|_handle| anyhow::anyhow!("telemetry was started twice"))
}

/// `GET /metrics` in Prometheus' text format; empty where [`init`] was not called (tests).
pub fn metrics_router() -> Router {
    Router::new().route("/metrics", get(render))
}

async fn render() -> String {
    PROMETHEUS
        .get()
        .map(PrometheusHandle::render)
        .unwrap_or_default()
}

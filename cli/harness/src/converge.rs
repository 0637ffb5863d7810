//! Waits until a deployed stack is whole: every task runs, every database has its primary and its
//! standbys, every replica is healthy, and the gateway answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::inside::{Expected, Inside};
use crate::stack::SERVICE_KIND;
use crate::stack::logs;
use crate::stack::overview::{Overview, ServiceView};
use crate::wait::{self, Limit, Look};

const LOOK_EVERY: Duration = Duration::from_millis(500);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Services whose last words are shown when time is up.
const EXPLAINED_MAX: usize = 3;
const LOG_LINES: u32 = 8;

/// Waits for the whole stack.
///
/// # Errors
/// [`Error::NotConverged`] names what is missing and shows its last failure and log lines.
pub async fn wait(cluster: &Cluster, timeout: Duration) -> Result<Overview> {
    let start = Instant::now();
    let limit = Limit::new(timeout, LOOK_EVERY);
    let converged = async {
        let overview = tasks(cluster, limit).await?;
        reached(cluster, "every task runs", start);
        let limit = Limit::new(timeout.saturating_sub(start.elapsed()), LOOK_EVERY);
        shop(cluster, &overview, limit).await?;
        reached(cluster, "the shop answers", start);
        Overview::read(cluster).await
    };
    match converged.await {
        Err(Error::Timeout { waited, last, .. }) => Err(Error::NotConverged {
            waited: waited.max(start.elapsed()),
            what: explain(cluster, last).await,
        }),
        other => other,
    }
}

fn reached(cluster: &Cluster, what: &str, start: Instant) {
    cluster.events.emit(Event::Reached {
        what: what.to_owned(),
        took: start.elapsed(),
    });
}

/// Every service has as many running tasks as it should.
async fn tasks(cluster: &Cluster, limit: Limit) -> Result<Overview> {
    wait::until("the tasks", limit, &cluster.cancel, async || {
        let overview = Overview::read(cluster).await?;
        let missing: Vec<String> = overview
            .services
            .iter()
            .filter(|service| !service.is_converged())
            .map(describe)
            .collect();
        let wanted: u64 = overview.services.iter().map(|service| service.wanted).sum();
        let running: u64 = overview
            .services
            .iter()
            .map(|service| service.running.min(service.wanted))
            .sum();
        look(cluster, "the tasks", (running, wanted), missing, overview)
    })
    .await
}

/// Everything inside is whole, and the gateway says so to the outside.
async fn shop(cluster: &Cluster, overview: &Overview, limit: Limit) -> Result<()> {
    let agent = Agent::new(cluster);
    let expected = expected(overview);
    let http = reqwest::Client::builder()
        .timeout(PROBE_TIMEOUT)
        .build()
        .map_err(|source| Error::Http {
            attempt: "make an HTTP client".to_owned(),
            source,
        })?;
    let parts = (expected.databases.len() + expected.replicas.len() + 3) as u64;
    wait::until("the shop", limit, &cluster.cancel, async || {
        let inside = Inside::read(&agent).await;
        let mut missing = inside.missing(&expected);
        if let Some(url) = overview.url(cluster) {
            missing.extend(gateway(&http, &url).await);
        }
        let done = parts.saturating_sub(missing.len() as u64);
        look(cluster, "the shop", (done, parts), missing, ())
    })
    .await
}

fn look<T>(
    cluster: &Cluster,
    what: &str,
    (done, wanted): (u64, u64),
    missing: Vec<String>,
    found: T,
) -> Result<Look<T>> {
    if missing.is_empty() {
        return Ok(Look::Done(found));
    }
    let last = missing.join(", ");
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    cluster.events.emit(Event::Waiting {
        what: what.to_owned(),
        done: count(done),
        wanted: count(wanted),
        missing,
    });
    Ok(Look::NotYet(last))
}

/// Why the gateway does not answer well, if it does not.
async fn gateway(http: &reqwest::Client, url: &str) -> Option<String> {
    match http.get(format!("{url}/health")).send().await {
        Ok(response) if response.status().is_success() => None,
        Ok(response) => Some(format!("gateway (answers {})", response.status().as_u16())),
        Err(error) if error.is_timeout() => Some("gateway (silent)".to_owned()),
        Err(_refused) => Some("gateway (refuses)".to_owned()),
    }
}

/// What the inside should look like, from the services' labels and names.
pub fn expected(overview: &Overview) -> Expected {
    let of_kind = |kind: &'static str| {
        overview
            .services
            .iter()
            .filter(move |service| service.kind == kind)
    };
    let mut databases: BTreeMap<String, usize> = BTreeMap::new();
    for service in of_kind("database") {
        // `stock-db-1` is a node of `stock`.
        let name = service.name.split("-db-").next().unwrap_or_default();
        *databases.entry(name.to_owned()).or_default() += 1;
    }
    Expected {
        brokers: of_kind("broker").count(),
        replicas: of_kind(SERVICE_KIND)
            .map(|service| (service.name.clone(), service.wanted))
            .collect(),
        databases: databases.into_iter().collect(),
    }
}

/// `kafka-1 (0/1, starting)`
fn describe(service: &ServiceView) -> String {
    let state = service
        .tasks
        .iter()
        .filter(|task| task.desired == "running" || task.desired == "ready")
        .find(|task| !(task.is_running() && task.current))
        .map_or("no task yet", |task| task.state.as_str());
    let error = service
        .last_failure()
        .and_then(|task| task.error.as_deref())
        .map_or_else(String::new, |error| format!("; last: {error}"));
    format!(
        "{} ({}/{}, {state}{error})",
        service.name, service.running, service.wanted
    )
}

/// What is missing, and under it the last words of those services that failed.
async fn explain(cluster: &Cluster, last: String) -> String {
    let mut text = last;
    let Ok(overview) = Overview::read(cluster).await else {
        return text;
    };
    let missing = text.clone();
    let culprits = overview
        .services
        .iter()
        .filter(|service| {
            !service.is_converged() || missing.contains(&format!("{} (", service.name))
        })
        .take(EXPLAINED_MAX);
    for service in culprits {
        let lines = logs::last_lines(cluster, service, LOG_LINES).await;
        if !lines.is_empty() {
            // Writing to a String cannot fail.
            write!(text, "\n  {} said:", service.name).unwrap_or_default();
        }
        for line in lines {
            write!(text, "\n  | {line}").unwrap_or_default();
        }
    }
    text
}

//! What a task uses right now, for limits that are a part of it.

use std::time::Duration;

use bollard::{models::ContainerStatsResponse, query_parameters::StatsOptions};
use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::{action::Hold, limit::BitLimit, limit::CpuLimit};
use crate::{
    cluster::Cluster,
    error::{Error, Result},
    tasks::Running,
    units,
};

/// How long a task is watched.
const WATCHED: Duration = Duration::from_secs(2);

/// What a task was seen to use; 0 where nobody asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Now {
    /// By its busiest link.
    pub(super) sent_bits_per_s: u64,
    pub(super) used_milli_cpus: u64,
}

/// Watches the task for a moment, where the amount of `hold` is a part of what that shows.
///
/// # Errors
/// The engine does not say, or the task used so little that it would not feel the limit.
pub(super) async fn of(cluster: &Cluster, hold: &Hold, task: &Running) -> Result<Now> {
    let asks = matches!(
        hold,
        Hold::Bandwidth {
            to: BitLimit::PercentOfNow(_)
        } | Hold::Throttle {
            to: CpuLimit::PercentOfNow(_)
        }
    );
    if !asks {
        return Ok(Now::default());
    }
    let (start, before) = (Instant::now(), stats(cluster, task).await?);
    tokio::time::sleep_until(start + WATCHED).await;
    let (end, after) = (Instant::now(), stats(cluster, task).await?);
    let now = match hold {
        Hold::Bandwidth { .. } => Now {
            sent_bits_per_s: sent(&before, &after, end - start)?,
            ..Now::default()
        },
        _ => Now {
            used_milli_cpus: used(&before, &after, end - start)?,
            ..Now::default()
        },
    };
    bites(hold, now).map_err(|used| Error::Fault {
        reason: format!(
            "{} would not feel {hold_of}: it {used}",
            task.name(),
            hold_of = limit(hold)
        ),
    })?;
    Ok(now)
}

/// What the amount came to, where it was a part of `now`.
pub(super) fn told(hold: &Hold, now: Now) -> Option<String> {
    match hold {
        Hold::Bandwidth {
            to: to @ BitLimit::PercentOfNow(_),
        } => {
            let sent = now.sent_bits_per_s;
            Some(format!("to {} of {}", rate(to.of(sent)), rate(sent)))
        }
        Hold::Throttle {
            to: to @ CpuLimit::PercentOfNow(_),
        } => {
            let used = now.used_milli_cpus;
            Some(format!(
                "to {} of {}",
                units::cpus(to.of(used)),
                units::cpus(used)
            ))
        }
        _ => None,
    }
}

/// In whole kilobits, so that it reads well.
fn rate(bits_per_s: u64) -> String {
    units::bit_rate(bits_per_s.div_ceil(1_000) * 1_000)
}

fn limit(hold: &Hold) -> String {
    match hold {
        Hold::Bandwidth { to } => format!("a bandwidth of {to}"),
        Hold::Throttle { to } => format!("a throttle to {to}"),
        _ => hold.verb().to_owned(),
    }
}

fn bites(hold: &Hold, now: Now) -> Result<(), String> {
    match hold {
        Hold::Bandwidth { to } if !to.bites(now.sent_bits_per_s) => {
            Err(match now.sent_bits_per_s {
                0 => "sends nothing".to_owned(),
                sent => format!("sends no more than {}", rate(sent)),
            })
        }
        Hold::Throttle { to } if !to.bites(now.used_milli_cpus) => {
            Err("uses no processor".to_owned())
        }
        _ => Ok(()),
    }
}

/// Bits per second by the link that sent most.
fn sent(
    before: &ContainerStatsResponse,
    after: &ContainerStatsResponse,
    took: Duration,
) -> Result<u64> {
    let unread = || unreadable("how many bytes it sent");
    let earlier = before.networks.as_ref().ok_or_else(unread)?;
    let mut busiest = None;
    for (link, now) in after.networks.as_ref().ok_or_else(unread)? {
        let then = earlier.get(link).and_then(|link| link.tx_bytes);
        let more = now
            .tx_bytes
            .zip(then)
            .map(|(now, then)| now.saturating_sub(then));
        busiest = busiest.max(Some(more.ok_or_else(unread)?));
    }
    let bytes = busiest.ok_or_else(unread)?;
    Ok(per_second(bytes.saturating_mul(8), took))
}

/// Thousandths of a processor.
fn used(
    before: &ContainerStatsResponse,
    after: &ContainerStatsResponse,
    took: Duration,
) -> Result<u64> {
    let total_ns = |stats: &ContainerStatsResponse| {
        let used = stats
            .cpu_stats
            .as_ref()
            .and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage);
        used.ok_or_else(|| unreadable("how much of the processors it used"))
    };
    let ns = total_ns(after)?.saturating_sub(total_ns(before)?);
    Ok(per_second(ns, took) / 1_000_000)
}

fn per_second(amount: u64, took: Duration) -> u64 {
    let ns = u128::from(amount) * 1_000_000_000 / took.as_nanos().max(1);
    u64::try_from(ns).unwrap_or(u64::MAX)
}

/// In how many periods the kernel has held the task's processes back since they started.
///
/// # Errors
/// The engine does not say.
pub(super) async fn throttled_periods(cluster: &Cluster, task: &Running) -> Result<u64> {
    let stats = stats(cluster, task).await?;
    let periods = stats
        .cpu_stats
        .and_then(|cpu| cpu.throttling_data?.throttled_periods);
    periods.ok_or_else(|| unreadable("how often it was held back"))
}

fn unreadable(what: &str) -> Error {
    Error::Fault {
        reason: format!("the engine does not say of a task {what}"),
    }
}

async fn stats(cluster: &Cluster, task: &Running) -> Result<ContainerStatsResponse> {
    let options = StatsOptions {
        stream: false,
        one_shot: true,
    };
    let docker = cluster.engine.docker();
    let mut answers = docker.stats(&task.container, Some(options));
    let answer = answers.next().await.transpose();
    answer
        .map_err(|error| Error::docker(format!("measure {}", task.name()), error))?
        .ok_or_else(|| unreadable("anything"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn stats(text: serde_json::Value) -> ContainerStatsResponse {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn the_busiest_link_says_how_much_is_sent() {
        let at = |eth0: u64, eth1: u64| {
            stats(json!({"networks": {"eth0": {"tx_bytes": eth0}, "eth1": {"tx_bytes": eth1}}}))
        };
        assert_eq!(sent(&at(100, 5), &at(350, 10), 2 * SECOND).unwrap(), 1_000);
    }

    #[test]
    fn what_the_engine_does_not_say_is_an_error_and_not_nothing() {
        let silent = stats(json!({"networks": {"eth0": {}}}));
        assert!(sent(&silent, &silent, SECOND).is_err());
        let nowhere = stats(json!({}));
        assert!(sent(&nowhere, &nowhere, SECOND).is_err());
        assert!(used(&nowhere, &nowhere, SECOND).is_err());
    }

    #[test]
    fn processor_time_is_counted_in_thousandths() {
        let at = |ns: u64| stats(json!({"cpu_stats": {"cpu_usage": {"total_usage": ns}}}));
        assert_eq!(
            used(&at(1_000_000), &at(601_000_000), 2 * SECOND).unwrap(),
            300
        );
    }

    #[test]
    fn a_task_that_sends_nothing_is_refused_and_says_so() {
        let quarter = Hold::Bandwidth {
            to: BitLimit::PercentOfNow(25),
        };
        let sends = |sent_bits_per_s| Now {
            sent_bits_per_s,
            ..Now::default()
        };
        assert_eq!(bites(&quarter, sends(0)).unwrap_err(), "sends nothing");
        assert_eq!(
            bites(&quarter, sends(20_000)).unwrap_err(),
            "sends no more than 20kbit"
        );
        assert_eq!(bites(&quarter, sends(800_000)), Ok(()));
        assert_eq!(
            told(&quarter, sends(800_000)).unwrap(),
            "to 200kbit of 800kbit"
        );
    }
}

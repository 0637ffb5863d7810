//! Reads what everything has used and counted so far.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bollard::query_parameters::StatsOptions;
use futures_util::{StreamExt as _, future::try_join_all};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};
use protocol::agent::Counters;
use tokio::time::Instant;

use super::work::Work;
use crate::{
    agent::Agent,
    cluster::Cluster,
    error::{Error, Result},
    load::Figures,
    tasks::{Running, tasks},
};

/// Of `/proc/stat`: hundredths of a second on every Linux, whatever the kernel's own clock (proc(5), `USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// All meters at one moment. Only the difference of two means something.
#[derive(Debug, Clone)]
pub struct Reading {
    at: Instant,
    /// By container, so that one that was replaced does not count backwards: its service and its processor time.
    stack: HashMap<String, (String, Duration)>,
    /// This program's own.
    own: Duration,
    /// Everybody's on this machine; `None` where the engine is on another one.
    machine: Option<Duration>,
    counters: Counters,
}

impl Reading {
    /// Reads every meter.
    ///
    /// # Errors
    /// The engine, the agent or a part of the stack does not answer.
    pub async fn take(cluster: &Cluster, agent: &Agent) -> Result<Self> {
        let running = tasks(cluster).await?.running;
        let stack = try_join_all(running.iter().map(|task| used(cluster, task)));
        let (stack, counters) = tokio::try_join!(stack, agent.counters())?;
        Ok(Self {
            at: Instant::now(),
            stack: stack.into_iter().collect(),
            own: own()?,
            machine: cluster.engine.is_local().then(machine).transpose()?,
            counters,
        })
    }

    /// What was used and done from an earlier reading to this one, while a load met these figures.
    #[must_use]
    pub fn since(&self, earlier: &Self, met: &Figures) -> Work {
        let mut stack_cpu: BTreeMap<String, Duration> = BTreeMap::new();
        for (container, (service, used)) in &self.stack {
            let before = earlier.stack.get(container).map_or(Duration::ZERO, |b| b.1);
            *stack_cpu.entry(service.clone()).or_default() += used.saturating_sub(before);
        }
        let own = self.own.saturating_sub(earlier.own);
        let rest = match (self.machine, earlier.machine) {
            (Some(now), Some(before)) => {
                let known = stack_cpu.values().sum::<Duration>() + own;
                Some(now.saturating_sub(before).saturating_sub(known))
            }
            _ => None,
        };
        let seconds = |(service, used): (String, Duration)| (service, used.as_secs_f64());
        Work {
            seconds: self.at.duration_since(earlier.at).as_secs_f64(),
            ok_checkouts: met.checkouts().ok,
            stack_cpu: stack_cpu.into_iter().map(seconds).collect(),
            generator_cpu: own.as_secs_f64(),
            rest_cpu: rest.map(|rest| rest.as_secs_f64()),
            ..Work::counted(&earlier.counters, &self.counters)
        }
    }
}

/// Processors that this program may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A container's processor time, from its control group.
async fn used(cluster: &Cluster, task: &Running) -> Result<(String, (String, Duration))> {
    let options = StatsOptions {
        stream: false,
        one_shot: true,
    };
    let docker = cluster.engine.docker();
    let mut answers = std::pin::pin!(docker.stats(&task.container, Some(options)));
    let failed = |error| Error::docker(format!("read what {} uses", task.name()), error);
    let stats = answers.next().await.transpose().map_err(failed)?;
    let usage = stats.and_then(|stats| stats.cpu_stats?.cpu_usage?.total_usage);
    let usage = usage.ok_or_else(|| {
        let missing = std::io::Error::other("the engine has no statistics of it");
        Error::io(format!("read what {} uses", task.name()), missing)
    })?;
    let used = Duration::from_nanos(usage);
    Ok((task.container.clone(), (task.service.clone(), used)))
}

fn own() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)
        .map_err(|errno| Error::io("read what this program uses", errno.into()))?;
    let used = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(
        u64::try_from(used.num_microseconds()).unwrap_or(0),
    ))
}

fn machine() -> Result<Duration> {
    let failed = |error| Error::io("read /proc/stat", error);
    let text = std::fs::read_to_string("/proc/stat").map_err(failed)?;
    busy(&text).ok_or_else(|| {
        failed(std::io::Error::other(
            "it does not begin with all processors",
        ))
    })
}

/// The first line is of all processors: user, nice, system, idle, iowait, irq, softirq, steal, and guests' time, which
/// user and nice hold already. `None`: it is no such line.
fn busy(proc_stat: &str) -> Option<Duration> {
    const IDLE: std::ops::RangeInclusive<usize> = 3..=4;
    const STEAL: usize = 7;
    let line = proc_stat.lines().next()?.strip_prefix("cpu ")?;
    let fields = line.split_ascii_whitespace().take(STEAL);
    let ticks = fields
        .enumerate()
        .filter(|(column, _)| !IDLE.contains(column))
        .filter_map(|(_, field)| field.parse::<u32>().ok());
    Some(ticks.map(|ticks| TICK * ticks).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_busy_with_all_but_waiting_and_what_was_stolen() {
        let text = "cpu  100 20 30 4000 500 6 7 80 9 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy(text), Some(Duration::from_millis(1630)));
        assert_eq!(busy(""), None);
    }

    #[test]
    fn what_a_container_used_counts_for_its_service_even_if_it_is_new() {
        let at = Instant::now();
        let reading = |seconds, stack: &[(&str, &str, u64)], own, machine| Reading {
            at: at + Duration::from_secs(seconds),
            stack: stack
                .iter()
                .map(|(container, service, used)| {
                    let used = Duration::from_secs(*used);
                    ((*container).to_owned(), ((*service).to_owned(), used))
                })
                .collect(),
            own: Duration::from_secs(own),
            machine: Some(Duration::from_secs(machine)),
            counters: Counters::default(),
        };
        let before = reading(0, &[("a", "order", 10), ("b", "order", 20)], 1, 100);
        let after = reading(10, &[("a", "order", 13), ("c", "order", 2)], 2, 120);
        let work = after.since(&before, &Figures::default());
        assert_eq!(work.seconds, 10.0);
        assert_eq!(work.stack_cpu, BTreeMap::from([("order".to_owned(), 5.0)]));
        assert_eq!((work.generator_cpu, work.rest_cpu), (1.0, Some(14.0)));
    }
}

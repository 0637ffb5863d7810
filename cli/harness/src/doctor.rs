//! Looks a machine over: whether its engine can carry the stack, which faults its kernel can do, what was left behind.

use std::time::{Duration, SystemTime};

use bollard::models::SystemInfo;
use futures_util::future::LocalBoxFuture;

use crate::{
    cluster::Cluster,
    error::{Error, Kind, Result},
    fault::{self, action::Hold, limit::BitLimit},
    image, lock, run,
    stack::{
        overview::{Overview, ServiceView},
        port,
    },
    timestamp,
    units::human,
};

/// The full stack was measured at 2 to 2.4 GiB; the rest is for page cache, builds and the load.
const MEMORY_WANTED_BYTES: i64 = 6 << 30;
/// What it was measured on.
const CPUS_WANTED: i64 = 2;
/// More than this apart, an engine's events cannot be put beside our own times.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(2);

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub what: &'static str,
    pub state: State,
    /// What it is, and what that means.
    pub says: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Good,
    /// Something cannot be done here, and everything else can.
    Note,
    /// Commands will fail, or a fault is still there.
    Bad,
}

impl Finding {
    fn good(what: &'static str, says: impl Into<String>) -> Self {
        Self {
            what,
            state: State::Good,
            says: says.into(),
            hint: None,
        }
    }

    fn note(what: &'static str, says: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            state: State::Note,
            hint: Some(hint.into()),
            ..Self::good(what, says)
        }
    }

    fn bad(what: &'static str, says: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            state: State::Bad,
            hint: Some(hint.into()),
            ..Self::good(what, says)
        }
    }

    /// An error where nothing else could be found out.
    fn of(what: &'static str, error: &Error) -> Self {
        Self {
            hint: error.hint(),
            ..Self::bad(what, error.to_string(), "")
        }
    }
}

/// Looks at everything. `port` is where the gateway is to answer, `now` is our own clock.
///
/// # Errors
/// Only [`Error::Interrupted`]: whatever else goes wrong is a finding.
pub fn examine(
    cluster: &Cluster,
    wanted_port: u16,
    now: SystemTime,
) -> LocalBoxFuture<'_, Result<Vec<Finding>>> {
    Box::pin(look_at_everything(cluster, wanted_port, now))
}

async fn look_at_everything(
    cluster: &Cluster,
    wanted_port: u16,
    now: SystemTime,
) -> Result<Vec<Finding>> {
    let mut found = vec![Finding::good(
        "engine",
        format!(
            "Docker {} at {}, API {}",
            cluster.engine.version(),
            cluster.engine.host(),
            cluster.engine.docker().client_version()
        ),
    )];
    found.push(swarm(cluster).await);
    match cluster.engine.docker().info().await {
        Ok(info) => found.extend(machine(&info, now)),
        Err(error) => found.push(Finding::of(
            "machine",
            &Error::docker("ask the engine about its machine", error),
        )),
    }
    found.push(
        match cluster.engine.require_space(image::SPACE_BYTES).await {
            Ok(()) => Finding::good("disk", "room enough for the images and their builds"),
            Err(error) => Finding::of("disk", &error),
        },
    );
    let overview = Overview::read(cluster).await;
    found.push(gateway(cluster, overview.as_ref().ok(), wanted_port).await);
    found.extend(kernel(cluster).await?);
    found.push(stack(cluster, overview.as_ref()));
    found.push(leftovers(cluster).await);
    found.push(runner(cluster, overview.as_ref().ok()).await);
    Ok(found)
}

async fn swarm(cluster: &Cluster) -> Finding {
    match cluster.engine.is_manager().await {
        Ok(true) => Finding::good("swarm", "this engine manages one"),
        Ok(false) => Finding::good("swarm", "none; `webshop up` makes one of this node alone"),
        Err(error) => Finding::of("swarm", &error),
    }
}

/// What the engine says of its machine.
fn machine(info: &SystemInfo, now: SystemTime) -> Vec<Finding> {
    let cpus = info.ncpu.unwrap_or_default();
    let memory = info.mem_total.unwrap_or_default();
    let gib = memory >> 30;
    let mut found = Vec::new();
    found.push(if memory < MEMORY_WANTED_BYTES {
        Finding::bad(
            "memory",
            format!("{gib} GiB, and the full stack wants 6"),
            "webshop up --profile small",
        )
    } else {
        Finding::good("memory", format!("{gib} GiB"))
    });
    found.push(if cpus < CPUS_WANTED {
        Finding::note(
            "processors",
            format!("{cpus}: failovers will take longer than their budgets"),
            "webshop up --profile small",
        )
    } else {
        Finding::good("processors", cpus.to_string())
    });
    let theirs = info.system_time.as_deref().and_then(timestamp::parse);
    found.extend(theirs.map(|theirs| {
        let ahead = theirs.duration_since(now);
        let apart = ahead.unwrap_or_else(|behind| behind.duration());
        if apart > CLOCKS_APART_MAX {
            Finding::bad(
                "time",
                format!("the engine's clock and this one are {} apart", human(apart)),
                "let both follow the same time server",
            )
        } else {
            Finding::good("time", "the engine's clock agrees with this one")
        }
    }));
    found
}

async fn gateway(cluster: &Cluster, overview: Option<&Overview>, wanted: u16) -> Finding {
    if let Some(port) = overview.and_then(Overview::port) {
        return Finding::good("port", format!("{port} is this stack's own"));
    }
    match port::require_free(cluster, wanted).await {
        Ok(()) => Finding::good("port", format!("{wanted} is free")),
        Err(error) => Finding::of("port", &error),
    }
}

/// Each fault that needs something of the kernel.
async fn kernel(cluster: &Cluster) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (what, hold, module) in [
        ("fault loss", Hold::Loss { per_mille: 300 }, "xt_statistic"),
        ("fault reset", Hold::Reset, "ipt_REJECT"),
        (
            "fault isolate",
            Hold::Isolate,
            "iptable_filter or nf_tables",
        ),
        (
            "fault bandwidth",
            Hold::Bandwidth {
                to: BitLimit::BitsPerS(1_000_000),
            },
            "sch_tbf",
        ),
        ("fault delay", Hold::Delay { ms: 1 }, "sch_netem"),
    ] {
        found.push(match fault::hold::probe(cluster, &hold).await {
            Ok(()) => Finding::good(what, "this kernel can do it"),
            Err(Error::Kernel { reason, .. }) => Finding::note(
                what,
                format!(
                    "refused here: {}",
                    reason.lines().next().unwrap_or_default()
                ),
                format!("load the kernel module {module}, or run where it is"),
            ),
            Err(error @ Error::NoFaultImage) => {
                found.push(Finding::note(
                    "faults",
                    "what the kernel can do is tried with an image that is not built",
                    error.hint().unwrap_or_default(),
                ));
                return Ok(found);
            }
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => Finding::of(what, &error),
        });
    }
    Ok(found)
}

fn stack(cluster: &Cluster, overview: Result<&Overview, &Error>) -> Finding {
    let name = &cluster.stack;
    match overview {
        Ok(overview) if overview.services.is_empty() => {
            Finding::good("stack", format!("`{name}` is not deployed"))
        }
        Ok(overview) if overview.services.iter().all(ServiceView::is_converged) => {
            Finding::good("stack", format!("every task of `{name}` runs"))
        }
        Ok(_) => Finding::bad(
            "stack",
            format!("not every task of `{name}` runs"),
            format!("webshop --stack {name} up repairs it, webshop ps shows it"),
        ),
        Err(error) => Finding::of("stack", error),
    }
}

async fn leftovers(cluster: &Cluster) -> Finding {
    match fault::present(cluster).await {
        Ok(faults) if faults.is_empty() => Finding::good("leftovers", "no fault is on the stack"),
        Ok(faults) => Finding::bad(
            "leftovers",
            format!("faults are on the stack: {}", faults.join(", ")),
            "wait for the run that made them, or heal: webshop chaos clear",
        ),
        Err(error) => Finding::of("leftovers", &error),
    }
}

/// Whether a run is under way.
async fn runner(cluster: &Cluster, overview: Option<&Overview>) -> Finding {
    const FREE: &str = "no run is under way";
    let Some(overview) = overview.filter(|overview| !overview.services.is_empty()) else {
        return Finding::good("lock", FREE);
    };
    match run::mark(cluster, overview).await {
        Ok(mark) => match lock::held_by(&lock::path(&mark.id)) {
            Some(holder) => Finding::note(
                "lock",
                format!("in use: {holder}"),
                "wait for it, or stop it",
            ),
            None => Finding::good("lock", FREE),
        },
        Err(error) => Finding::of("lock", &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(memory: i64, cpus: i64) -> SystemInfo {
        SystemInfo {
            mem_total: Some(memory),
            ncpu: Some(cpus),
            system_time: Some("1970-01-01T00:01:40.5Z".to_owned()),
            ..SystemInfo::default()
        }
    }

    fn states(info: &SystemInfo, now_s: u64) -> Vec<State> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now_s);
        let found = machine(info, now);
        found.iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn a_machine_that_is_large_enough_is_good() {
        assert_eq!(states(&info(24 << 30, 2), 100), [State::Good; 3]);
    }

    #[test]
    fn a_small_one_with_a_wrong_clock_is_told_so() {
        assert_eq!(
            states(&info(4 << 30, 1), 110),
            [State::Bad, State::Note, State::Bad]
        );
    }
}

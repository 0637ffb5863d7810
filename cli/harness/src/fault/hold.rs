//! A fault that is on a task until it is lifted: how it is put there, what shows that it is in effect, how it ends.

use std::net::IpAddr;

use bollard::{
    errors::Error as DockerError,
    models::{ContainerInspectResponse, ContainerUpdateBody},
    query_parameters::{InspectContainerOptions, StatsOptions},
};
use futures_util::StreamExt as _;

use super::{
    action::Hold,
    disk, ending,
    helper::{Beside, Helper},
    network::{self, LINKS, Scripts},
};
use crate::{
    cluster::Cluster,
    error::{Error, Result},
    target::Victim,
    tasks::Running,
};

/// The scheduler's period, in microseconds: the kernel's own default.
const CPU_PERIOD_US: i64 = 100_000;
/// Takes a quota away again; 0 would mean to leave it as it is.
const NO_QUOTA: i64 = -1;
/// Less than that is no room: nothing can be written any more.
const BLOCK_BYTES: u64 = 4096;

/// A fault on a task.
#[derive(Debug)]
pub(super) struct OnTask {
    task: Running,
    means: Means,
}

#[derive(Debug)]
enum Means {
    Frozen,
    Throttled {
        periods_before: u64,
    },
    Network {
        helper: Helper,
        scripts: Scripts,
    },
    Filled {
        helper: Helper,
        scripts: disk::Scripts,
    },
}

/// Refuses what cannot be done to these tasks, before anything is.
///
/// # Errors
/// [`Error::Kernel`] where the kernel cannot do it, [`Error::BadTarget`] where a volume is not to be filled.
pub(super) async fn require(cluster: &Cluster, hold: &Hold, victims: &[Victim]) -> Result<()> {
    if *hold == Hold::FillDisk {
        for victim in victims {
            require_bound(cluster, &victim.task).await?;
        }
    }
    probe(cluster, hold).await
}

/// Whether the kernel can do it, tried where nobody is hit.
///
/// # Errors
/// [`Error::Kernel`] where it cannot.
pub(crate) async fn probe(cluster: &Cluster, hold: &Hold) -> Result<()> {
    let nobody = [IpAddr::from([192, 0, 2, 1])];
    let Some(scripts) = network::scripts(hold, "probe", &nobody) else {
        return Ok(());
    };
    let helper = Helper::alone(cluster).await?;
    let tried = helper
        .run(cluster, &scripts.apply, &[format!("{LINKS}=lo")])
        .await;
    helper.remove(cluster).await?;
    match tried {
        Ok(_said) => Ok(()),
        Err(Error::Fault { reason }) => Err(Error::Kernel {
            verb: hold.verb(),
            reason,
        }),
        Err(error) => Err(error),
    }
}

impl OnTask {
    /// Puts it on a task. `fault` is what it is called, `others` the addresses of a partition's other side.
    ///
    /// # Errors
    /// The engine refused, or the kernel did; then nothing of it is left on the task.
    pub(super) async fn put(
        cluster: &Cluster,
        hold: &Hold,
        task: &Running,
        fault: &str,
        others: &[IpAddr],
    ) -> Result<Self> {
        let id = format!("{:08x}", rand::random::<u32>());
        let means = match (hold, network::scripts(hold, &id, others)) {
            (_, Some(scripts)) => network(cluster, task, fault, scripts).await?,
            (Hold::Throttle { milli_cpus }, None) => throttle(cluster, task, *milli_cpus).await?,
            (Hold::FillDisk, None) => fill(cluster, task, fault).await?,
            (_, None) => freeze(cluster, task).await?,
        };
        Ok(Self {
            task: task.clone(),
            means,
        })
    }

    /// What shows that it is in effect; nothing where nothing does yet.
    pub(super) async fn seen(&self, cluster: &Cluster) -> Result<Option<String>> {
        let name = self.task.name();
        Ok(match &self.means {
            Means::Frozen => is_frozen(cluster, &self.task.container)
                .await?
                .then(|| format!("the processes of {name} stood still")),
            Means::Throttled { periods_before } => {
                let periods = throttled_periods(cluster, &self.task).await?;
                let more = periods.saturating_sub(*periods_before);
                (more > 0)
                    .then(|| format!("{name} was held back in {more} periods of its processor"))
            }
            Means::Network { helper, scripts } => {
                let said = helper.run(cluster, &scripts.count, &[]).await?;
                let packets = number(&said);
                (packets > 0).then(|| format!("{packets} packets of {name} {}", scripts.done))
            }
            Means::Filled { helper, scripts } => {
                let free = number(&helper.run(cluster, &scripts.free, &[]).await?);
                (free < BLOCK_BYTES).then(|| format!("{free} bytes of {name}'s volume were free"))
            }
        })
    }

    /// Ends it, and looks that nothing of it is left.
    pub(super) async fn lift(&self, cluster: &Cluster) -> Result<()> {
        match &self.means {
            Means::Frozen => thaw(cluster, &self.task.container, &self.task.name()).await,
            Means::Throttled { .. } => {
                unthrottle(cluster, &self.task.container, &self.task.name()).await
            }
            Means::Network { helper, scripts } => {
                helper.run(cluster, &scripts.undo, &[]).await?;
                helper.remove(cluster).await
            }
            Means::Filled { helper, scripts } => {
                helper.run(cluster, &scripts.undo, &[]).await?;
                helper.remove(cluster).await
            }
        }
    }
}

/// The volume that a task's data are on.
async fn volume(cluster: &Cluster, task: &Running) -> Result<String> {
    let mut volumes = ending::volumes(cluster, task).await?;
    volumes.pop().ok_or_else(|| Error::BadTarget {
        target: task.name(),
        reason: "it has no volume that could be filled".to_owned(),
    })
}

/// Refuses a volume that would take the host's disk along.
async fn require_bound(cluster: &Cluster, task: &Running) -> Result<()> {
    let volume = volume(cluster, task).await?;
    let name = task.name();
    let beside = Beside {
        fault: "probe",
        task: &name,
        container: &task.container,
        undo: "true",
    };
    let volumes = [volume.clone()];
    let helper = Helper::with_volumes(cluster, &beside, &volumes).await?;
    let size = helper.run(cluster, &disk::scripts(&volume).size, &[]).await;
    helper.remove(cluster).await?;
    let size = number(&size?);
    if (1..=disk::FILL_MAX).contains(&size) {
        return Ok(());
    }
    Err(Error::NoBound {
        volume,
        bytes: size,
    })
}

async fn fill(cluster: &Cluster, task: &Running, fault: &str) -> Result<Means> {
    let volume = volume(cluster, task).await?;
    let scripts = disk::scripts(&volume);
    let name = task.name();
    let beside = Beside {
        fault,
        task: &name,
        container: &task.container,
        undo: &scripts.undo,
    };
    let helper = Helper::with_volumes(cluster, &beside, &[volume]).await?;
    apply(cluster, &helper, &name, &scripts.apply, &scripts.undo).await?;
    Ok(Means::Filled { helper, scripts })
}

/// Runs the script of a fault; where that fails, nothing of it is left.
async fn apply(
    cluster: &Cluster,
    helper: &Helper,
    task: &str,
    script: &str,
    undo: &str,
) -> Result<()> {
    let Err(error) = helper.run(cluster, script, &[]).await else {
        return Ok(());
    };
    // Half of it may be there.
    if let Err(left) = helper.run(cluster, undo, &[]).await {
        tracing::debug!(error = %left, task, "undoing half a fault failed");
        return Err(error);
    }
    helper.remove(cluster).await?;
    Err(error)
}

/// What a script printed, 0 where that is no number.
fn number(said: &str) -> u64 {
    said.trim().parse().unwrap_or_default()
}

async fn network(
    cluster: &Cluster,
    task: &Running,
    fault: &str,
    scripts: Scripts,
) -> Result<Means> {
    let name = task.name();
    let beside = Beside {
        fault,
        task: &name,
        container: &task.container,
        undo: &scripts.undo,
    };
    let helper = Helper::in_network(cluster, &beside).await?;
    apply(cluster, &helper, &name, &scripts.apply, &scripts.undo).await?;
    Ok(Means::Network { helper, scripts })
}

async fn freeze(cluster: &Cluster, task: &Running) -> Result<Means> {
    let docker = cluster.engine.docker();
    docker
        .pause_container(&task.container)
        .await
        .map_err(|error| Error::docker(format!("pause {}", task.name()), error))?;
    Ok(Means::Frozen)
}

/// Lets a frozen container go on; one that is gone or goes on already is fine.
pub(super) async fn thaw(cluster: &Cluster, container: &str, task: &str) -> Result<()> {
    let docker = cluster.engine.docker();
    match docker.unpause_container(container).await {
        Ok(()) => Ok(()),
        Err(error) => match is_frozen(cluster, container).await {
            Ok(false) => Ok(()),
            _ => Err(Error::docker(format!("unpause {task}"), error)),
        },
    }
}

async fn is_frozen(cluster: &Cluster, container: &str) -> Result<bool> {
    let found = inspect(cluster, container).await?;
    let state = found.and_then(|found| found.state);
    Ok(state.and_then(|state| state.paused) == Some(true))
}

async fn throttle(cluster: &Cluster, task: &Running, milli_cpus: u64) -> Result<Means> {
    let periods_before = throttled_periods(cluster, task).await?;
    let share = i64::try_from(milli_cpus).unwrap_or(i64::MAX);
    let quota = share.saturating_mul(CPU_PERIOD_US / 1_000);
    set_quota(cluster, &task.container, quota)
        .await
        .map_err(|error| Error::docker(format!("throttle {}", task.name()), error))?;
    Ok(Means::Throttled { periods_before })
}

/// Gives a container all processors again; one that is gone is fine.
pub(super) async fn unthrottle(cluster: &Cluster, container: &str, task: &str) -> Result<()> {
    let failed = |error| Error::docker(format!("end the throttling of {task}"), error);
    match set_quota(cluster, container, NO_QUOTA).await {
        Ok(()) => {}
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    if is_throttled(cluster, container).await? {
        let reason = format!("{task} still has a quota of its processor");
        return Err(Error::Fault { reason });
    }
    Ok(())
}

/// Whether a container has a quota. No service of the stack has one of its own.
pub(super) async fn is_throttled(cluster: &Cluster, container: &str) -> Result<bool> {
    let found = inspect(cluster, container).await?;
    let host = found.and_then(|found| found.host_config);
    Ok(host
        .and_then(|host| host.cpu_quota)
        .is_some_and(|quota| quota > 0))
}

/// What the engine says of a container; nothing where it is gone.
async fn inspect(cluster: &Cluster, container: &str) -> Result<Option<ContainerInspectResponse>> {
    let options = None::<InspectContainerOptions>;
    let docker = cluster.engine.docker();
    match docker.inspect_container(container, options).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(Error::docker("look at a container", error)),
    }
}

async fn set_quota(cluster: &Cluster, container: &str, quota_us: i64) -> Result<(), DockerError> {
    let update = ContainerUpdateBody {
        cpu_period: Some(CPU_PERIOD_US),
        cpu_quota: Some(quota_us),
        ..ContainerUpdateBody::default()
    };
    cluster
        .engine
        .docker()
        .update_container(container, update)
        .await
}

/// In how many periods the kernel has held the task's processes back since they started.
async fn throttled_periods(cluster: &Cluster, task: &Running) -> Result<u64> {
    let options = StatsOptions {
        stream: false,
        one_shot: true,
    };
    let stats = cluster
        .engine
        .docker()
        .stats(&task.container, Some(options))
        .next()
        .await
        .transpose()
        .map_err(|error| Error::docker(format!("measure {}", task.name()), error))?;
    Ok(stats
        .and_then(|stats| stats.cpu_stats?.throttling_data?.throttled_periods)
        .unwrap_or_default())
}

fn is_gone(error: &DockerError) -> bool {
    matches!(
        error,
        DockerError::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }
    )
}

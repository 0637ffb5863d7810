//! A fault that is on a task until it is lifted: how it is put there, what shows that it is in effect, how it ends.

mod look;

use std::net::IpAddr;

pub(super) use self::look::Look;
use self::look::{ask, number};
use super::{
    action::Hold,
    container::{self, State},
    disk, ending,
    helper::{Beside, Helper},
    network::{self, LINKS, Scripts, Where},
    now::{self, Now},
    tenure::Ended,
};
use crate::{
    cluster::Cluster,
    error::{Error, Result},
    target::Victim,
    tasks::Running,
};

/// What a kernel is tried with where the amount is not known before the injection.
const NOMINAL_BITS_PER_S: u64 = 1_000_000;

/// A fault on a task.
#[derive(Debug)]
pub(super) struct OnTask {
    task: Running,
    /// What the fault is called.
    fault: String,
    means: Means,
    /// What its amount came to, where it was a part of what was measured.
    amount: Option<String>,
}

#[derive(Debug)]
enum Means {
    Frozen,
    Throttled {
        quota_us: i64,
        periods_before: u64,
    },
    Network {
        helper: Helper,
        scripts: Scripts,
    },
    Filled {
        helper: Helper,
        volume: String,
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

/// What tries a fault where nobody is hit, or nothing where it is not done in the network.
pub(super) fn probing(hold: &Hold) -> Option<Scripts> {
    let nobody = Where {
        id: "probe",
        others: &[IpAddr::from([192, 0, 2, 1])],
        sent_bits_per_s: NOMINAL_BITS_PER_S,
    };
    network::scripts(hold, nobody)
}

/// Whether the kernel can do it, tried where nobody is hit.
///
/// # Errors
/// [`Error::Kernel`] where it cannot.
pub(crate) async fn probe(cluster: &Cluster, hold: &Hold) -> Result<()> {
    let Some(scripts) = probing(hold) else {
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
    /// Puts it on a task. `fault` is what it is called, `others` the addresses of a partition's other side, `now` what the
    /// task was just seen to use, where the amount is a part of that.
    ///
    /// # Errors
    /// The engine refused, or the kernel did; then nothing of it is left on the task.
    pub(super) async fn put(
        cluster: &Cluster,
        hold: &Hold,
        task: &Running,
        fault: &str,
        others: &[IpAddr],
        now: Now,
    ) -> Result<Self> {
        let id = format!("{:08x}", rand::random::<u32>());
        let at = Where {
            id: &id,
            others,
            sent_bits_per_s: now.sent_bits_per_s,
        };
        let means = match (hold, network::scripts(hold, at)) {
            (_, Some(scripts)) => network(cluster, task, fault, scripts).await?,
            (Hold::Throttle { to }, None) => {
                throttle(cluster, task, to.of(now.used_milli_cpus)).await?
            }
            (Hold::FillDisk, None) => fill(cluster, task, fault).await?,
            (_, None) => freeze(cluster, task).await?,
        };
        Ok(Self {
            task: task.clone(),
            fault: fault.to_owned(),
            means,
            amount: now::told(hold, now),
        })
    }

    /// Looks whether it is still in its place, and what shows its effect.
    ///
    /// # Errors
    /// There is no answer, or none that can be read.
    pub(super) async fn look(&self, cluster: &Cluster) -> Result<Look> {
        let name = self.task.name();
        let state = container::state(cluster, &self.task.container).await?;
        let runs = match state {
            State::Runs { paused, quota_us } => Some((paused, quota_us)),
            State::Ended => None,
        };
        match (&self.means, runs) {
            // A full volume is full for whoever takes the task's place.
            (
                Means::Filled {
                    helper, scripts, ..
                },
                _,
            ) => {
                let told = ask(cluster, helper, &scripts.look).await?;
                Ok(told.look(|free| Some(format!("{free} bytes of {name}'s volume were free"))))
            }
            (_, None) => Ok(Look::gone(Ended::Task)),
            (Means::Frozen, Some((paused, _))) => Ok(if paused {
                Look::there(Some(format!("the processes of {name} stood still")))
            } else {
                Look::gone(Ended::Fault)
            }),
            (Means::Throttled { quota_us, .. }, Some((_, now))) if now != Some(*quota_us) => {
                Ok(Look::gone(Ended::Fault))
            }
            (Means::Throttled { periods_before, .. }, Some(_)) => {
                let periods = now::throttled_periods(cluster, &self.task).await?;
                let more = periods.saturating_sub(*periods_before);
                let effect = format!("{name} was held back in {more} periods of its processor");
                Ok(Look::there((more > 0).then(|| self.with_amount(effect))))
            }
            (Means::Network { helper, scripts }, Some(_)) => {
                let told = ask(cluster, helper, &scripts.look).await?;
                Ok(told.look(|packets| {
                    let effect = format!("{packets} packets of {name} {}", scripts.done);
                    (packets > 0).then(|| self.with_amount(effect))
                }))
            }
        }
    }

    fn with_amount(&self, effect: String) -> String {
        match &self.amount {
            Some(amount) => format!("{effect} ({amount})"),
            None => effect,
        }
    }

    /// Ends it, and looks that nothing of it is left.
    pub(super) async fn lift(&self, cluster: &Cluster) -> Result<()> {
        match &self.means {
            Means::Frozen => {
                container::thaw(cluster, &self.task.container, &self.task.name()).await
            }
            Means::Throttled { .. } => {
                container::unthrottle(cluster, &self.task.container, &self.task.name()).await
            }
            Means::Network { helper, scripts } => {
                self.undo(cluster, helper, &scripts.undo, &[]).await
            }
            Means::Filled {
                helper,
                volume,
                scripts,
            } => {
                let volumes = std::slice::from_ref(volume);
                self.undo(cluster, helper, &scripts.undo, volumes).await
            }
        }
    }

    /// Undoes it from its helper, or from another one where somebody ended that.
    async fn undo(
        &self,
        cluster: &Cluster,
        helper: &Helper,
        undo: &str,
        volumes: &[String],
    ) -> Result<()> {
        if let Err(error) = helper.run(cluster, undo, &[]).await {
            if container::state(cluster, helper.id()).await? != State::Ended {
                return Err(error);
            }
            let beside = Beside {
                fault: &self.fault,
                task: &self.task.name(),
                container: &self.task.container,
                undo,
            };
            beside.undo_anew(cluster, volumes).await?;
        }
        helper.remove(cluster).await
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
    let beside = Beside::probe(&name, &task.container);
    let volumes = [volume.clone()];
    let helper = Helper::with_volumes(cluster, &beside, &volumes).await?;
    let size = helper.run(cluster, &disk::scripts(&volume).size, &[]).await;
    helper.remove(cluster).await?;
    let size = number(&size?)?;
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
    let helper = Helper::with_volumes(cluster, &beside, std::slice::from_ref(&volume)).await?;
    apply(cluster, &helper, &name, &scripts.apply, &scripts.undo).await?;
    Ok(Means::Filled {
        helper,
        volume,
        scripts,
    })
}

/// Empties a volume whose filler nobody holds any more.
pub(super) async fn empty(
    cluster: &Cluster,
    container: &str,
    task: &str,
    volume: &str,
) -> Result<()> {
    let scripts = disk::scripts(volume);
    let beside = Beside {
        fault: "fill-disk",
        task,
        container,
        undo: &scripts.undo,
    };
    beside.undo_anew(cluster, &[volume.to_owned()]).await
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

async fn throttle(cluster: &Cluster, task: &Running, milli_cpus: u64) -> Result<Means> {
    let periods_before = now::throttled_periods(cluster, task).await?;
    let share = i64::try_from(milli_cpus).unwrap_or(i64::MAX);
    let quota_us = share.saturating_mul(container::CPU_PERIOD_US / 1_000);
    container::set_quota(cluster, &task.container, quota_us)
        .await
        .map_err(|error| Error::docker(format!("throttle {}", task.name()), error))?;
    Ok(Means::Throttled {
        quota_us,
        periods_before,
    })
}

#[cfg(test)]
mod tests;

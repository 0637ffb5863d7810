//! Faults after which a task is gone, and the Swarm starts another one.

use bollard::query_parameters::{InspectContainerOptions, KillContainerOptions};

use super::{
    action::End,
    container,
    helper::{Beside, Helper},
};
use crate::{
    cluster::Cluster,
    error::{Error, Result},
    stack::as_found,
    target::Victim,
    tasks::Running,
};

/// Empties every volume of a helper, but leaves the volumes.
const EMPTY: &str = "find /volumes -mindepth 2 -delete";
/// The signal that stops a container whose image names none.
const STOP_SIGNAL: &str = "SIGTERM";

/// Refuses what cannot be done to these tasks, before anything is.
///
/// # Errors
/// [`Error::BadTarget`] where a task that is to be wiped has no volume.
pub(super) async fn require(cluster: &Cluster, end: &End, victims: &[Victim]) -> Result<()> {
    let End::Wipe(target) = end else {
        return Ok(());
    };
    for Victim { task, .. } in victims {
        if volumes(cluster, task).await?.is_empty() {
            return Err(Error::BadTarget {
                target: target.clone(),
                reason: format!("{} has no volume that could be wiped", task.name()),
            });
        }
    }
    Ok(())
}

/// Does it to one task. A restart is of its whole service, and is begun for the `first` of its tasks.
pub(super) async fn put(cluster: &Cluster, end: &End, task: &Running, first: bool) -> Result<()> {
    match end {
        End::Kill(_) => signal(cluster, task, "KILL").await,
        End::Stop(_) => {
            let wanted = stop_signal(cluster, task).await?;
            signal(cluster, task, &wanted).await
        }
        End::Restart(_) => {
            if first {
                restart(cluster, &task.service).await?;
            }
            Ok(())
        }
        End::Wipe(_) => wipe(cluster, task).await,
    }
}

async fn signal(cluster: &Cluster, task: &Running, signal: &str) -> Result<()> {
    let options = KillContainerOptions {
        signal: signal.to_owned(),
    };
    cluster
        .engine
        .docker()
        .kill_container(&task.container, Some(options))
        .await
        .map_err(|error| {
            Error::docker(
                format!("send {signal} to the container of {}", task.name()),
                error,
            )
        })
}

async fn stop_signal(cluster: &Cluster, task: &Running) -> Result<String> {
    let found = inspect(cluster, task).await?;
    Ok(found
        .config
        .and_then(|config| config.stop_signal)
        .unwrap_or_else(|| STOP_SIGNAL.to_owned()))
}

/// As `docker service update --force` does.
async fn restart(cluster: &Cluster, service: &str) -> Result<()> {
    let docker = cluster.engine.docker();
    let failed = |error| Error::docker(format!("restart the service {service}"), error);
    let found = docker
        .inspect_service(&cluster.stack.scoped(service), None)
        .await
        .map_err(failed)?;
    let mut spec = found.spec.unwrap_or_default();
    if let Some(template) = spec.task_template.as_mut() {
        template.force_update = Some(template.force_update.unwrap_or_default() + 1);
    }
    let options = as_found(found.version);
    docker
        .update_service(&found.id.unwrap_or_default(), spec, options, None)
        .await
        .map(|_warnings| ())
        .map_err(failed)
}

/// Frozen while its files go, a task cannot write anything of what it still knows; then it is killed.
async fn wipe(cluster: &Cluster, task: &Running) -> Result<()> {
    let name = task.name();
    let volumes = volumes(cluster, task).await?;
    let beside = Beside {
        fault: "wipe",
        task: &name,
        container: &task.container,
        undo: "true",
    };
    let helper = Helper::with_volumes(cluster, &beside, &volumes).await?;
    let wiped = async {
        let docker = cluster.engine.docker();
        docker
            .pause_container(&task.container)
            .await
            .map_err(|error| Error::docker(format!("pause {name}"), error))?;
        let emptied = helper.run(cluster, EMPTY, &[]).await;
        // The signal reaches a frozen container as it thaws, before anything else of it runs.
        let killed = signal(cluster, task, "KILL").await;
        container::thaw(cluster, &task.container, &name).await?;
        emptied.and(killed)
    }
    .await;
    helper.remove(cluster).await?;
    wiped
}

/// The names of the volumes that a task has.
pub(super) async fn volumes(cluster: &Cluster, task: &Running) -> Result<Vec<String>> {
    let found = inspect(cluster, task).await?;
    Ok(found
        .mounts
        .into_iter()
        .flatten()
        .filter_map(|mount| mount.name)
        .collect())
}

async fn inspect(
    cluster: &Cluster,
    task: &Running,
) -> Result<bollard::models::ContainerInspectResponse> {
    cluster
        .engine
        .docker()
        .inspect_container(&task.container, None::<InspectContainerOptions>)
        .await
        .map_err(|error| Error::docker(format!("look at the container of {}", task.name()), error))
}

//! Takes a stack down and waits until nothing of it is left.

use std::time::{Duration, Instant};

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{
    ListConfigsOptions, ListNetworksOptions, ListSecretsOptions, RemoveContainerOptions,
    RemoveVolumeOptions,
};
use futures_util::future::LocalBoxFuture;

use super::overview::Overview;
use super::{NAMESPACE_LABEL, STACK_LABEL, disks, label_filter, volumes};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::event::{Change, Event};
use crate::fault;
use crate::wait::{self, Limit, Look};

const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What was found and removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    pub services: usize,
    pub containers: usize,
    pub networks: usize,
    pub secrets: usize,
    pub configs: usize,
    pub volumes: usize,
}

impl Removed {
    /// There was nothing of the stack.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Heals paused tasks, removes the services, and waits for tasks, containers and networks to go. With
/// `volumes` also the data and the secrets that open it.
///
/// # Errors
/// [`Error::Timeout`] says what is still there.
pub fn down(
    cluster: &Cluster,
    volumes: bool,
    timeout: Duration,
) -> LocalBoxFuture<'_, Result<Removed>> {
    Box::pin(remove(cluster, volumes, timeout))
}

async fn remove(cluster: &Cluster, volumes: bool, timeout: Duration) -> Result<Removed> {
    let start = Instant::now();
    let limit = || Limit::new(timeout.saturating_sub(start.elapsed()), LOOK_EVERY);
    let managed = cluster.engine.is_manager().await?;
    // A paused task outlives the removal of its service: the Swarm cannot stop it.
    for healed in fault::clear(cluster).await? {
        cluster.events.note(healed);
    }
    let mut removed = Removed {
        containers: containers(cluster).await?.len(),
        ..Removed::default()
    };
    if managed {
        removed.services = remove_services(cluster).await?;
    }
    wait_for_containers(cluster, limit()).await?;
    if managed {
        removed.networks = remove_networks(cluster, limit()).await?;
        removed.configs = remove_configs(cluster).await?;
    }
    if volumes {
        disks::release(cluster).await?;
        removed.volumes = remove_volumes(cluster, limit()).await?;
        if managed {
            removed.secrets = remove_secrets(cluster).await?;
        }
    }
    if !removed.is_nothing() {
        cluster.events.emit(Event::Reached {
            what: format!("stack {} is gone", cluster.stack),
            took: start.elapsed(),
        });
    }
    Ok(removed)
}

async fn remove_services(cluster: &Cluster) -> Result<usize> {
    let overview = Overview::read(cluster).await?;
    for service in &overview.services {
        gone_is_fine(
            cluster.engine.docker().delete_service(&service.id).await,
            &format!("remove the service {}", service.name),
        )?;
        cluster.events.emit(Event::Service {
            name: service.name.clone(),
            change: Change::Removed,
        });
    }
    Ok(overview.services.len())
}

/// The containers of the stack's tasks, and those that faults left beside them.
async fn containers(cluster: &Cluster) -> Result<Vec<ContainerSummary>> {
    let mut found = Vec::new();
    for label in [NAMESPACE_LABEL, STACK_LABEL] {
        let filters = label_filter(label, cluster.stack.as_str());
        found.extend(super::containers(cluster, filters, "the containers").await?);
    }
    Ok(found)
}

/// Tasks stop in their own time; whatever has stopped, and helpers of faults, are cleared away.
async fn wait_for_containers(cluster: &Cluster, limit: Limit) -> Result<()> {
    let mut most = 0;
    wait::until("the tasks to stop", limit, &cluster.cancel, async || {
        let left = containers(cluster).await?;
        if left.is_empty() {
            return Ok(Look::Done(()));
        }
        for container in left.iter().filter(|container| !is_task_at_work(container)) {
            let options = RemoveContainerOptions {
                force: true,
                v: true,
                ..RemoveContainerOptions::default()
            };
            let id = container.id.as_deref().unwrap_or_default();
            // The Swarm clears away as well: whoever comes second finds nothing, or a removal under way.
            if let Err(error) = cluster
                .engine
                .docker()
                .remove_container(id, Some(options))
                .await
            {
                tracing::debug!(%id, %error, "a container that ended is not removed yet");
            }
        }
        most = most.max(left.len());
        let names: Vec<String> = left
            .iter()
            .map(|container| name(cluster, container))
            .collect();
        let last = names.join(", ");
        cluster.events.emit(Event::Waiting {
            what: "the tasks to stop".to_owned(),
            done: most - left.len(),
            wanted: most,
            missing: names,
        });
        Ok(Look::NotYet(last))
    })
    .await
}

fn is_task_at_work(container: &ContainerSummary) -> bool {
    let of_task = container
        .labels
        .as_ref()
        .is_some_and(|labels| labels.contains_key("com.docker.swarm.task.id"));
    let at_work = !matches!(
        container.state,
        Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD)
    );
    of_task && at_work
}

fn name(cluster: &Cluster, container: &ContainerSummary) -> String {
    let name = container
        .names
        .iter()
        .flatten()
        .next()
        .map_or("a container", String::as_str)
        .trim_start_matches('/');
    // `webshop_order.1.<task id>` → `order.1`
    let name = cluster.stack.unscoped(name);
    name.rsplit_once('.')
        .map_or(name, |(name, _task)| name)
        .to_owned()
}

/// A network lets go of its last task only a little after that is gone.
async fn remove_networks(cluster: &Cluster, limit: Limit) -> Result<usize> {
    let docker = cluster.engine.docker();
    let mut removed = 0;
    wait::until("the networks to go", limit, &cluster.cancel, async || {
        let options = ListNetworksOptions {
            filters: Some(label_filter(NAMESPACE_LABEL, cluster.stack.as_str())),
        };
        let left = docker
            .list_networks(Some(options))
            .await
            .map_err(|error| Error::docker("list the networks", error))?;
        let mut last = String::new();
        for network in &left {
            let name = network.name.as_deref().unwrap_or_default();
            match docker
                .remove_network(network.id.as_deref().unwrap_or(name))
                .await
            {
                Ok(()) => removed += 1,
                Err(error) => last = format!("{name}: {error}"),
            }
        }
        Ok(if left.is_empty() {
            Look::Done(())
        } else {
            Look::NotYet(last)
        })
    })
    .await?;
    Ok(removed)
}

/// Our stack has none; somebody's `docker stack deploy` of the same name may have had.
async fn remove_configs(cluster: &Cluster) -> Result<usize> {
    let docker = cluster.engine.docker();
    let options = ListConfigsOptions {
        filters: Some(label_filter(NAMESPACE_LABEL, cluster.stack.as_str())),
    };
    let configs = docker
        .list_configs(Some(options))
        .await
        .map_err(|error| Error::docker("list the configs", error))?;
    for config in &configs {
        let id = config.id.as_deref().unwrap_or_default();
        gone_is_fine(docker.delete_config(id).await, "remove a config")?;
    }
    Ok(configs.len())
}

async fn remove_secrets(cluster: &Cluster) -> Result<usize> {
    let docker = cluster.engine.docker();
    let mut removed = 0;
    for label in [STACK_LABEL, NAMESPACE_LABEL] {
        let options = ListSecretsOptions {
            filters: Some(label_filter(label, cluster.stack.as_str())),
        };
        let found = docker
            .list_secrets(Some(options))
            .await
            .map_err(|error| Error::docker("list the secrets", error))?;
        for secret in &found {
            let id = secret.id.as_deref().unwrap_or_default();
            gone_is_fine(docker.delete_secret(id).await, "remove a secret")?;
        }
        removed += found.len();
    }
    Ok(removed)
}

async fn remove_volumes(cluster: &Cluster, limit: Limit) -> Result<usize> {
    let docker = cluster.engine.docker();
    let mut removed = 0;
    wait::until("the volumes to go", limit, &cluster.cancel, async || {
        let left = volumes::volumes(cluster).await?;
        let mut last = String::new();
        for name in &left {
            match docker
                .remove_volume(name, None::<RemoveVolumeOptions>)
                .await
            {
                Ok(()) => removed += 1,
                // In use by a container that is just going.
                Err(error) => last = format!("{name}: {error}"),
            }
        }
        Ok(if left.is_empty() {
            Look::Done(())
        } else {
            Look::NotYet(last)
        })
    })
    .await?;
    Ok(removed)
}

/// Whoever removes it first: what counts is that it is gone.
fn gone_is_fine(
    result: std::result::Result<(), bollard::errors::Error>,
    action: &str,
) -> Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => Ok(()),
        Err(error) => Err(Error::docker(action, error)),
    }
}

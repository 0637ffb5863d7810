//! A container beside a task: in its network, or with its volumes. What undoes its fault stands on its labels, so that
//! any later process can heal what this one left.

use std::collections::HashMap;

use bollard::{
    errors::Error as DockerError,
    models::{ContainerCreateBody, HostConfig, Mount, MountType},
    query_parameters::{CreateContainerOptions, RemoveContainerOptions, StartContainerOptions},
};

use super::container::{self, State};
use crate::{
    cluster::Cluster,
    error::{Error, Result},
    exec, image,
    stack::{self, STACK_LABEL, label_filter},
};

/// What the helper of a direct writer is called where a fault's has the fault's name.
pub(crate) const DIRECT_WRITES: &str = "direct writes";
/// What the fault is called.
const FAULT_LABEL: &str = "webshop.fault";
/// The name of the task that it is on.
const TASK_LABEL: &str = "webshop.fault.task";
/// The container of that task.
const CONTAINER_LABEL: &str = "webshop.fault.container";
/// The volumes that the helper has, apart by spaces.
const VOLUMES_LABEL: &str = "webshop.fault.volumes";
/// The script that undoes it.
const UNDO_LABEL: &str = "webshop.fault.undo";
/// The image's name after `webshop/`.
const IMAGE: &str = "fault";

/// A running helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Helper {
    id: String,
}

/// The fault that a helper is there for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside<'a> {
    pub(crate) fault: &'a str,
    pub(crate) task: &'a str,
    pub(crate) container: &'a str,
    /// Run in the helper, or in another one in its place, to undo the fault.
    pub(crate) undo: &'a str,
}

impl Helper {
    /// The one in a container.
    #[cfg(test)]
    pub(super) fn known(id: &str) -> Self {
        Self { id: id.to_owned() }
    }

    /// Starts one in the network namespace of a container.
    pub(super) async fn in_network(cluster: &Cluster, beside: &Beside<'_>) -> Result<Self> {
        let network = format!("container:{}", beside.container);
        Self::of_faults(cluster, beside, in_charge_of(network)).await
    }

    /// Starts one of another image in the network namespace of a container. It may change nothing there.
    pub(crate) async fn of_image(
        cluster: &Cluster,
        beside: &Beside<'_>,
        image: &str,
    ) -> Result<Self> {
        let host = HostConfig {
            network_mode: Some(format!("container:{}", beside.container)),
            ..HostConfig::default()
        };
        Self::start(cluster, beside, image.to_owned(), host).await
    }

    /// Starts one in a network of its own that leads nowhere, to try what the kernel can do.
    pub(super) async fn alone(cluster: &Cluster) -> Result<Self> {
        let beside = Beside::probe("the kernel", "");
        Self::of_faults(cluster, &beside, in_charge_of("none".to_owned())).await
    }

    /// Starts one that has the volumes at `/volumes/NAME`.
    pub(super) async fn with_volumes(
        cluster: &Cluster,
        beside: &Beside<'_>,
        volumes: &[String],
    ) -> Result<Self> {
        let mount = |name: &String| Mount {
            typ: Some(MountType::VOLUME),
            source: Some(name.clone()),
            target: Some(format!("/volumes/{name}")),
            ..Mount::default()
        };
        let host = HostConfig {
            network_mode: Some("none".to_owned()),
            mounts: Some(volumes.iter().map(mount).collect()),
            // The files belong to the database's user.
            cap_add: Some(vec!["DAC_OVERRIDE".to_owned()]),
            ..HostConfig::default()
        };
        Self::of_faults(cluster, beside, host).await
    }

    /// Starts one of the image that faults are made with.
    pub(crate) async fn of_faults(
        cluster: &Cluster,
        beside: &Beside<'_>,
        host: HostConfig,
    ) -> Result<Self> {
        let reference = image::newest(cluster, IMAGE)
            .await?
            .ok_or(Error::NoFaultImage)?;
        Self::start(cluster, beside, reference, host).await
    }

    async fn start(
        cluster: &Cluster,
        beside: &Beside<'_>,
        image: String,
        host: HostConfig,
    ) -> Result<Self> {
        let mounts = host.mounts.iter().flatten();
        let volumes: Vec<&str> = mounts.filter_map(|mount| mount.source.as_deref()).collect();
        let volumes = volumes.join(" ");
        let labels = [
            (STACK_LABEL, cluster.stack.as_str()),
            (FAULT_LABEL, beside.fault),
            (TASK_LABEL, beside.task),
            (CONTAINER_LABEL, beside.container),
            (VOLUMES_LABEL, &volumes),
            (UNDO_LABEL, beside.undo),
        ];
        let body = ContainerCreateBody {
            image: Some(image),
            labels: Some(
                labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            host_config: Some(HostConfig {
                cap_drop: Some(vec!["ALL".to_owned()]),
                ..host
            }),
            ..ContainerCreateBody::default()
        };
        let failed = |error| Error::docker(format!("start a helper beside {}", beside.task), error);
        let docker = cluster.engine.docker();
        let created = docker
            .create_container(None::<CreateContainerOptions>, body)
            .await
            .map_err(failed)?;
        let helper = Self { id: created.id };
        let started = docker
            .start_container(&helper.id, None::<StartContainerOptions>)
            .await
            .map_err(failed);
        if started.is_err() {
            // The error that matters is that of the start.
            drop(helper.remove(cluster).await);
        }
        started.map(|()| helper)
    }

    /// The id of its container.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Runs a shell script in it, and gives what that printed.
    ///
    /// # Errors
    /// [`Error::Fault`] with what it said where it failed.
    pub(crate) async fn run(
        &self,
        cluster: &Cluster,
        script: &str,
        env: &[String],
    ) -> Result<String> {
        let (succeeded, said) = exec::output(cluster, &self.id, &["sh", "-c", script], env)
            .await
            .map_err(|error| Error::docker("run a script of a fault", error))?;
        if succeeded {
            return Ok(said);
        }
        Err(Error::Fault {
            reason: said.trim().to_owned(),
        })
    }

    /// Ends it. One that is gone, or is being removed, is fine.
    pub(crate) async fn remove(&self, cluster: &Cluster) -> Result<()> {
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            ..RemoveContainerOptions::default()
        };
        let docker = cluster.engine.docker();
        let Err(error) = docker.remove_container(&self.id, Some(options)).await else {
            return Ok(());
        };
        let failed = |error| Err(Error::docker("remove a helper of a fault", error));
        match &error {
            error if container::is_no_container(error) => Ok(()),
            DockerError::DockerResponseServerError {
                status_code: 409, ..
            } if container::state(cluster, &self.id).await? == State::Ended => Ok(()),
            _ => failed(error),
        }
    }
}

impl<'a> Beside<'a> {
    /// A helper that only looks: there is nothing to undo.
    pub(super) fn probe(task: &'a str, container: &'a str) -> Self {
        Self {
            fault: "probe",
            task,
            container,
            undo: "true",
        }
    }
}

impl Beside<'_> {
    /// Undoes the fault from a new helper. A task that has ended took along what was in its network.
    ///
    /// # Errors
    /// The engine refused, or something of the fault is left.
    pub(super) async fn undo_anew(&self, cluster: &Cluster, volumes: &[String]) -> Result<()> {
        let helper = if volumes.is_empty() {
            Helper::in_network(cluster, self).await
        } else {
            Helper::with_volumes(cluster, self, volumes).await
        };
        match helper {
            Ok(helper) => {
                let undone = helper.run(cluster, self.undo, &[]).await;
                helper.remove(cluster).await?;
                undone.map(drop)
            }
            Err(error) => {
                let in_network = volumes.is_empty();
                if in_network && container::state(cluster, self.container).await? == State::Ended {
                    return Ok(());
                }
                Err(error)
            }
        }
    }
}

/// May change how packets go in that network.
fn in_charge_of(network: String) -> HostConfig {
    HostConfig {
        network_mode: Some(network),
        cap_add: Some(vec!["NET_ADMIN".to_owned(), "NET_RAW".to_owned()]),
        ..HostConfig::default()
    }
}

/// A helper that somebody left, with what is on its labels.
#[derive(Debug)]
pub(super) struct Left {
    helper: Helper,
    runs: bool,
    /// What the fault is called, and the name of the task that it is on.
    pub(super) fault: String,
    pub(super) task: String,
    container: String,
    volumes: Vec<String>,
    undo: String,
}

/// The helpers of the stack's faults, whoever started them.
///
/// # Errors
/// The engine does not answer.
pub(super) async fn left(cluster: &Cluster) -> Result<Vec<Left>> {
    let mut filters = label_filter(STACK_LABEL, cluster.stack.as_str());
    filters
        .entry("label".to_owned())
        .or_default()
        .push(FAULT_LABEL.to_owned());
    let found = stack::containers(cluster, filters, "the helpers of faults").await?;
    Ok(found
        .into_iter()
        .filter_map(|container| {
            let mut labels: HashMap<String, String> = container.labels?;
            let mut take = |label| labels.remove(label).unwrap_or_default();
            Some(Left {
                helper: Helper { id: container.id? },
                runs: container
                    .state
                    .is_some_and(|state| state.to_string() == "running"),
                fault: take(FAULT_LABEL),
                task: take(TASK_LABEL),
                container: take(CONTAINER_LABEL),
                volumes: take(VOLUMES_LABEL)
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect(),
                undo: take(UNDO_LABEL),
            })
        })
        .collect())
}

impl Left {
    /// Undoes its fault, by another helper where this one has ended. A task that is gone took its fault along.
    pub(super) async fn undo(&self, cluster: &Cluster) -> Result<()> {
        if self.runs {
            self.helper.run(cluster, &self.undo, &[]).await?;
        } else {
            let beside = Beside {
                fault: &self.fault,
                task: &self.task,
                container: &self.container,
                undo: &self.undo,
            };
            beside.undo_anew(cluster, &self.volumes).await?;
        }
        self.helper.remove(cluster).await
    }
}

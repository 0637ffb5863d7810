//! What the Swarm says of the stack: its services and their tasks.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{
    Service, ServiceUpdateStatusStateEnum, Task, TaskSpecContainerSpec, TaskState,
};
use bollard::query_parameters::{ListServicesOptions, ListTasksOptions};
use protocol::http::CHECKOUT_DEADLINE_S;
use serde::Serialize;
use tokio::net::TcpStream;

use super::{KIND_LABEL, LAST_RUN_LABEL, NAMESPACE_LABEL, PROFILE_LABEL, label_filter};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::image::is_test_image;
use crate::project::Profile;

/// A bridge of this machine answers at once or not at all.
const NEAR: Duration = Duration::from_millis(500);

/// The whole stack at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Overview {
    pub services: Vec<ServiceView>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceView {
    /// As in the stack file: `order-db-0`.
    pub name: String,
    pub id: String,
    /// What the file labels it as: `database`, `broker`, …
    pub kind: String,
    pub image: String,
    /// Tasks that should run; for a global service as many as there are nodes for it.
    pub wanted: u64,
    /// What the service was scaled to; `None` for a global one.
    #[serde(skip)]
    pub replicas: Option<u32>,
    /// Tasks that run what the service is now, not what it was before an update.
    pub running: u64,
    /// The published ports.
    pub ports: Vec<u16>,
    /// Newest first within a slot.
    pub tasks: Vec<TaskView>,
    #[serde(skip)]
    pub profile: Option<Profile>,
    #[serde(skip)]
    pub(super) last_run: Option<String>,
    /// How long its checkouts may take, in seconds, where it is told so.
    #[serde(skip)]
    checkout_deadline_s: Option<u64>,
    #[serde(skip)]
    updating: bool,
}

/// One attempt to run something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskView {
    pub id: String,
    /// `order.1`, or the service's name alone where it is global.
    pub name: String,
    pub slot: Option<u32>,
    pub node: String,
    pub container: Option<String>,
    pub state: String,
    pub desired: String,
    /// Since when it is in this state, as the engine writes it.
    pub since: String,
    pub error: Option<String>,
    /// Of the service as it is now.
    pub current: bool,
}

impl Overview {
    /// Asks the Swarm. A stack that is not deployed has no services.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn read(cluster: &Cluster) -> Result<Self> {
        let docker = cluster.engine.docker();
        let mine = label_filter(NAMESPACE_LABEL, cluster.stack.as_str());
        let services = docker
            .list_services(Some(ListServicesOptions {
                filters: Some(mine.clone()),
                status: Some(true),
            }))
            .await
            .map_err(|error| Error::docker("list the services", error))?;
        let tasks = docker
            .list_tasks(Some(ListTasksOptions {
                filters: Some(mine),
            }))
            .await
            .map_err(|error| Error::docker("list the tasks", error))?;
        let mut by_service: HashMap<String, Vec<Task>> = HashMap::new();
        for task in tasks {
            if let Some(service) = task.service_id.clone() {
                by_service.entry(service).or_default().push(task);
            }
        }
        let mut services: Vec<ServiceView> = services
            .into_iter()
            .map(|service| {
                let id = service.id.clone().unwrap_or_default();
                let tasks = by_service.remove(&id).unwrap_or_default();
                service_view(cluster, id, service, tasks)
            })
            .collect();
        services.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(Self { services })
    }

    /// As [`Overview::read`], but a stack that is not deployed is an error.
    ///
    /// # Errors
    /// [`Error::NoStack`], or what the engine says.
    pub async fn of_deployed(cluster: &Cluster) -> Result<Self> {
        let overview = if cluster.engine.is_manager().await? {
            Self::read(cluster).await?
        } else {
            Self::default()
        };
        if overview.services.is_empty() {
            return Err(Error::NoStack {
                stack: cluster.stack.to_string(),
            });
        }
        Ok(overview)
    }

    /// How long a checkout may take.
    #[must_use]
    pub fn checkout_deadline(&self) -> Duration {
        let told = self
            .services
            .iter()
            .filter_map(|service| service.checkout_deadline_s);
        Duration::from_secs(told.max().unwrap_or(CHECKOUT_DEADLINE_S))
    }

    /// A service by its name in the stack file.
    ///
    /// # Errors
    /// [`Error::UnknownService`], which names those that there are.
    pub fn service(&self, name: &str, cluster: &Cluster) -> Result<&ServiceView> {
        self.services
            .iter()
            .find(|service| service.name == cluster.stack.unscoped(name))
            .ok_or_else(|| Error::UnknownService {
                service: name.to_owned(),
                stack: cluster.stack.to_string(),
                known: self
                    .services
                    .iter()
                    .map(|service| service.name.clone())
                    .collect(),
            })
    }

    /// The profile that the stack was made with.
    pub fn profile(&self) -> Option<Profile> {
        self.services.iter().find_map(|service| service.profile)
    }

    /// Whether the services have failpoints: they run test images.
    pub fn has_failpoints(&self) -> bool {
        let images = self.services.iter().map(|service| &service.image);
        images.into_iter().any(|image| is_test_image(image))
    }

    /// The gateway's port on every node.
    pub fn port(&self) -> Option<u16> {
        self.services
            .iter()
            .find(|service| service.name == super::GATEWAY)
            .and_then(|gateway| gateway.ports.first().copied())
    }

    /// As [`Overview::url`], by the shortest way: for what sends a lot. It is probed, since a bridge can be out of reach
    /// of this machine (a rootless engine, one in a virtual machine).
    pub async fn nearest_url(&self, cluster: &Cluster) -> Option<String> {
        let port = self.port()?;
        if let Some(bridge) = cluster.engine.bridge().await {
            let address = format!("{bridge}:{port}");
            let connecting = TcpStream::connect(&address);
            if let Ok(Ok(_reached)) = tokio::time::timeout(NEAR, connecting).await {
                return Some(format!("http://{address}"));
            }
        }
        self.url(cluster)
    }

    /// The address of the shop, without a slash at its end.
    pub fn url(&self, cluster: &Cluster) -> Option<String> {
        self.port()
            .map(|port| format!("http://{}:{port}", cluster.engine.published_host()))
    }
}

impl ServiceView {
    /// Every task that should run does, and none of an earlier version is left.
    pub const fn is_converged(&self) -> bool {
        self.running == self.wanted && !self.updating
    }

    /// The newest task that ended badly.
    pub fn last_failure(&self) -> Option<&TaskView> {
        self.tasks
            .iter()
            .filter(|task| task.error.is_some())
            .max_by(|left, right| left.since.cmp(&right.since))
    }

    /// The tasks that run.
    pub fn running_tasks(&self) -> impl Iterator<Item = &TaskView> {
        self.tasks.iter().filter(|task| task.is_running())
    }
}

impl TaskView {
    /// It runs, and the Swarm means it to.
    pub fn is_running(&self) -> bool {
        self.state == "running" && self.desired == "running"
    }
}

fn checkout_deadline_s(environment: &[String]) -> Option<u64> {
    let mut values = environment.iter();
    values.find_map(|value| value.strip_prefix("CHECKOUT_DEADLINE=")?.parse().ok())
}

fn service_view(cluster: &Cluster, id: String, service: Service, tasks: Vec<Task>) -> ServiceView {
    let spec = service.spec.unwrap_or_default();
    let labels = spec.labels.unwrap_or_default();
    let name = cluster
        .stack
        .unscoped(spec.name.as_deref().unwrap_or_default())
        .to_owned();
    let replicas = spec
        .mode
        .and_then(|mode| mode.replicated)
        .and_then(|replicated| replicated.replicas);
    let wanted_container = spec
        .task_template
        .and_then(|template| template.container_spec);
    let mut tasks: Vec<TaskView> = tasks
        .into_iter()
        .map(|task| task_view(&name, task, wanted_container.as_ref()))
        .collect();
    tasks.sort_by(|left, right| {
        (left.slot, Reverse(&left.since)).cmp(&(right.slot, Reverse(&right.since)))
    });
    let current = |task: &&TaskView| task.is_running() && task.current;
    let stale = |task: &TaskView| task.is_running() && !task.current;
    let status = service.service_status.unwrap_or_default();
    let update = service.update_status.and_then(|update| update.state);
    let environment = wanted_container
        .as_ref()
        .and_then(|container| container.env.clone());
    ServiceView {
        id,
        kind: labels.get(KIND_LABEL).cloned().unwrap_or_default(),
        image: wanted_container
            .and_then(|container| container.image)
            .unwrap_or_default(),
        wanted: status.desired_tasks.unwrap_or_default(),
        replicas: replicas.and_then(|replicas| u32::try_from(replicas).ok()),
        running: tasks.iter().filter(current).count() as u64,
        ports: service
            .endpoint
            .and_then(|endpoint| endpoint.spec)
            .and_then(|spec| spec.ports)
            .unwrap_or_default()
            .iter()
            .filter_map(|port| {
                port.published_port
                    .and_then(|port| u16::try_from(port).ok())
            })
            .collect(),
        profile: labels
            .get(PROFILE_LABEL)
            .and_then(|name| Profile::from_name(name)),
        last_run: labels.get(LAST_RUN_LABEL).cloned(),
        checkout_deadline_s: checkout_deadline_s(&environment.unwrap_or_default()),
        updating: update == Some(ServiceUpdateStatusStateEnum::UPDATING) || tasks.iter().any(stale),
        name,
        tasks,
    }
}

fn task_view(service: &str, task: Task, wanted: Option<&TaskSpecContainerSpec>) -> TaskView {
    let status = task.status.unwrap_or_default();
    let slot = task
        .slot
        .and_then(|slot| u32::try_from(slot).ok())
        .filter(|slot| *slot > 0);
    let state = |state: Option<TaskState>| state.map(|state| state.to_string()).unwrap_or_default();
    TaskView {
        id: task.id.unwrap_or_default(),
        name: slot.map_or_else(|| service.to_owned(), |slot| format!("{service}.{slot}")),
        slot,
        node: task.node_id.unwrap_or_default(),
        container: status
            .container_status
            .and_then(|container| container.container_id)
            .filter(|id| !id.is_empty()),
        state: state(status.state),
        desired: state(task.desired_state),
        since: status.timestamp.unwrap_or_default(),
        error: status.err.filter(|error| !error.is_empty()),
        current: task.spec.and_then(|spec| spec.container_spec).as_ref() == wanted,
    }
}

//! The tasks that run right now, as faults see them: little to ask for, because it is asked often.

use std::collections::{BTreeMap, HashMap};

use bollard::{
    models::{Task, TaskState},
    query_parameters::{ListServicesOptions, ListTasksOptions},
};
use serde::Serialize;

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    stack::{CLUSTER_LABEL, KIND_LABEL, NAMESPACE_LABEL, label_filter},
};

/// A running task and its container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Running {
    /// Without the stack's name, e.g. `order`.
    pub service: String,
    /// 1 and up. Tasks of a global service are numbered by their node.
    pub slot: i64,
    pub task: String,
    pub container: String,
    /// The id of the Swarm's node that it runs on.
    pub host: String,
}

impl Running {
    /// As targets write it: `order.1`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.service, self.slot)
    }
}

/// The labels of a service.
pub type Labels = HashMap<String, String>;

/// The stack's services, and every task of theirs that runs and is meant to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tasks {
    /// By name, with their labels, whether or not a task of it runs.
    pub services: BTreeMap<String, Labels>,
    pub running: Vec<Running>,
}

impl Tasks {
    /// The nodes of each database, as the stack was deployed: whether they run makes no difference.
    #[must_use]
    pub fn database_nodes(&self) -> BTreeMap<String, Vec<String>> {
        let mut nodes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, labels) in &self.services {
            let label = |key| labels.get(key).map(String::as_str);
            if let (Some("database"), Some(database)) = (label(KIND_LABEL), label(CLUSTER_LABEL)) {
                let of = nodes.entry(database.to_owned()).or_default();
                of.push(name.clone());
            }
        }
        nodes
    }
}

/// The services and tasks as they are now.
///
/// # Errors
/// The engine does not answer.
pub async fn tasks(cluster: &Cluster) -> Result<Tasks> {
    let of_stack = label_filter(NAMESPACE_LABEL, cluster.stack.as_str());
    let mut filters = of_stack.clone();
    filters.insert("desired-state".to_owned(), vec!["running".to_owned()]);
    let options = ListTasksOptions {
        filters: Some(filters),
    };
    let failed = |error| Error::docker("list the stack's tasks", error);
    let docker = cluster.engine.docker();
    let tasks = docker.list_tasks(Some(options)).await.map_err(failed)?;
    let options = ListServicesOptions {
        filters: Some(of_stack),
        ..ListServicesOptions::default()
    };
    let mut services = BTreeMap::new();
    let mut names = HashMap::new();
    for service in docker.list_services(Some(options)).await.map_err(failed)? {
        let spec = service.spec.unwrap_or_default();
        let (Some(id), Some(name)) = (service.id, spec.name) else {
            continue;
        };
        let name = cluster.stack.unscoped(&name).to_owned();
        services.insert(name.clone(), spec.labels.unwrap_or_default());
        names.insert(id, name);
    }
    Ok(Tasks {
        services,
        running: number(tasks, &names),
    })
}

/// Names the tasks; those of global services, which have no slot, count up by their node's id.
fn number(mut tasks: Vec<Task>, names: &HashMap<String, String>) -> Vec<Running> {
    tasks.sort_by(|a, b| a.node_id.cmp(&b.node_id));
    let mut globals: HashMap<String, i64> = HashMap::new();
    let mut running: Vec<Running> = tasks
        .into_iter()
        .filter_map(|task| {
            let service = names.get(&task.service_id?)?.clone();
            let slot = match task.slot {
                Some(slot) => slot,
                None => {
                    let next = globals.entry(service.clone()).or_default();
                    *next += 1;
                    *next
                }
            };
            let status = task.status?;
            let container = status.container_status?.container_id?;
            (status.state == Some(TaskState::RUNNING)).then_some(Running {
                service,
                slot,
                task: task.id?,
                container,
                host: task.node_id.unwrap_or_default(),
            })
        })
        .collect();
    running.sort_by(|a, b| (&a.service, a.slot).cmp(&(&b.service, b.slot)));
    running
}

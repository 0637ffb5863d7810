//! Ends every fault of a stack, whoever left it: the engine and the labels of helpers say what there is.

use futures_util::future::LocalBoxFuture;

use super::{failpoint, helper, hold};
use crate::{
    cluster::Cluster,
    error::Result,
    image::is_test_image,
    stack::{self, NAMESPACE_LABEL, label_filter},
};

/// Faults that are on the stack now, each in a few words.
///
/// # Errors
/// The engine does not answer.
pub async fn present(cluster: &Cluster) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for left in helper::left(cluster).await? {
        found.push(format!("{} ({})", left.fault, left.task));
    }
    for container in containers(cluster, "paused").await? {
        found.push(format!("{} is paused", container.task));
    }
    for container in containers(cluster, "running").await? {
        if hold::is_throttled(cluster, &container.id).await? {
            found.push(format!("{} is throttled", container.task));
        }
    }
    Ok(found)
}

/// Containers of the stack that are paused: a fault that Swarm does not see.
///
/// # Errors
/// The engine does not answer.
pub async fn paused(cluster: &Cluster) -> Result<Vec<String>> {
    Ok(containers(cluster, "paused")
        .await?
        .into_iter()
        .map(|container| container.task)
        .collect())
}

/// Ends every fault of the stack, whoever left it. Says what it did; nothing to do is fine.
///
/// # Errors
/// The engine refused.
pub fn clear(cluster: &Cluster) -> LocalBoxFuture<'_, Result<Vec<String>>> {
    Box::pin(heal(cluster))
}

async fn heal(cluster: &Cluster) -> Result<Vec<String>> {
    let mut done = Vec::new();
    // What is frozen cannot answer, so that goes first.
    for Container { id, task, .. } in containers(cluster, "paused").await? {
        hold::thaw(cluster, &id, &task).await?;
        done.push(format!("unpaused {task}"));
    }
    for left in helper::left(cluster).await? {
        left.undo(cluster).await?;
        done.push(format!("ended {} ({})", left.fault, left.task));
    }
    for Container { id, task, image } in containers(cluster, "running").await? {
        if hold::is_throttled(cluster, &id).await? {
            hold::unthrottle(cluster, &id, &task).await?;
            done.push(format!("ended the throttling of {task}"));
        }
        if is_test_image(&image)
            && let Some(point) = failpoint::disarm(cluster, &id, &task).await?
        {
            done.push(format!("disarmed {point} in {task}"));
        }
    }
    Ok(done)
}

/// A container of the stack.
struct Container {
    id: String,
    /// The name of its task.
    task: String,
    image: String,
}

/// The stack's containers in that state.
async fn containers(cluster: &Cluster, status: &str) -> Result<Vec<Container>> {
    const TASK: &str = "com.docker.swarm.task.name";
    let mut filters = label_filter(NAMESPACE_LABEL, cluster.stack.as_str());
    filters.insert("status".to_owned(), vec![status.to_owned()]);
    let found = stack::containers(cluster, filters, "the stack's containers").await?;
    Ok(found
        .into_iter()
        .filter_map(|container| {
            Some(Container {
                id: container.id?,
                task: container.labels?.get(TASK)?.clone(),
                image: container.image.unwrap_or_default(),
            })
        })
        .collect())
}

//! Ends every fault of a stack, whoever left it: the engine and the labels of helpers say what there is.

use bollard::models::MountPoint;
use futures_util::{StreamExt as _, TryStreamExt as _, future::LocalBoxFuture, stream};

use super::{
    container::{self, State},
    disk::{self, Mounted},
    failpoint,
    helper::{self, Beside, DIRECT_WRITES, Helper},
    hold, network,
};
use crate::{
    cluster::Cluster,
    error::Result,
    image::is_test_image,
    stack::{self, NAMESPACE_LABEL, label_filter},
};

/// Looks at so many containers at a time.
const AT_ONCE: usize = 8;

/// Faults that are on the stack now, whoever left them and of every kind, each in a few words.
///
/// # Errors
/// The engine does not answer.
pub async fn present(cluster: &Cluster) -> Result<Vec<String>> {
    beside(cluster, helper::left(cluster).await?).await
}

/// As [`present`], while a run has writers beside its database nodes: they are helpers too, and no faults.
///
/// # Errors
/// The engine does not answer.
pub(crate) async fn present_in_a_run(cluster: &Cluster) -> Result<Vec<String>> {
    let mut helpers = helper::left(cluster).await?;
    helpers.retain(|left| left.fault != DIRECT_WRITES);
    beside(cluster, helpers).await
}

/// What faults have left in the networks of running tasks although no helper of theirs is there any more: somebody
/// removed it. It takes seconds and a container beside each task, so it is for those who wonder why nothing moves.
///
/// # Errors
/// The engine refused, or a task's network cannot be looked into.
pub(crate) async fn remains(cluster: &Cluster) -> Result<Vec<String>> {
    let running = containers(cluster, "running").await?;
    let looks = stream::iter(&running).map(|container| remain(cluster, container));
    let remains: Vec<Vec<String>> = looks.buffered(AT_ONCE).try_collect().await?;
    Ok(remains.concat())
}

/// What faults have left in the network of a running container. One that ended meanwhile has none.
async fn remain(cluster: &Cluster, container: &Container) -> Result<Vec<String>> {
    let beside = Beside::probe(&container.task, &container.id);
    let ended = async |error| match container::state(cluster, &container.id).await? {
        State::Ended => Ok(Vec::new()),
        State::Runs { .. } => Err(error),
    };
    let helper = match Helper::in_network(cluster, &beside).await {
        Ok(helper) => helper,
        Err(error) => return ended(error).await,
    };
    let said = helper.run(cluster, network::REMAINS, &[]).await;
    helper.remove(cluster).await?;
    match said {
        Ok(said) => Ok(said
            .lines()
            .map(|what| format!("{what} in the network of {}", container.task))
            .collect()),
        Err(error) => ended(error).await,
    }
}

/// The faults of these helpers, and those that need none.
async fn beside(cluster: &Cluster, helpers: Vec<helper::Left>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for left in &helpers {
        found.push(format!("{} ({})", left.fault, left.task));
    }
    for container in containers(cluster, "paused").await? {
        found.push(format!("{} is paused", container.task));
    }
    let running = containers(cluster, "running").await?;
    let looks = stream::iter(&running).map(|container| inside(cluster, container));
    let inside: Vec<Vec<Inside>> = looks.buffered(AT_ONCE).try_collect().await?;
    for (container, faults) in running.iter().zip(inside) {
        // A volume that a helper fills is named already, by its fault.
        let named = |fault: &&Inside| {
            let filled = matches!(fault, Inside::Full(_));
            !(filled && helpers.iter().any(|left| left.task == container.task))
        };
        let new = faults.iter().filter(named);
        found.extend(new.map(|fault| fault.of(&container.task)));
    }
    Ok(found)
}

/// A fault that needs no helper to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Inside {
    Throttled,
    Armed(String),
    /// The volume's name.
    Full(String),
}

impl Inside {
    fn of(&self, task: &str) -> String {
        match self {
            Self::Throttled => format!("{task} is throttled"),
            Self::Armed(point) => format!("{task} is to crash at {point}"),
            Self::Full(volume) => format!("{task} has a filled volume {volume}"),
        }
    }
}

/// The faults in a running container. One that ended meanwhile has none.
async fn inside(cluster: &Cluster, container: &Container) -> Result<Vec<Inside>> {
    let Container {
        id,
        task,
        image,
        volumes,
    } = container;
    let mut found = Vec::new();
    if container::is_throttled(cluster, id).await? {
        found.push(Inside::Throttled);
    }
    if is_test_image(image) {
        found.extend(failpoint::at(cluster, id, task).await?.map(Inside::Armed));
    }
    found.extend(
        disk::filled(cluster, id, volumes)
            .await?
            .into_iter()
            .map(Inside::Full),
    );
    Ok(found)
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
        container::thaw(cluster, &id, &task).await?;
        done.push(format!("unpaused {task}"));
    }
    for left in helper::left(cluster).await? {
        left.undo(cluster).await?;
        done.push(format!("ended {} ({})", left.fault, left.task));
    }
    for Container {
        id,
        task,
        image,
        volumes,
    } in containers(cluster, "running").await?
    {
        if container::is_throttled(cluster, &id).await? {
            container::unthrottle(cluster, &id, &task).await?;
            done.push(format!("ended the throttling of {task}"));
        }
        for volume in disk::filled(cluster, &id, &volumes).await? {
            hold::empty(cluster, &id, &task, &volume).await?;
            done.push(format!("emptied the volume {volume} of {task}"));
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
    volumes: Vec<Mounted>,
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
                volumes: mounted(container.mounts.unwrap_or_default()),
            })
        })
        .collect())
}

fn mounted(mounts: Vec<MountPoint>) -> Vec<Mounted> {
    let volume = |mount: MountPoint| {
        // What is mounted from the host has no name.
        Some(Mounted {
            volume: mount.name.filter(|name| !name.is_empty())?,
            place: mount.destination?,
        })
    };
    mounts.into_iter().filter_map(volume).collect()
}

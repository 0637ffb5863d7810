//! What the engine says of a container that a fault is on, or is made from, and what it undoes by itself: a pause and a
//! quota are its own state.

use bollard::{
    errors::Error as DockerError,
    models::{ContainerInspectResponse, ContainerUpdateBody},
    query_parameters::InspectContainerOptions,
};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
};

/// The scheduler's period, in microseconds: the kernel's own default.
pub(super) const CPU_PERIOD_US: i64 = 100_000;
/// Takes a quota away again; 0 would mean to leave it as it is.
const NO_QUOTA: i64 = -1;

/// The state of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It does not run, or the engine has no such container any more.
    Ended,
    Runs {
        paused: bool,
        /// Of its processors, in microseconds of each period; `None` where it has none.
        quota_us: Option<i64>,
    },
}

/// How a container is right now.
///
/// # Errors
/// The engine does not answer, or does not say.
pub(super) async fn state(cluster: &Cluster, container: &str) -> Result<State> {
    let options = None::<InspectContainerOptions>;
    let docker = cluster.engine.docker();
    match docker.inspect_container(container, options).await {
        Ok(found) => read(&found).ok_or_else(|| Error::Fault {
            reason: format!("the engine does not say whether container {container} runs"),
        }),
        Err(error) if is_no_container(&error) => Ok(State::Ended),
        Err(error) => Err(Error::docker("look at a container", error)),
    }
}

fn read(found: &ContainerInspectResponse) -> Option<State> {
    let state = found.state.as_ref()?;
    if !state.running? {
        return Some(State::Ended);
    }
    let quota_us = found.host_config.as_ref().and_then(|host| host.cpu_quota);
    Some(State::Runs {
        paused: state.paused?,
        quota_us: quota_us.filter(|quota| *quota > 0),
    })
}

/// Whether the engine says that it has no such container. Any other 404 says nothing of the container.
pub(super) fn is_no_container(error: &DockerError) -> bool {
    matches!(
        error,
        DockerError::DockerResponseServerError { status_code: 404, message }
            if message.to_lowercase().contains("no such container")
    )
}

/// Lets a frozen container go on; one that has ended or goes on already is fine.
pub(super) async fn thaw(cluster: &Cluster, container: &str, task: &str) -> Result<()> {
    let docker = cluster.engine.docker();
    let Err(error) = docker.unpause_container(container).await else {
        return Ok(());
    };
    match state(cluster, container).await? {
        State::Ended | State::Runs { paused: false, .. } => Ok(()),
        State::Runs { paused: true, .. } => Err(Error::docker(format!("unpause {task}"), error)),
    }
}

/// Gives a container all processors again; one that has ended is fine.
pub(super) async fn unthrottle(cluster: &Cluster, container: &str, task: &str) -> Result<()> {
    let taken = set_quota(cluster, container, NO_QUOTA).await;
    match (state(cluster, container).await?, taken) {
        (State::Ended, _) => Ok(()),
        (State::Runs { .. }, Err(error)) => Err(Error::docker(
            format!("end the throttling of {task}"),
            error,
        )),
        (State::Runs { quota_us: None, .. }, Ok(())) => Ok(()),
        (
            State::Runs {
                quota_us: Some(_), ..
            },
            Ok(()),
        ) => Err(Error::Fault {
            reason: format!("{task} still has a quota of its processor"),
        }),
    }
}

/// Whether a container has a quota. No service of the stack has one of its own.
pub(super) async fn is_throttled(cluster: &Cluster, container: &str) -> Result<bool> {
    let state = state(cluster, container).await?;
    Ok(matches!(
        state,
        State::Runs {
            quota_us: Some(_),
            ..
        }
    ))
}

/// Bounds a container's processors, in microseconds of each period.
///
/// # Errors
/// What the engine says.
pub(super) async fn set_quota(
    cluster: &Cluster,
    container: &str,
    quota_us: i64,
) -> Result<(), DockerError> {
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

//! What the engine says of a container that a fault is on, or is made from.

use bollard::{
    errors::Error as DockerError, models::ContainerInspectResponse,
    query_parameters::InspectContainerOptions,
};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
};

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

//! Commands in running containers.

use std::pin::Pin;

use bollard::{
    container::LogOutput,
    errors::Error as DockerError,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use futures_util::{Stream, StreamExt as _};
use tokio::io::AsyncWrite;

use crate::cluster::Cluster;

/// What the engine takes from the command in one piece.
const OUTPUT_BYTES: usize = 64 << 10;

/// A command that runs, with both its ends. It learns of our end by the end of its input.
pub(crate) struct Attached {
    id: String,
    pub(crate) output: Pin<Box<dyn Stream<Item = Result<LogOutput, DockerError>> + Send>>,
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
}

/// Starts a command. `env` holds `NAME=value`, and is not kept anywhere.
///
/// # Errors
/// The engine refused, or did not attach to it.
pub(crate) async fn attach(
    cluster: &Cluster,
    container: &str,
    command: &[&str],
    env: &[String],
) -> Result<Attached, DockerError> {
    let docker = cluster.engine.docker();
    let config = ExecConfig {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        env: Some(env.to_vec()),
        cmd: Some(command.iter().map(|word| (*word).to_owned()).collect()),
        ..ExecConfig::default()
    };
    let exec = docker.create_exec(container, config).await?;
    let options = StartExecOptions {
        output_capacity: Some(OUTPUT_BYTES),
        ..StartExecOptions::default()
    };
    match docker.start_exec(&exec.id, Some(options)).await? {
        StartExecResults::Attached { output, input } => Ok(Attached {
            id: exec.id,
            output,
            input,
        }),
        StartExecResults::Detached => Err(DockerError::IOError {
            err: std::io::Error::other("the engine did not attach to the command"),
        }),
    }
}

/// Runs a command to its end: whether it succeeded, and all that it printed.
///
/// # Errors
/// The engine does not answer.
pub(crate) async fn output(
    cluster: &Cluster,
    container: &str,
    command: &[&str],
    env: &[String],
) -> Result<(bool, String), DockerError> {
    let mut attached = attach(cluster, container, command, env).await?;
    let mut said = String::new();
    while let Some(part) = attached.output.next().await {
        said += &String::from_utf8_lossy(&part?.into_bytes());
    }
    let docker = cluster.engine.docker();
    let ended = docker.inspect_exec(&attached.id).await?;
    Ok((ended.exit_code == Some(0), said))
}

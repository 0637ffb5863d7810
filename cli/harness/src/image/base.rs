//! The Debian 13 base image: used if present, else pulled, else bootstrapped.

use std::process::Stdio;
use std::time::{Duration, Instant};

use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::event::{Event, Progress};
use crate::project::Project;

/// What a registry calls it.
const PUBLISHED: (&str, &str) = ("debian", "trixie-slim");
/// What `scripts/base-image.sh` calls it.
const BOOTSTRAPPED: &str = "webshop/base:trixie";
/// Many machines reach no registry, and some swallow the connection instead of refusing it.
const PULL_TIMEOUT: Duration = Duration::from_secs(60);
/// A mirror on a slow line, not more.
const BOOTSTRAP_TIMEOUT: Duration = Duration::from_secs(600);
const LOG_LINES_MAX: usize = 20;

/// The image that all others begin with.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) reference: String,
    /// The engine's id of it: another base makes other images.
    pub(super) id: String,
}

/// Finds the base image or makes it.
pub(super) async fn ensure(cluster: &Cluster, project: &Project) -> Result<Base> {
    let published = format!("{}:{}", PUBLISHED.0, PUBLISHED.1);
    for reference in [&published, BOOTSTRAPPED] {
        if let Some(base) = find(cluster, reference).await? {
            return Ok(base);
        }
    }
    let why_not_pulled = match pull(cluster, &published).await {
        Ok(()) => return require(cluster, &published).await,
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        Err(error) => reason(&error),
    };
    cluster.events.note(format!(
        "{published} cannot be pulled ({why_not_pulled}); making a base image from Debian's archive"
    ));
    bootstrap(cluster, project).await?;
    require(cluster, BOOTSTRAPPED).await
}

fn reason(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

async fn require(cluster: &Cluster, reference: &str) -> Result<Base> {
    find(cluster, reference)
        .await?
        .ok_or_else(|| Error::NoBase {
            reason: format!("{reference} was made but is not there"),
        })
}

async fn find(cluster: &Cluster, reference: &str) -> Result<Option<Base>> {
    match cluster.engine.docker().inspect_image(reference).await {
        Ok(image) => Ok(Some(Base {
            reference: reference.to_owned(),
            id: image.id.unwrap_or_default(),
        })),
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(None),
        Err(error) => Err(Error::docker(
            format!("look for the image {reference}"),
            error,
        )),
    }
}

async fn pull(cluster: &Cluster, reference: &str) -> Result<()> {
    let options = CreateImageOptions {
        from_image: Some(PUBLISHED.0.to_owned()),
        tag: Some(PUBLISHED.1.to_owned()),
        ..CreateImageOptions::default()
    };
    let what = format!("pull {reference}");
    let mut stream = cluster
        .engine
        .docker()
        .create_image(Some(options), None, None);
    let work = async {
        while let Some(info) = stream.next().await {
            let info = info.map_err(|error| Error::docker(&what, error))?;
            if let Some(detail) = info.error_detail {
                return Err(Error::NoBase {
                    reason: detail.message.unwrap_or_default(),
                });
            }
        }
        Ok(())
    };
    tokio::select! {
        () = cluster.cancel.cancelled() => Err(Error::Interrupted),
        pulled = tokio::time::timeout(PULL_TIMEOUT, work) => pulled.unwrap_or_else(|_elapsed| {
            Err(Error::NoBase { reason: format!("no answer within {} s", PULL_TIMEOUT.as_secs()) })
        }),
    }
}

/// Runs the script, which needs root and Debian's tools, on this machine.
async fn bootstrap(cluster: &Cluster, project: &Project) -> Result<()> {
    let script = project.root().join("scripts/base-image.sh");
    let start = Instant::now();
    let tell = |progress| {
        cluster.events.emit(Event::Build {
            name: "base image".to_owned(),
            progress,
        });
    };
    let failed = |error: std::io::Error| Error::io(format!("run {}", script.display()), error);
    tell(Progress::Started);
    // The script's output goes through one pipe, so that its last lines can be shown if it fails.
    let mut child = Command::new("sh")
        .args(["-c", "exec \"$0\" \"$1\" 2>&1"])
        .arg(&script)
        .arg(BOOTSTRAPPED)
        .env("DOCKER_HOST", cluster.engine.host())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut tail = super::build::Tail::new(LOG_LINES_MAX);
    let output = child.stdout.take();
    let work = async {
        if let Some(output) = output {
            let mut lines = BufReader::new(output).lines();
            let mut at = 0;
            while let Some(text) = lines.next_line().await.map_err(failed)? {
                at += 1;
                tail.push(&text);
                tell(Progress::Step { at, of: 0, text });
            }
        }
        child.wait().await.map_err(failed)
    };
    let status = tokio::select! {
        () = cluster.cancel.cancelled() => return Err(Error::Interrupted),
        status = tokio::time::timeout(BOOTSTRAP_TIMEOUT, work) => status,
    };
    let succeeded = match status {
        Ok(status) => status?.success(),
        Err(_elapsed) => false,
    };
    if succeeded {
        tell(Progress::Done {
            took: start.elapsed(),
        });
        return Ok(());
    }
    tell(Progress::Failed);
    Err(Error::NoBase {
        reason: format!("{} failed\n{}", script.display(), tail.text()),
    })
}

//! Failpoints of the test images: a file in the container names the one to crash at, and a signal has it read.

use bollard::{
    body_full,
    errors::Error as DockerError,
    query_parameters::{
        DownloadFromContainerOptions, KillContainerOptions, UploadToContainerOptions,
    },
};
use futures_util::TryStreamExt as _;
use protocol::failpoint::{FILE, Failpoint};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    tasks::Running,
};

/// Lets the task crash when it next gets there.
pub(super) async fn arm(cluster: &Cluster, task: &Running, point: Failpoint) -> Result<()> {
    tell(cluster, &task.container, &point.to_string())
        .await
        .map_err(|error| Error::docker(format!("arm {point} in {}", task.name()), error))
}

/// Lets the container crash nowhere; gives the failpoint that was armed in it.
pub(super) async fn disarm(
    cluster: &Cluster,
    container: &str,
    task: &str,
) -> Result<Option<String>> {
    let failed = |error| Error::docker(format!("disarm the failpoint of {task}"), error);
    let armed = armed(cluster, container).await.map_err(failed)?;
    if armed.is_some() {
        tell(cluster, container, "").await.map_err(failed)?;
    }
    Ok(armed)
}

/// The failpoint that is armed in the container, if any.
pub(super) async fn at(cluster: &Cluster, container: &str, task: &str) -> Result<Option<String>> {
    armed(cluster, container)
        .await
        .map_err(|error| Error::docker(format!("look for a failpoint of {task}"), error))
}

async fn tell(cluster: &Cluster, container: &str, text: &str) -> Result<(), DockerError> {
    let docker = cluster.engine.docker();
    let options = UploadToContainerOptions {
        path: "/".to_owned(),
        ..UploadToContainerOptions::default()
    };
    let body = body_full(archive(text)?.into());
    docker
        .upload_to_container(container, Some(options), body)
        .await?;
    let options = KillContainerOptions {
        signal: "HUP".to_owned(),
    };
    docker.kill_container(container, Some(options)).await
}

fn archive(text: &str) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, FILE.trim_start_matches('/'), text.as_bytes())?;
    archive.into_inner()
}

async fn armed(cluster: &Cluster, container: &str) -> Result<Option<String>, DockerError> {
    let options = DownloadFromContainerOptions {
        path: FILE.to_owned(),
    };
    let parts = cluster
        .engine
        .docker()
        .download_from_container(container, Some(options));
    match parts.try_collect::<Vec<_>>().await {
        Ok(parts) => Ok(content(&parts.concat())?),
        Err(DockerError::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the only file of the archive says, if anything.
fn content(archive: &[u8]) -> std::io::Result<Option<String>> {
    let mut archive = tar::Archive::new(archive);
    let Some(file) = archive.entries()?.next() else {
        return Ok(None);
    };
    let text = std::io::read_to_string(file?)?;
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_back() {
        let written = |text| content(&archive(text).unwrap()).unwrap();
        assert_eq!(
            written("reserve.before-commit").as_deref(),
            Some("reserve.before-commit")
        );
        assert_eq!(written(""), None);
    }
}

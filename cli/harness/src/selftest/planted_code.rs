//! Proves that release images have no planted code, by the same look that finds it in test images.

use bollard::{
    models::ContainerCreateBody,
    query_parameters::{
        CreateContainerOptions, DownloadFromContainerOptions, RemoveContainerOptions,
    },
};
use futures_util::StreamExt as _;

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    image::{self, Flavour},
    project::Project,
};

/// Where images have our executables.
const EXECUTABLES: &str = "/usr/local/bin";
/// What planted code cannot do without: the variable that chooses a bug, and the file that arms a failpoint.
const MARKS: [&str; 2] = ["WEBSHOP_PLANTED", protocol::failpoint::FILE];
/// The images with executables of ours.
const IMAGES: [&str; 2] = ["services", "database"];

/// Builds both flavours where they are missing, and compares them.
///
/// # Errors
/// [`Error::PlantedCode`] where a release image has planted code, or a test image has none.
pub async fn require_only_in_test_images(
    cluster: &Cluster,
    project: &Project,
    options: &image::Options,
) -> Result<()> {
    for flavour in [Flavour::Release, Flavour::Test] {
        let options = image::Options {
            flavour,
            ..options.clone()
        };
        let images = image::ensure(cluster, project, &options).await?;
        for name in IMAGES {
            let reference = images.get(name).unwrap_or(name);
            let archive = executables(cluster, reference).await?;
            for mark in MARKS {
                let found = contains(&archive, mark.as_bytes());
                if found != (flavour == Flavour::Test) {
                    return Err(Error::PlantedCode {
                        image: reference.to_owned(),
                        mark,
                        found,
                    });
                }
            }
        }
    }
    Ok(())
}

/// The executables of an image as one archive, taken from a container that never runs.
async fn executables(cluster: &Cluster, reference: &str) -> Result<Vec<u8>> {
    let docker = cluster.engine.docker();
    let failed = |error| Error::docker(format!("look into the image {reference}"), error);
    let body = ContainerCreateBody {
        image: Some(reference.to_owned()),
        ..ContainerCreateBody::default()
    };
    let container = docker
        .create_container(None::<CreateContainerOptions>, body)
        .await
        .map_err(failed)?;
    let options = DownloadFromContainerOptions {
        path: EXECUTABLES.to_owned(),
    };
    let mut parts = docker.download_from_container(&container.id, Some(options));
    let mut archive = Vec::new();
    let mut broken = None;
    while let Some(part) = parts.next().await {
        match part {
            Ok(part) => archive.extend_from_slice(&part),
            Err(error) => broken = Some(error),
        }
    }
    let options = RemoveContainerOptions {
        v: true,
        force: true,
        ..RemoveContainerOptions::default()
    };
    docker
        .remove_container(&container.id, Some(options))
        .await
        .map_err(failed)?;
    match broken {
        None => Ok(archive),
        Some(error) => Err(failed(error)),
    }
}

fn contains(archive: &[u8], mark: &[u8]) -> bool {
    archive.windows(mark.len()).any(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_wherever_it_stands() {
        assert!(contains(b"..WEBSHOP_PLANTED..", b"WEBSHOP_PLANTED"));
        assert!(!contains(b"..WEBSHOP_PLANTE", b"WEBSHOP_PLANTED"));
    }
}

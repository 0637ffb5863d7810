//! One build by the Engine API, with its steps as progress and its last lines kept for an error.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use bollard::models::{BuildInfo, ImageSummary};
use bollard::query_parameters::{
    BuildImageOptions, BuilderVersion, ListImagesOptions, RemoveImageOptions,
};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::event::{Event, Progress};

/// What is worth showing of a build that failed.
const LOG_LINES_MAX: usize = 30;
/// Superseded images of a name that stay, for going back and forth between two versions.
const OLD_IMAGES_KEPT: usize = 2;
const LABEL: &str = "webshop.image";

/// What to build.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) name: &'a str,
    pub(super) reference: &'a str,
    pub(super) base: &'a str,
    pub(super) nocache: bool,
}

/// Builds an image from a tar archive of its context. Dropping the future stops the build.
pub(super) async fn run(cluster: &Cluster, order: &Order<'_>, archive: Vec<u8>) -> Result<()> {
    let start = Instant::now();
    let tell = |progress| {
        cluster.events.emit(Event::Build {
            name: order.name.to_owned(),
            progress,
        });
    };
    tell(Progress::Started);
    // Every supported engine has the classic builder, and it needs no session beside the request.
    let options = BuildImageOptions {
        t: Some(order.reference.to_owned()),
        version: BuilderVersion::BuilderV1,
        buildargs: Some(HashMap::from([("BASE".to_owned(), order.base.to_owned())])),
        labels: Some(HashMap::from([(LABEL.to_owned(), order.name.to_owned())])),
        nocache: order.nocache,
        rm: true,
        forcerm: true,
        ..BuildImageOptions::default()
    };
    let body = bollard::body_full(Bytes::from(archive));
    let mut stream = cluster
        .engine
        .docker()
        .build_image(options, None, Some(body));
    let mut tail = Tail::new(LOG_LINES_MAX);
    while let Some(info) = stream.next().await {
        let failure = match info {
            Ok(info) => failure_of(&info, &mut tail, &tell),
            Err(bollard::errors::Error::DockerStreamError { error }) => Some(error),
            Err(error) => {
                tell(Progress::Failed);
                return Err(Error::docker(
                    format!("build the image {}", order.name),
                    error,
                ));
            }
        };
        if let Some(failure) = failure {
            tell(Progress::Failed);
            if failure.contains("no space left on device") {
                return Err(Error::NoSpace {
                    action: format!("build the image {}", order.name),
                });
            }
            tail.push(&failure);
            return Err(Error::Build {
                image: order.name.to_owned(),
                log: tail.text(),
            });
        }
    }
    tell(Progress::Done {
        took: start.elapsed(),
    });
    Ok(())
}

/// Takes in one message of the engine; gives back what made the build fail.
fn failure_of(info: &BuildInfo, tail: &mut Tail, tell: &impl Fn(Progress)) -> Option<String> {
    if let Some(text) = &info.stream {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if let Some((at, of, text)) = step(line) {
                let text = text.to_owned();
                tell(Progress::Step { at, of, text });
            }
            tail.push(line);
        }
    }
    info.error_detail
        .as_ref()
        .map(|detail| detail.message.clone().unwrap_or_default())
}

/// `Step 3/9 : RUN apt-get update` → (3, 9, "RUN apt-get update").
fn step(line: &str) -> Option<(usize, usize, &str)> {
    let (count, text) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (at, of) = count.split_once('/')?;
    Some((at.parse().ok()?, of.parse().ok()?, text))
}

/// The images of that name, the newest first.
pub(super) async fn of_name(cluster: &Cluster, name: &str) -> Result<Vec<ImageSummary>> {
    let options = ListImagesOptions {
        filters: Some(HashMap::from([(
            "reference".to_owned(),
            vec![format!("webshop/{name}")],
        )])),
        ..ListImagesOptions::default()
    };
    let docker = cluster.engine.docker();
    let mut images = docker
        .list_images(Some(options))
        .await
        .map_err(|error| Error::docker("list the images", error))?;
    images.sort_by_key(|image| std::cmp::Reverse(image.created));
    Ok(images)
}

/// Removes images of the same name that this one supersedes, but for the newest few and those in use.
pub(super) async fn forget_old(cluster: &Cluster, name: &str, keep: &str) -> Result<()> {
    let docker = cluster.engine.docker();
    let images = of_name(cluster, name).await?;
    let old = images
        .iter()
        .flat_map(|image| &image.repo_tags)
        .filter(|tag| tag.as_str() != keep)
        .skip(OLD_IMAGES_KEPT);
    for tag in old {
        let options = RemoveImageOptions::default();
        // Without force the engine refuses to remove what a container uses, and that is what is wanted.
        if let Err(error) = docker.remove_image(tag, Some(options), None).await {
            tracing::debug!(%tag, %error, "an old image stays");
        }
    }
    Ok(())
}

/// The last lines of an output of any length.
#[derive(Debug)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    lines_max: usize,
}

impl Tail {
    pub(super) fn new(lines_max: usize) -> Self {
        Self {
            lines: VecDeque::with_capacity(lines_max),
            lines_max,
        }
    }

    pub(super) fn push(&mut self, line: &str) {
        if self.lines.len() == self.lines_max {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// The lines, indented as evidence under an error.
    pub(super) fn text(&self) -> String {
        let lines: Vec<String> = self
            .lines
            .iter()
            .map(|line| format!("  | {line}"))
            .collect();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_from_the_builders_words() {
        assert_eq!(step("Step 3/9 : RUN a : b"), Some((3, 9, "RUN a : b")));
        assert_eq!(step(" ---> 0123"), None);
        assert_eq!(step("Stepping 1/2 : no"), None);
    }

    #[test]
    fn a_tail_keeps_the_last_lines() {
        let mut tail = Tail::new(2);
        for line in ["one", "two", "three"] {
            tail.push(line);
        }
        assert_eq!(tail.text(), "  | two\n  | three");
    }
}

//! What the tasks of a service have written, line by line as it comes: nothing is collected, so a log
//! of any size passes through.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use futures_util::stream::{SelectAll, Stream, StreamExt};

use super::overview::{Overview, ServiceView, TaskView};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::printable;

/// How soon the log of a new task joins those that are followed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A log that does not come when only its last lines are wanted is no reason to wait.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(3);

/// What to show.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Begin with the last lines of each task; `None` is all of them.
    pub tail: Option<u32>,
    pub timestamps: bool,
}

/// One piece of a task's log, normally a line with its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// `order.1`
    pub task: String,
    pub bytes: bytes::Bytes,
}

impl Piece {
    /// What it says, without whatever a terminal would obey.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        printable::log(&self.bytes)
    }
}

type Pieces<'a> = Pin<Box<dyn Stream<Item = Result<Piece>> + Send + 'a>>;

/// The logs that there are, one task after the other, the oldest first, for as long as somebody wants to see them.
pub async fn existing(
    cluster: &Cluster,
    service: &ServiceView,
    wanted: Wanted,
    mut show: impl FnMut(Piece) -> ControlFlow<()>,
) -> Result<()> {
    let mut tasks: Vec<&TaskView> = started(service).collect();
    tasks.sort_by(|left, right| (left.slot, &left.since).cmp(&(right.slot, &right.since)));
    for task in tasks {
        let mut pieces = of_task(cluster, task, wanted, false);
        while let Some(piece) = next(cluster, &mut pieces).await? {
            if show(piece).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The logs as they are written, those of new tasks too, until cancelled or nobody wants to see them any more.
pub async fn follow(
    cluster: &Cluster,
    name: &str,
    wanted: Wanted,
    mut show: impl FnMut(Piece) -> ControlFlow<()>,
) -> Result<()> {
    let mut followed = HashSet::new();
    let mut pieces: SelectAll<Pieces<'_>> = SelectAll::new();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = cluster.cancel.cancelled() => return Err(Error::Interrupted),
            _ = look.tick() => {
                let overview = Overview::read(cluster).await?;
                for task in started(overview.service(name, cluster)?) {
                    if followed.insert(task.id.clone()) {
                        pieces.push(of_task(cluster, task, wanted, true));
                    }
                }
            }
            Some(piece) = pieces.next() => {
                if show(piece?).is_break() {
                    return Ok(());
                }
            }
        }
    }
}

/// The last lines of a service's newest task, for an error message: best effort, never an error.
pub async fn last_lines(cluster: &Cluster, service: &ServiceView, lines: u32) -> Vec<String> {
    let newest = started(service).max_by(|left, right| left.since.cmp(&right.since));
    let Some(task) = newest else {
        return Vec::new();
    };
    let wanted = Wanted {
        tail: Some(lines),
        timestamps: false,
    };
    let collect = async {
        let mut found = Vec::new();
        let mut pieces = of_task(cluster, task, wanted, false);
        while let Some(Ok(piece)) = pieces.next().await {
            found.extend(piece.lines());
        }
        found
    };
    tokio::time::timeout(LAST_LINES_TIMEOUT, collect)
        .await
        .unwrap_or_default()
}

/// Tasks that have had a container, and so may have a log.
fn started(service: &ServiceView) -> impl Iterator<Item = &TaskView> {
    service.tasks.iter().filter(|task| task.container.is_some())
}

async fn next(cluster: &Cluster, pieces: &mut Pieces<'_>) -> Result<Option<Piece>> {
    tokio::select! {
        () = cluster.cancel.cancelled() => Err(Error::Interrupted),
        piece = pieces.next() => piece.transpose(),
    }
}

fn of_task<'a>(cluster: &'a Cluster, task: &TaskView, wanted: Wanted, follow: bool) -> Pieces<'a> {
    let options = LogsOptions {
        follow,
        stdout: true,
        stderr: true,
        timestamps: wanted.timestamps,
        tail: wanted
            .tail
            .map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
        ..LogsOptions::default()
    };
    let name = task.name.clone();
    Box::pin(
        cluster
            .engine
            .docker()
            .task_logs(&task.id, Some(options))
            .map(move |output| match output {
                Ok(
                    LogOutput::StdOut { message }
                    | LogOutput::StdErr { message }
                    | LogOutput::StdIn { message }
                    | LogOutput::Console { message },
                ) => Ok(Piece {
                    task: name.clone(),
                    bytes: message,
                }),
                Err(error) => Err(Error::docker(format!("read the log of {name}"), error)),
            }),
    )
}

//! Progress: one closed enum over a bounded channel. The program draws it; nothing here prints.

use std::time::Duration;

use serde::{Serialize, Serializer};
use tokio::sync::mpsc;

/// How many events may wait to be drawn.
const EVENTS_MAX: usize = 4096;

/// What happens while a cluster is driven. As JSON: an object with its kind in `event`, times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Something worth one line.
    Note { text: String },
    /// Something that is wrong but does not stop the work.
    Warning { text: String },
    /// An image or the service binaries are being built.
    Build { name: String, progress: Progress },
    /// A service of the stack was changed.
    Service { name: String, change: Change },
    /// Waiting for the stack: `done` of `wanted` are there, these are not.
    Waiting {
        what: String,
        done: usize,
        wanted: usize,
        missing: Vec<String>,
    },
    /// The wait is over.
    Reached {
        what: String,
        #[serde(rename = "took_ms", serialize_with = "millis")]
        took: Duration,
    },
    /// A part of a run begins.
    Phase { name: String },
    /// What the databases' nodes are now: a line for each database, its primary first.
    Roles { databases: Vec<String> },
    /// A fault is in effect, or its target is back.
    Fault {
        name: String,
        target: String,
        #[serde(rename = "elapsed_ms", serialize_with = "millis")]
        elapsed: Duration,
        /// What has been seen so far.
        seen: Vec<String>,
        healed: bool,
    },
    /// How the load goes, several times a second.
    Load {
        #[serde(rename = "elapsed_ms", serialize_with = "millis")]
        elapsed: Duration,
        #[serde(rename = "planned_ms", serialize_with = "millis")]
        planned: Duration,
        ok: u64,
        fail: u64,
        info: u64,
        in_flight: u64,
        /// Of everything served so far.
        p99_ms: f64,
    },
}

fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// How far one build is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    Started,
    /// `of` is 0 where the number of steps is not known.
    Step {
        at: usize,
        of: usize,
        text: String,
    },
    /// There already: nothing was built.
    Present,
    Done {
        #[serde(rename = "took_ms", serialize_with = "millis")]
        took: Duration,
    },
    Failed,
}

/// What happened to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Created,
    Updated,
    Unchanged,
    Removed,
}

/// Where progress goes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events(mpsc::Sender<Event>);

impl Events {
    /// A channel of progress: the sender for the work, the receiver for the terminal.
    pub fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        (Self(sender), receiver)
    }

    /// Tells of progress. Never waits: where nobody draws, or far too slowly, the event is dropped,
    /// because progress must not hold up the work.
    pub fn emit(&self, event: Event) {
        if let Err(dropped) = self.0.try_send(event) {
            tracing::debug!(%dropped, "progress was not drawn");
        }
    }

    /// One line of news.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(Event::Note { text: text.into() });
    }

    /// One line of warning.
    pub fn warn(&self, text: impl Into<String>) {
        self.emit(Event::Warning { text: text.into() });
    }
}

//! Writes the history and the events of a run while it goes on.
//!
//! A thread of its own writes whatever came within a few milliseconds, in one system call: a killed program leaves
//! all but those, and neither a slow disk nor the writing itself holds up the load.

use std::{
    borrow::Cow,
    fs::File,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use checker::history::{Header, Record, line};
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::Instant};

use crate::error::{Error, Result};

/// Records that may wait for the disk: some ten seconds of a hard load.
const QUEUED_MAX: usize = 65_536;
/// Between two writes: waking the thread for each record would cost as much as sending the request.
const GATHERED: Duration = Duration::from_millis(5);
/// Records written in one go.
const BATCH_MAX: usize = 4096;

/// The run's clock: microseconds since it began, only forward.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    started_at_ms: u64,
}

impl Clock {
    /// Starts at 0 now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            started_at_ms: unix_ms(),
        }
    }

    /// Now.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// When something happened; 0 where that was before the clock began.
    #[must_use]
    pub fn at_us(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.started);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    /// When the clock was 0, in Unix milliseconds.
    #[must_use]
    pub fn started_at_ms(&self) -> u64 {
        self.started_at_ms
    }
}

/// Unix milliseconds now.
#[must_use]
pub fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Something that happened to the stack during a run: one line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    #[serde(rename = "t")]
    pub at_us: u64,
    /// What kind of thing, e.g. `fault`, `task`, `role`, `phase`.
    pub kind: Cow<'static, str>,
    /// Whom it happened to.
    pub subject: String,
    pub text: String,
}

#[derive(Debug)]
enum Line {
    History(String),
    Event(String),
}

/// Records. Cheap to clone; the file is complete when every clone is gone.
#[derive(Debug, Clone)]
pub struct Recorder {
    lines: mpsc::Sender<Line>,
    clock: Arc<Clock>,
    /// How many records of the history were taken: its end says so, that none is lost unseen.
    records: Arc<AtomicU64>,
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writing(tokio::task::JoinHandle<std::io::Result<()>>);

impl Recorder {
    /// Creates both files and starts the run's clock.
    ///
    /// # Errors
    /// A file cannot be created or its first line not be written.
    pub fn start(
        history: &Path,
        events: &Path,
        run: &str,
        seed: Option<u64>,
    ) -> Result<(Self, Writing)> {
        let clock = Clock::start();
        let header = line(&Header::new(run, clock.started_at_ms, seed)).map_err(Error::json)?;
        let history = create(history, header.as_bytes())?;
        let events = create(events, b"")?;
        let (lines, queued) = mpsc::channel(QUEUED_MAX);
        let writing = tokio::task::spawn_blocking(move || write(queued, history, events));
        let recorder = Self {
            lines,
            clock: Arc::new(clock),
            records: Arc::default(),
        };
        Ok((recorder, Writing(writing)))
    }

    /// The run's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        *self.clock
    }

    /// Whether nothing more can be written: a load that is not recorded must not go on.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.lines.is_closed()
    }

    /// Takes a record of the history; waits where the disk is far behind.
    pub async fn history(&self, record: &Record) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.write(record).await;
    }

    async fn write(&self, record: &Record) {
        match line(record) {
            Ok(text) => self.send(Line::History(text)).await,
            Err(error) => tracing::error!(%error, "a record is not JSON"),
        }
    }

    /// Takes something that happened now.
    pub async fn event(&self, kind: &'static str, subject: &str, text: impl Into<String>) {
        let happening = Happening {
            at_us: self.clock.now_us(),
            kind: Cow::Borrowed(kind),
            subject: subject.to_owned(),
            text: text.into(),
        };
        match line(&happening) {
            Ok(text) => self.send(Line::Event(text)).await,
            Err(error) => tracing::error!(%error, "an event is not JSON"),
        }
    }

    /// Says that nothing more comes to the history, and how much came.
    pub async fn end(&self) {
        let end = Record::End {
            at_us: self.clock.now_us(),
            records: self.records.load(Ordering::Relaxed),
        };
        self.write(&end).await;
    }

    async fn send(&self, line: Line) {
        // The writer is gone only after an error, which `Writing::finish` reports.
        if self.lines.send(line).await.is_err() {
            tracing::debug!("a record came after the writer's end");
        }
    }
}

impl Writing {
    /// Waits until everything is on disk. Every clone of the recorder must be gone by then.
    ///
    /// # Errors
    /// The disk did not take it all.
    pub async fn finish(self) -> Result<()> {
        let written = match self.0.await {
            Ok(written) => written,
            Err(panic) => Err(std::io::Error::other(panic)),
        };
        written.map_err(|source| Error::io("write the history", source))
    }
}

fn create(path: &Path, beginning: &[u8]) -> Result<File> {
    let action = || format!("create {}", path.display());
    let mut file = File::create_new(path).map_err(|source| Error::io(action(), source))?;
    file.write_all(beginning)
        .map_err(|source| Error::io(action(), source))?;
    Ok(file)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the thread is its own: nothing else waits for it"
)]
fn write(
    mut queued: mpsc::Receiver<Line>,
    mut history: File,
    mut events: File,
) -> std::io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let (mut history_text, mut event_text) = (String::new(), String::new());
    while queued.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        for line in batch.drain(..) {
            match line {
                Line::History(text) => history_text.push_str(&text),
                Line::Event(text) => event_text.push_str(&text),
            }
        }
        history.write_all(history_text.as_bytes())?;
        events.write_all(event_text.as_bytes())?;
        history_text.clear();
        event_text.clear();
        std::thread::sleep(GATHERED);
    }
    history.sync_all()?;
    events.sync_all()
}

#[cfg(test)]
mod tests {
    use checker::{
        History,
        history::{Complete, Invoke, Op},
        outcome::Class,
    };
    use protocol::OrderId;

    use super::*;

    fn invoke(id: u64) -> Record {
        Record::Invoke(Invoke {
            id,
            attempt: 1,
            process: 0,
            due_us: 0,
            sent_us: 0,
            op: Op::Checkout { order: OrderId(1) },
        })
    }

    fn complete(id: u64) -> Record {
        Record::Complete(Complete {
            id,
            attempt: 1,
            at_us: 0,
            class: Class::Ok,
            status: Some(200),
            broken: None,
            refusal: None,
            value: None,
        })
    }

    #[tokio::test]
    async fn a_finished_history_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let (history, events) = (dir.path().join("h"), dir.path().join("e"));
        let (recorder, writing) = Recorder::start(&history, &events, "quiet", Some(3)).unwrap();
        for id in 0..10_000 {
            recorder.history(&invoke(id)).await;
            recorder.history(&complete(id)).await;
        }
        recorder.event("fault", "stock-db-0", "die event").await;
        recorder.end().await;
        drop(recorder);
        writing.finish().await.unwrap();
        let read = History::parse(&std::fs::read(&history).unwrap()).unwrap();
        assert_eq!(read.attempts.len(), 10_000);
        assert!(read.is_complete(), "{:?}", read.miscount);
        let events = std::fs::read_to_string(events).unwrap();
        assert!(
            events.contains(r#""kind":"fault","subject":"stock-db-0""#),
            "{events}"
        );
    }

    #[tokio::test]
    async fn a_record_is_in_the_file_while_the_run_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h");
        let (recorder, writing) =
            Recorder::start(&path, &dir.path().join("e"), "quiet", None).unwrap();
        recorder.history(&invoke(1)).await;
        // Nothing is flushed or dropped: only the writer's own diligence can bring it there.
        let limit = crate::wait::Limit::new(Duration::from_millis(200), Duration::from_millis(2));
        let look = async || {
            let read = History::parse(&std::fs::read(&path).unwrap()).unwrap();
            Ok(if read.attempts.len() == 1 && !read.is_complete() {
                crate::wait::Look::Done(())
            } else {
                crate::wait::Look::NotYet(format!("{} attempts", read.attempts.len()))
            })
        };
        let cancel = tokio_util::sync::CancellationToken::new();
        crate::wait::until("the record", limit, &cancel, look)
            .await
            .unwrap();
        drop(recorder);
        writing.finish().await.unwrap();
    }
}

//! One `agent serve` in one container, spoken to over an attached exec.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex as SyncMutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bollard::container::LogOutput;
use futures_util::{Stream, StreamExt};
use protocol::agent::{Op, Request};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    exec,
};

/// What became of one question.
#[derive(Debug)]
pub(super) enum Told {
    /// The JSON texts of the result, or of all items of the stream.
    Answer(Vec<String>),
    Error(String),
    /// The exec ended before the answer did.
    Gone,
}

/// Lines of one answer that may wait to be taken.
const QUEUED_MAX: usize = 256;
/// A line is at most a thousand rows; a longer one means that we no longer read what was sent.
const LINE_BYTES_MAX: usize = 64 << 20;

type Waiting = Arc<SyncMutex<HashMap<u64, mpsc::Sender<Piece>>>>;

/// One line, without its id.
#[derive(Debug)]
enum Piece {
    Result(String),
    Item(String),
    End(u64),
    Error(String),
}

pub(super) struct Session {
    input: Mutex<Pin<Box<dyn AsyncWrite + Send>>>,
    waiting: Waiting,
    next_id: AtomicU64,
    reader: JoinHandle<()>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The attached input closes with us, and at its end the agent leaves by itself.
        self.reader.abort();
    }
}

impl Session {
    /// Starts `agent serve` in that container.
    pub(super) async fn open(cluster: &Cluster, container: &str) -> Result<Self> {
        let attached = exec::attach(cluster, container, &["agent", "serve"], &[])
            .await
            .map_err(|error| Error::docker("start the agent", error))?;
        let waiting = Waiting::default();
        let reader = tokio::spawn(read(attached.output, Arc::clone(&waiting)));
        Ok(Self {
            input: Mutex::new(attached.input),
            waiting,
            next_id: AtomicU64::new(1),
            reader,
        })
    }

    /// Whether its exec still runs, as far as we know.
    pub(super) fn lives(&self) -> bool {
        !self.reader.is_finished()
    }

    /// Asks and gathers the whole answer.
    pub(super) async fn ask(&self, op: &Op) -> Result<Told> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = Request { id, op: op.clone() };
        let mut text = serde_json::to_string(&request).map_err(Error::json)?;
        text.push('\n');
        let (sender, mut pieces) = mpsc::channel(QUEUED_MAX);
        let _registered = Registration::new(&self.waiting, id, sender);
        if !self.lives() || !self.write(text.as_bytes()).await {
            return Ok(Told::Gone);
        }
        let mut items = Vec::new();
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Item(item) => items.push(item),
                Piece::Result(result) => return Ok(Told::Answer(vec![result])),
                Piece::Error(reason) => return Ok(Told::Error(reason)),
                Piece::End(sent) if sent == items.len() as u64 => return Ok(Told::Answer(items)),
                Piece::End(sent) => {
                    let got = items.len();
                    return Ok(Told::Error(format!("{got} of {sent} items arrived")));
                }
            }
        }
        Ok(Told::Gone)
    }

    async fn write(&self, bytes: &[u8]) -> bool {
        let mut input = self.input.lock().await;
        let written = async {
            input.write_all(bytes).await?;
            input.flush().await
        };
        match written.await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "the agent's input is closed");
                false
            }
        }
    }
}

/// Forgets the question when nobody waits for its answer any more.
struct Registration<'a> {
    waiting: &'a Waiting,
    id: u64,
}

impl<'a> Registration<'a> {
    fn new(waiting: &'a Waiting, id: u64, sender: mpsc::Sender<Piece>) -> Self {
        lock(waiting).insert(id, sender);
        Self { waiting, id }
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        lock(self.waiting).remove(&self.id);
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, mpsc::Sender<Piece>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the frames of the exec apart into lines. At its end every waiting question learns that it is gone.
async fn read(
    mut output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
    waiting: Waiting,
) {
    let mut pending: Vec<u8> = Vec::new();
    while let Some(frame) = output.next().await {
        let message = match frame {
            Ok(LogOutput::StdOut { message }) => message,
            Ok(LogOutput::StdErr { message }) => {
                tracing::debug!(text = %String::from_utf8_lossy(&message), "the agent says");
                continue;
            }
            Ok(LogOutput::StdIn { .. } | LogOutput::Console { .. }) => continue,
            Err(error) => {
                tracing::debug!(%error, "the agent's output broke");
                break;
            }
        };
        pending.extend_from_slice(&message);
        // Only what has just arrived can hold a new end of line.
        let mut searched = pending.len() - message.len();
        let mut taken = 0;
        while let Some(length) = pending[searched..].iter().position(|byte| *byte == b'\n') {
            let end = searched + length;
            deliver(&waiting, &pending[taken..end]).await;
            taken = end + 1;
            searched = taken;
        }
        pending.drain(..taken);
        if pending.len() > LINE_BYTES_MAX {
            tracing::debug!("the agent sent a line without an end");
            break;
        }
    }
    lock(&waiting).clear();
}

async fn deliver(waiting: &Waiting, line: &[u8]) {
    #[derive(Deserialize)]
    struct Line<'a> {
        id: u64,
        #[serde(borrow)]
        result: Option<&'a RawValue>,
        #[serde(borrow)]
        item: Option<&'a RawValue>,
        end: Option<u64>,
        error: Option<String>,
    }
    let line: Line<'_> = match serde_json::from_slice(line) {
        Ok(line) => line,
        Err(error) => {
            tracing::debug!(%error, "the agent sent something else than an answer");
            return;
        }
    };
    let piece = match line {
        Line {
            result: Some(result),
            ..
        } => Piece::Result(result.get().to_owned()),
        Line {
            item: Some(item), ..
        } => Piece::Item(item.get().to_owned()),
        Line {
            end: Some(sent), ..
        } => Piece::End(sent),
        Line { error, .. } => Piece::Error(error.unwrap_or_else(|| "an empty answer".to_owned())),
    };
    let sender = lock(waiting).get(&line.id).cloned();
    if let Some(sender) = sender
        && sender.send(piece).await.is_err()
    {
        tracing::debug!(line.id, "nobody waits for this answer any more");
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn out(text: &'static str) -> Result<LogOutput, bollard::errors::Error> {
        Ok(LogOutput::StdOut {
            message: Bytes::from_static(text.as_bytes()),
        })
    }

    #[tokio::test]
    async fn lines_are_put_together_across_frames_and_told_apart_by_id() {
        let waiting = Waiting::default();
        let (one, mut first) = mpsc::channel(8);
        let (two, mut second) = mpsc::channel(8);
        lock(&waiting).insert(1, one);
        lock(&waiting).insert(2, two);
        let frames = [
            out("{\"id\":1,\"item\":{\"a"),
            out("\":1}}\n{\"id\":2,\"result\":\"pong\"}\n{\"id\":1,"),
            Ok(LogOutput::StdErr {
                message: Bytes::from_static(b"a warning\n"),
            }),
            out("\"end\":1}\nrubbish\n{\"id\":9,\"end\":0}\n"),
        ];
        read(futures_util::stream::iter(frames), waiting).await;
        assert!(matches!(first.recv().await, Some(Piece::Item(text)) if text == "{\"a\":1}"));
        assert!(matches!(first.recv().await, Some(Piece::End(1))));
        assert!(first.recv().await.is_none());
        assert!(matches!(second.recv().await, Some(Piece::Result(text)) if text == "\"pong\""));
        assert!(second.recv().await.is_none());
    }
}

//! Publishing what committed transactions produced, while the next batch is being applied.

use std::time::Duration;

use planted::Steps;
use protocol::failpoint::Moment;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::Record;
use crate::{kafka::Producer, postgres::backoff};

/// Committed transactions whose records wait for Kafka; when it is full, no further batch is applied.
const WAITING_MAX: usize = 8;

struct Committed {
    records: Vec<Record>,
    /// The lane's next offset after that transaction.
    upto: i64,
    steps: Steps,
}

/// The queue to Kafka of one hold of the lane. Dropped: it stops, and the next holder publishes again.
pub(super) struct Publishing {
    queue: mpsc::Sender<Committed>,
    done: watch::Receiver<i64>,
    task: JoinHandle<()>,
}

impl Publishing {
    pub(super) fn start(producer: Producer, published: i64) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let (mark, done) = watch::channel(published);
        let task = tokio::spawn(publish(producer, waiting, mark));
        Self { queue, done, task }
    }

    /// Queues the records of a committed transaction.
    pub(super) async fn enqueue(&self, records: Vec<Record>, upto: i64, steps: Steps) {
        let committed = Committed {
            records,
            upto,
            steps,
        };
        if self.queue.send(committed).await.is_err() {
            tracing::error!("the publishing task has ended");
        }
    }

    /// Everything that resulted from offsets below this is on Kafka.
    pub(super) fn published(&self) -> i64 {
        *self.done.borrow()
    }

    /// Waits until everything queued so far is published.
    pub(super) async fn drained(&mut self, upto: i64) {
        if self.done.wait_for(|done| *done >= upto).await.is_err() {
            tracing::error!("the publishing task has ended");
        }
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn publish(
    producer: Producer,
    mut waiting: mpsc::Receiver<Committed>,
    mark: watch::Sender<i64>,
) {
    while let Some(committed) = waiting.recv().await {
        let Committed {
            records,
            upto,
            steps,
        } = committed;
        steps.reach(Moment::BeforePublish);
        let mut attempts = 0;
        while let Err(error) = producer.send_all(&records).await {
            attempts += 1;
            tracing::warn!(%error, attempts, records = records.len(), "publishing again");
            tokio::time::sleep(pause(attempts)).await;
        }
        steps.reach(Moment::AfterPublish);
        mark.send_replace(upto);
    }
}

fn pause(attempts: u32) -> Duration {
    backoff(attempts) * 2
}

//! A lane: one partition of a topic, worked by one replica at a time, in order, in transactions.
//!
//! The replica that works it holds a session-level advisory lock in the service's own database and runs the
//! lane's transactions on that very session; the offset it goes on from is a row written in the same
//! transaction as the effects. So a holder that lost the lane cannot commit, and a new one starts exactly
//! where the last commit left off. Records that a transaction produced are published after its commit; the
//! new holder publishes again what its predecessor may not have published.

mod fetching;
mod heartbeat;
mod hold;
mod publishing;
mod session;

use std::{ops::Range, time::Duration};

use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

pub use crate::kafka::Record;
use crate::{
    health::LaneStatus,
    kafka::{Kafka, Partition},
    postgres::Database,
};

/// After losing the lane, or where it cannot even be asked for.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Which lane, and for whom.
#[derive(Debug, Clone)]
pub struct LaneSpec {
    pub partition: Partition,
    /// Names where offsets are shown on Kafka: the service's name.
    pub group: &'static str,
    /// The name of this replica.
    pub replica: String,
    pub status: LaneStatus,
}

impl LaneSpec {
    /// The only partition of `topic`.
    #[must_use]
    pub fn new(topic: &'static str, group: &'static str, replica: &str) -> Self {
        Self {
            partition: Partition { topic, number: 0 },
            group,
            replica: replica.to_owned(),
            status: LaneStatus::default(),
        }
    }
}

/// One message of the lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub offset: i64,
    pub payload: Vec<u8>,
}

impl Message {
    /// The message's JSON value. One that cannot be read is logged and counted, and its offset moves on:
    /// it would be as unreadable the next time.
    #[must_use]
    pub fn decode<T: DeserializeOwned>(&self) -> Option<T> {
        match serde_json::from_slice(&self.payload) {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::error!(offset = self.offset, %error, "skipping an unreadable message");
                metrics::counter!("webshop_poison_messages_total").increment(1);
                None
            }
        }
    }
}

/// Why a worker could not do its part of a transaction, which is rolled back.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Tried again where that may help; else the lane is given up and taken anew.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// What is stored, or is to be sent, makes no sense: a defect. The lane stands still until it is mended.
    #[error("corrupt: {0}")]
    Corrupt(String),
}

impl From<serde_json::Error> for ApplyError {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// What a service does with its lane. Every method may run again for the same messages: it keeps no state
/// of its own that a rollback would not undo, other than what [`LaneWorker::committed`] settles.
pub trait LaneWorker: Send + 'static {
    /// Statements that come before a transaction's snapshot is taken: locks, settings.
    const BEFORE_SNAPSHOT: &'static str = "";

    /// Applies a batch in the open SERIALIZABLE transaction. Its beginning, offset rows and the commit are the
    /// lane's business. Returns what is to be published after the commit.
    fn apply(
        &mut self,
        tx: &mut PgConnection,
        batch: &[Message],
    ) -> impl Future<Output = Result<Vec<Record>, ApplyError>> + Send;

    /// Runs first when the lane was taken, in a transaction that is replicated before anything is published.
    /// Returns what a former holder may have left unpublished; `unpublished` are the offsets whose records
    /// are not known to be on Kafka.
    fn takeover(
        &mut self,
        tx: &mut PgConnection,
        unpublished: Range<i64>,
    ) -> impl Future<Output = Result<Vec<Record>, ApplyError>> + Send;

    /// Runs every 500 ms while the lane is held, in a transaction of its own, which is replicated before
    /// the records it returns are published.
    fn tick(
        &mut self,
        _tx: &mut PgConnection,
    ) -> impl Future<Output = Result<Vec<Record>, ApplyError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Runs after the transaction of the last `apply`, `takeover` or `tick` is known to be committed.
    fn committed(&mut self) {}
}

/// Works the lane whenever this replica gets it, through any outage, until `shutdown`.
pub async fn run<W: LaneWorker>(
    spec: LaneSpec,
    db: Database,
    kafka: Kafka,
    mut worker: W,
    shutdown: CancellationToken,
) {
    let _alive = spec.status.guard();
    let topic = spec.partition.topic;
    let holder = metrics::gauge!("webshop_lane_holder", "topic" => topic);
    holder.set(0.0);
    while !shutdown.is_cancelled() {
        let taken = shutdown
            .run_until_cancelled(session::acquire(&spec, &db))
            .await;
        match taken {
            None => break,
            Some(Ok(session)) => {
                tracing::info!(topic, "took the lane");
                holder.set(1.0);
                let ended = hold::work(session, &spec, &kafka, &mut worker, &shutdown).await;
                holder.set(0.0);
                match ended {
                    Ok(()) => tracing::info!(topic, "released the lane"),
                    Err(error) => tracing::warn!(topic, %error, "lost the lane"),
                }
            }
            Some(Err(error)) => {
                tracing::debug!(topic, %error, "cannot ask for the lane");
                db.suspect();
            }
        }
        shutdown
            .run_until_cancelled(tokio::time::sleep(RETRY_PAUSE))
            .await;
    }
}

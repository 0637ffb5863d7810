//! Working the lane while it is held.

use std::time::{Duration, Instant};

use planted::Steps;
use protocol::failpoint::Moment;
use rdkafka::error::KafkaError;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio_util::sync::CancellationToken;

use super::{
    ApplyError, LaneSpec, LaneWorker, Message, Record,
    fetching::Fetching,
    heartbeat::{self, Heartbeat},
    publishing::Publishing,
    session::Session,
};
use crate::{
    kafka::Kafka,
    postgres::{Failure, backoff, sqlstate},
};

const TICK: Duration = Duration::from_millis(500);
/// At a shutdown, to get the last records published; the next holder would publish them again.
const DRAIN_MAX: Duration = Duration::from_millis(500);
/// A defect is not retried in a hurry.
const CORRUPT_PAUSE: Duration = Duration::from_secs(1);

/// Why the lane was given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    #[error("the database moved or went silent")]
    Session,
    #[error("the lane row was moved by somebody else")]
    Stolen,
    #[error("stopped in the middle of a batch")]
    Stopped,
}

impl From<sqlx::Error> for Lost {
    fn from(error: sqlx::Error) -> Self {
        Self::Apply(error.into())
    }
}

/// Works the lane until `shutdown` (`Ok`) or until it is lost.
pub(super) async fn work<W: LaneWorker>(
    session: Session,
    spec: &LaneSpec,
    kafka: &Kafka,
    worker: &mut W,
    shutdown: &CancellationToken,
) -> Result<(), Lost> {
    let heartbeat = Heartbeat::start(&session, spec);
    let opening = Hold::open(session, spec, kafka, worker);
    let mut hold = heartbeat
        .lost
        .run_until_cancelled(opening)
        .await
        .unwrap_or(Err(Lost::Session))?;
    let consumer = Fetching::start(kafka, spec, hold.next_offset)?;
    let worked = tokio::select! {
        worked = hold.turns(consumer, kafka, shutdown) => worked,
        () = heartbeat.lost.cancelled() => Err(Lost::Session),
        () = overdue(shutdown) => Err(Lost::Stopped),
    };
    if worked.is_ok()
        && tokio::time::timeout(DRAIN_MAX * 2, hold.release())
            .await
            .is_err()
    {
        tracing::debug!("the lane's session ends without a goodbye");
    }
    worked
}

/// A batch that hangs does not hold up a shutdown.
async fn overdue(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN_MAX).await;
}

/// One hold of the lane.
struct Hold<'a, W> {
    spec: &'a LaneSpec,
    worker: &'a mut W,
    connection: PgConnection,
    publishing: Publishing,
    next_offset: i64,
    /// As it stands in the database.
    published_offset: i64,
    /// As it stands on Kafka.
    shown_offset: i64,
}

/// What a transaction on the lane's session does.
enum Work<'m> {
    Batch(&'m [Message]),
    Takeover,
    Tick,
}

impl Work<'_> {
    fn steps(&self) -> Steps {
        match self {
            Self::Batch(batch) => Steps::of(batch.iter().map(|message| message.payload.as_slice())),
            Self::Takeover | Self::Tick => Steps::none(),
        }
    }
}

impl<'a, W: LaneWorker> Hold<'a, W> {
    /// Reads where the lane stands and publishes again what may be missing on Kafka.
    async fn open(
        session: Session,
        spec: &'a LaneSpec,
        kafka: &Kafka,
        worker: &'a mut W,
    ) -> Result<Self, Lost> {
        let mut connection = session.connection;
        heartbeat::beat(&mut connection, spec, session.pid).await?;
        let (next_offset, published_offset): (i64, i64) = sqlx::query_as(
            "insert into lane (topic, partition, next_offset, published_offset, holder)
             values ($1, $2, 0, 0, $3)
             on conflict (topic, partition) do update set holder = excluded.holder
             returning next_offset, published_offset",
        )
        .bind(spec.partition.topic)
        .bind(spec.partition.number)
        .bind(&spec.replica)
        .fetch_one(&mut connection)
        .await?;
        let mut hold = Self {
            spec,
            worker,
            connection,
            publishing: Publishing::start(kafka.producer.clone(), published_offset),
            next_offset,
            published_offset,
            shown_offset: -1,
        };
        hold.transact(&Work::Takeover, next_offset).await?;
        Ok(hold)
    }

    /// Batches and ticks until `shutdown`.
    async fn turns(
        &mut self,
        mut consumer: Fetching,
        kafka: &Kafka,
        shutdown: &CancellationToken,
    ) -> Result<(), Lost> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                _ = tick.tick() => {
                    self.transact(&Work::Tick, self.next_offset).await?;
                    self.shown_offset = consumer.show(self.next_offset, self.shown_offset);
                    consumer.renew_if_silent(kafka, self.spec, self.next_offset)?;
                }
                batch = consumer.batch() => self.batch(&batch).await?,
            }
        }
    }

    async fn batch(&mut self, batch: &[Message]) -> Result<(), Lost> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else {
            return Ok(());
        };
        let topic = self.spec.partition.topic;
        if first.offset < self.next_offset {
            tracing::error!(
                topic,
                expected = self.next_offset,
                found = first.offset,
                "the log was lost or truncated, starting again at its beginning"
            );
            metrics::counter!("webshop_lane_restarts_total", "topic" => topic).increment(1);
        }
        let started = Instant::now();
        let upto = last.offset + 1;
        self.transact(&Work::Batch(batch), upto).await?;
        let messages = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        metrics::histogram!("webshop_lane_batch_messages", "topic" => topic).record(messages);
        metrics::histogram!("webshop_lane_batch_seconds", "topic" => topic)
            .record(started.elapsed());
        Ok(())
    }

    /// Commits one piece of work, with the lane's row where it moves, and queues its records. Conflicts are
    /// tried again for ever: there is nothing else to do with the lane.
    async fn transact(&mut self, work: &Work<'_>, upto: i64) -> Result<(), Lost> {
        let steps = work.steps();
        let mut attempts = 0;
        let records = loop {
            let error = match self.attempt(work, upto, &steps).await {
                Ok(records) => break records,
                Err(error) => error,
            };
            attempts += 1;
            match &error {
                Lost::Apply(ApplyError::Database(cause))
                    if Failure::of(cause) == Failure::Conflict =>
                {
                    let state = sqlstate(cause);
                    metrics::counter!("webshop_tx_retries_total", "sqlstate" => state).increment(1);
                }
                Lost::Apply(ApplyError::Corrupt(reason)) => {
                    tracing::error!(reason, "the lane stands still");
                    tokio::time::sleep(CORRUPT_PAUSE).await;
                    return Err(error);
                }
                _ => return Err(error),
            }
            sqlx::raw_sql("rollback")
                .execute(&mut self.connection)
                .await?;
            tokio::time::sleep(backoff(attempts)).await;
        };
        let moved = upto != self.next_offset || matches!(work, Work::Takeover);
        self.next_offset = upto;
        self.worker.committed();
        if moved || !records.is_empty() {
            self.publishing.enqueue(records, upto, steps).await;
        }
        Ok(())
    }

    async fn attempt(
        &mut self,
        work: &Work<'_>,
        upto: i64,
        steps: &Steps,
    ) -> Result<Vec<Record>, Lost> {
        // Nothing may be published for offsets the log does not have (any more).
        let published = self.publishing.published().min(upto);
        let moves = published != self.published_offset || upto != self.next_offset;
        let moves = moves || matches!(work, Work::Takeover);
        self.begin(moves.then_some((upto, published))).await?;
        let tx = &mut self.connection;
        let records = match work {
            Work::Batch(batch) => self.worker.apply(tx, batch).await?,
            Work::Takeover => {
                let unpublished = self.published_offset..self.next_offset;
                self.worker.takeover(tx, unpublished).await?
            }
            Work::Tick => self.worker.tick(tx).await?,
        };
        if !moves && !records.is_empty() {
            self.run(self.advance(upto, published)).await?;
        }
        steps.reach(Moment::BeforeCommit);
        sqlx::raw_sql("commit")
            .execute(&mut self.connection)
            .await?;
        steps.reach(Moment::AfterCommit);
        self.published_offset = published;
        Ok(records)
    }

    /// Begins a transaction, and moves the lane's row where it is to move: all of it in one trip to the database.
    async fn begin(&mut self, offsets: Option<(i64, i64)>) -> Result<(), Lost> {
        let begin = format!("begin isolation level serializable; {}", W::BEFORE_SNAPSHOT);
        match offsets {
            None => {
                sqlx::raw_sql(AssertSqlSafe(begin))
                    .execute(&mut self.connection)
                    .await?;
                Ok(())
            }
            Some((next, published)) => {
                self.run(format!("{begin}; {}", self.advance(next, published)))
                    .await
            }
        }
    }

    /// Writing the row also makes the commit wait for a standby: what the worker only read and is about to publish is
    /// replicated too.
    fn advance(&self, next_offset: i64, published_offset: i64) -> String {
        format!(
            "update lane set next_offset = {next_offset}, published_offset = {published_offset}
             where topic = {} and partition = {} and next_offset = {} and holder = {}",
            literal(self.spec.partition.topic),
            self.spec.partition.number,
            self.next_offset,
            literal(&self.spec.replica),
        )
    }

    /// Runs statements the last of which moves the lane's row.
    async fn run(&mut self, statements: String) -> Result<(), Lost> {
        let moved = sqlx::raw_sql(AssertSqlSafe(statements))
            .execute(&mut self.connection)
            .await?;
        if moved.rows_affected() != 1 {
            return Err(Lost::Stolen);
        }
        Ok(())
    }

    /// Publishes what is queued, notes it, and gives the lock back at once by ending the session.
    async fn release(mut self) {
        let drain = self.publishing.drained(self.next_offset);
        if tokio::time::timeout(DRAIN_MAX, drain).await.is_ok()
            && let Err(error) = self.transact(&Work::Tick, self.next_offset).await
        {
            tracing::debug!(%error, "could not note what was published");
        }
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "could not close the lane's session");
        }
    }
}

/// The text as a literal of SQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

//! Reading the lane's messages from Kafka.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer as _, StreamConsumer},
    error::KafkaResult,
    message::BorrowedMessage,
};

use super::{LaneSpec, Message};
use crate::kafka::{Kafka, Partition};

const BATCH_MAX: usize = 512;
/// After an error of the consumer, which recovers by itself. One dead broker of three causes errors as well,
/// so this is short: it only keeps a consumer that knows nothing but errors from spinning.
const ERROR_PAUSE: Duration = Duration::from_millis(5);
/// A consumer that heard of no message for so long is made anew: one that lost sight of every broker says nothing,
/// exactly as one whose lane is at rest (see `Producer`, whose failures tell). Some milliseconds of work each time.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// The consumer of one hold of the lane.
pub(super) struct Fetching {
    /// Taken only when dropped.
    consumer: Option<StreamConsumer>,
    partition: Partition,
    /// When the last message came, or the consumer was made.
    heard: Instant,
}

impl Fetching {
    /// Reads from this offset on.
    pub(super) fn start(kafka: &Kafka, spec: &LaneSpec, offset: i64) -> KafkaResult<Self> {
        let consumer = kafka.consumer(spec.group, &spec.partition, offset)?;
        Ok(Self {
            consumer: Some(consumer),
            partition: spec.partition,
            heard: Instant::now(),
        })
    }

    /// Reads from this offset on with a new consumer where this one has long been silent.
    pub(super) fn renew_if_silent(
        &mut self,
        kafka: &Kafka,
        spec: &LaneSpec,
        offset: i64,
    ) -> KafkaResult<()> {
        if self.heard.elapsed() >= SILENCE_MAX {
            *self = Self::start(kafka, spec, offset)?;
        }
        Ok(())
    }

    /// Waits for a message and takes along whatever else is there. Nothing is lost if it is dropped while
    /// it waits.
    pub(super) async fn batch(&mut self) -> Vec<Message> {
        let Some(consumer) = &self.consumer else {
            return std::future::pending().await;
        };
        let mut batch = Vec::new();
        while batch.is_empty() {
            match consumer.recv().await {
                Ok(message) => batch.push(owned(&message)),
                Err(error) => {
                    tracing::debug!(topic = self.partition.topic, %error, "cannot read the lane");
                    metrics::counter!("webshop_lane_fetch_errors_total").increment(1);
                    tokio::time::sleep(ERROR_PAUSE).await;
                }
            }
        }
        while batch.len() < BATCH_MAX {
            match consumer.recv().now_or_never() {
                Some(Ok(message)) => batch.push(owned(&message)),
                // It will say so again if it lasts.
                Some(Err(_)) | None => break,
            }
        }
        self.heard = Instant::now();
        batch
    }

    /// Shows on Kafka how far the lane is, for its tools; nothing depends on it. Returns what is shown.
    pub(super) fn show(&self, next_offset: i64, shown: i64) -> i64 {
        let Some(consumer) = &self.consumer else {
            return shown;
        };
        if next_offset == shown {
            return shown;
        }
        let mut offsets = TopicPartitionList::new();
        let Partition { topic, number } = self.partition;
        let committed = offsets
            .add_partition_offset(topic, number, Offset::Offset(next_offset))
            .and_then(|()| consumer.commit(&offsets, CommitMode::Async));
        match committed {
            Ok(()) => next_offset,
            Err(error) => {
                tracing::debug!(topic, %error, "cannot show the lane's offset");
                metrics::counter!("webshop_lane_offset_commit_errors_total").increment(1);
                shown
            }
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        // Closing a consumer may wait for its brokers for many seconds: neither a thread of the runtime
        // nor the end of the process must wait with it.
        if let Some(consumer) = self.consumer.take() {
            drop(std::thread::spawn(move || drop(consumer)));
        }
    }
}

fn owned(message: &BorrowedMessage<'_>) -> Message {
    Message {
        offset: message.offset(),
        payload: message.payload().unwrap_or_default().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use protocol::saga::STOCK_COMMANDS;
    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::kafka::Record;

    async fn offsets(fetching: &mut Fetching, count: usize) -> Vec<i64> {
        let mut offsets = Vec::new();
        while offsets.len() < count {
            let batch = fetching.batch().await;
            offsets.extend(batch.iter().map(|message| message.offset));
        }
        offsets
    }

    #[tokio::test]
    async fn a_silent_consumer_is_made_anew_where_the_lane_stands() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(STOCK_COMMANDS, 1, 1).unwrap();
        let kafka = Kafka::to(&cluster.bootstrap_servers()).unwrap();
        let record = |key| Record {
            instead: None,
            topic: STOCK_COMMANDS,
            key,
            payload: vec![0],
        };
        let records: Vec<Record> = (0..3).map(record).collect();
        kafka.producer.send_all(&records).await.unwrap();
        let spec = LaneSpec::new(STOCK_COMMANDS, "stock", "stock.1");

        let mut fetching = Fetching::start(&kafka, &spec, 0).unwrap();
        assert_eq!(offsets(&mut fetching, 3).await, [0, 1, 2]);
        fetching.renew_if_silent(&kafka, &spec, 1).unwrap();
        let more = tokio::time::timeout(Duration::from_millis(300), fetching.batch());
        more.await.expect_err("it was heard of a moment ago");

        fetching.heard = Instant::now().checked_sub(SILENCE_MAX).unwrap();
        fetching.renew_if_silent(&kafka, &spec, 1).unwrap();
        assert_eq!(offsets(&mut fetching, 2).await, [1, 2]);
    }
}

//! Publishing: many records together, and one answer for all of them.

use std::{
    slice,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use planted::Bug;
use rdkafka::{
    ClientConfig, ClientContext,
    error::{KafkaError, KafkaResult},
    producer::{BaseProducer, BaseRecord, DeliveryResult, ProducerContext},
    types::RDKafkaErrorCode,
};
use tokio::sync::oneshot;

use super::{Record, client};

/// After this, an unacknowledged record is reported as failed and is published anew by the caller, through a new
/// client: well within a checkout's deadline, and longer than many records take over a link of 1 Mbit/s.
const DELIVERY_TIMEOUT_MS: &str = "10000";
/// How often the thread that hears of deliveries looks whether its producer is still wanted. The client asks
/// without waiting in the last millisecond of each such time, so it must not be short.
const WANTED_EVERY: Duration = Duration::from_secs(1);

/// Why records are not known to be on Kafka. Some of them may be: publishing again is always right.
#[derive(Debug, thiserror::Error)]
#[error("publish to Kafka: {0}")]
pub struct PublishError(#[from] KafkaError);

impl PublishError {
    /// Whether a record is larger than its broker, or the client itself, takes: it would fail again for ever.
    fn is_too_large(&self) -> bool {
        let Self(KafkaError::MessageProduction(code)) = self else {
            return false;
        };
        matches!(
            code,
            RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize
        )
    }
}

/// Publishes with acks=all and idempotence. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    config: ClientConfig,
    inner: Arc<ArcSwap<BaseProducer<Deliveries>>>,
}

impl Producer {
    pub(super) fn new(brokers: &str) -> KafkaResult<Self> {
        let mut config = client(brokers);
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            // What goes together was put together by one transaction: just long enough to queue all of it.
            .set("linger.ms", "0.5")
            // Every record crosses the network four times, and after an outage many go together.
            .set("compression.type", "lz4")
            .set("request.timeout.ms", "3000")
            .set("message.timeout.ms", DELIVERY_TIMEOUT_MS)
            .set("queue.buffering.max.messages", "100000");
        let inner = Arc::new(ArcSwap::new(connect(&config)?));
        Ok(Self { config, inner })
    }

    /// Publishes all records, those of a topic in their order, and returns when every one is
    /// acknowledged by all in-sync replicas. For a record that is too large, its [`Record::instead`] is published;
    /// one without that is poison: it is logged, counted and left out.
    ///
    /// # Errors
    /// The first record that was not, once it is known of all of them.
    pub async fn send_all(&self, records: &[Record]) -> Result<(), PublishError> {
        match self.attempt(records).await {
            Err(error) if error.is_too_large() => self.one_by_one(records).await,
            sent => sent,
        }
    }

    /// Finds those that are too large: they fail alone.
    async fn one_by_one(&self, records: &[Record]) -> Result<(), PublishError> {
        for record in records {
            let mut fitting = Some(record);
            while let Some(record) = fitting {
                match self.attempt(slice::from_ref(record)).await {
                    Err(error) if error.is_too_large() => {
                        let bytes = record.payload.len();
                        let has_substitute = record.instead.is_some();
                        tracing::error!(
                            topic = record.topic,
                            key = record.key,
                            bytes,
                            has_substitute,
                            "a record is too large for the brokers"
                        );
                        metrics::counter!("webshop_poison_messages_total").increment(1);
                        fitting = record.instead.as_deref();
                    }
                    Err(error) => return Err(error),
                    Ok(()) => break,
                }
            }
        }
        Ok(())
    }

    async fn attempt(&self, records: &[Record]) -> Result<(), PublishError> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        let producer = self.inner.load_full();
        let (batch, ended) = Batch::new();
        for record in std::iter::repeat_n(records, copies()).flatten() {
            let key = record.key.to_string();
            let outgoing = BaseRecord::with_opaque_to(record.topic, batch.clone())
                .key(&key)
                .payload(&record.payload);
            if let Err((error, _)) = producer.send(outgoing) {
                batch.failed(error);
                break;
            }
        }
        drop(batch);
        match ended.await.unwrap_or(Some(KafkaError::Canceled)) {
            None => {
                let sent = u64::try_from(records.len()).unwrap_or(u64::MAX);
                metrics::counter!("webshop_published_total", "topic" => first.topic)
                    .increment(sent);
                Ok(())
            }
            Some(failure) => {
                metrics::counter!("webshop_publish_failures_total").increment(1);
                let error = PublishError::from(failure);
                if !error.is_too_large() {
                    self.replace(&producer);
                }
                Err(error)
            }
        }
    }

    /// A client that failed to deliver is not trusted again. It forgets every broker that an answer about the cluster
    /// leaves out (librdkafka 2.10 to 2.12, `rd_kafka_metadata_decommission_unavailable_brokers`). It begins anew from
    /// its bootstrap list when it counts all as down, but not always: one of them was seen to deliver nothing for 25
    /// minutes after all were left out, fenced by a controller that had hardly any processor time. An idempotent one
    /// that meets certain broker errors never works again either.
    fn replace(&self, failed: &Arc<BaseProducer<Deliveries>>) {
        if !Arc::ptr_eq(failed, &self.inner.load_full()) {
            return;
        }
        tracing::warn!("making a new producer");
        match connect(&self.config) {
            Ok(producer) => self.inner.store(producer),
            Err(error) => tracing::error!(%error, "cannot make a producer"),
        }
    }
}

/// A producer, with a thread of its own that hears of its deliveries for as long as somebody has it.
fn connect(config: &ClientConfig) -> KafkaResult<Arc<BaseProducer<Deliveries>>> {
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries)?;
    let producer = Arc::new(producer);
    let watched = Arc::downgrade(&producer);
    thread::Builder::new()
        .name("kafka-deliveries".to_owned())
        .spawn(move || while poll(&watched) {})
        .map_err(|error| KafkaError::ClientCreation(format!("no thread for it: {error}")))?;
    Ok(producer)
}

/// False: nobody wants the producer any more.
fn poll(producer: &Weak<BaseProducer<Deliveries>>) -> bool {
    let Some(producer) = producer.upgrade() else {
        return false;
    };
    producer.poll(WANTED_EVERY);
    true
}

/// What hears of deliveries.
struct Deliveries;

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, batch: Self::DeliveryOpaque) {
        if let Err((error, _)) = delivered {
            batch.failed(error.clone());
        }
    }
}

/// Records that were given to Kafka together. Each of them holds the batch until its delivery is decided, so that
/// the end of the batch itself says that all are.
struct Batch {
    failure: Mutex<Option<KafkaError>>,
    /// Taken at the end.
    told: Option<oneshot::Sender<Option<KafkaError>>>,
}

impl Batch {
    /// The batch, and what its end will tell: the first failure, where there was one.
    fn new() -> (Arc<Self>, oneshot::Receiver<Option<KafkaError>>) {
        let (told, ended) = oneshot::channel();
        let batch = Self {
            failure: Mutex::default(),
            told: Some(told),
        };
        (Arc::new(batch), ended)
    }

    fn failed(&self, error: KafkaError) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let failure = self.failure.get_mut();
        let failure = failure.unwrap_or_else(PoisonError::into_inner).take();
        let heard = self.told.take().map(|told| told.send(failure));
        if matches!(heard, Some(Err(_))) {
            tracing::debug!("nobody waits for these records any more");
        }
    }
}

/// How often each record is published: once, unless a planted bug tests that twice does no harm.
fn copies() -> usize {
    let twice = planted::is(Bug::PublishTwice)
        || planted::is(Bug::SkipStockDedup)
        || planted::is(Bug::SkipPaymentDedup);
    if twice { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use protocol::saga::{ORDER_REPLIES, STOCK_COMMANDS};
    use rdkafka::{
        Message as _, Offset, TopicPartitionList,
        consumer::{BaseConsumer, Consumer as _},
        mocking::MockCluster,
        producer::DefaultProducerContext,
        types::{RDKafkaApiKey, RDKafkaRespErr},
    };

    use super::*;

    const TOO_LARGE: usize = 2_000_000;

    fn record(topic: &'static str, payload: Vec<u8>) -> Record {
        Record {
            topic,
            key: 1,
            payload,
            instead: None,
        }
    }

    fn cluster() -> MockCluster<'static, DefaultProducerContext> {
        let cluster = MockCluster::new(1).unwrap();
        for topic in [STOCK_COMMANDS, ORDER_REPLIES] {
            cluster.create_topic(topic, 1, 1).unwrap();
        }
        cluster
    }

    /// The first `count` payloads of a topic, by their first bytes.
    fn published(brokers: &str, topic: &str, count: usize) -> Vec<u8> {
        let consumer: BaseConsumer = client(brokers).set("group.id", "test").create().unwrap();
        let mut assignment = TopicPartitionList::new();
        let from = assignment.add_partition_offset(topic, 0, Offset::Beginning);
        from.unwrap();
        consumer.assign(&assignment).unwrap();
        (0..count)
            .map(|_| {
                let message = consumer.poll(Duration::from_secs(10)).unwrap().unwrap();
                message.payload().unwrap()[0]
            })
            .collect()
    }

    #[tokio::test]
    async fn what_failed_is_published_by_another_client() {
        let cluster = cluster();
        let producer = Producer::new(&cluster.bootstrap_servers()).unwrap();
        let first = producer.inner.load_full();
        let small = [record(ORDER_REPLIES, vec![1])];
        producer.send_all(&small).await.unwrap();
        assert!(Arc::ptr_eq(&first, &producer.inner.load_full()));

        let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        cluster.request_errors(RDKafkaApiKey::Produce, &[refused]);
        producer.send_all(&small).await.unwrap_err();
        assert!(!Arc::ptr_eq(&first, &producer.inner.load_full()));
        producer.send_all(&small).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_too_large_is_replaced_and_holds_up_nothing() {
        let cluster = cluster();
        let brokers = cluster.bootstrap_servers();
        let producer = Producer::new(&brokers).unwrap();
        let first = producer.inner.load_full();
        let large = |payload| record(STOCK_COMMANDS, vec![payload; TOO_LARGE]);
        let records = [
            record(STOCK_COMMANDS, vec![1]),
            large(2).or_else(record(ORDER_REPLIES, vec![3])),
            large(4),
            record(STOCK_COMMANDS, vec![5]),
        ];
        let sent = tokio::time::timeout(Duration::from_secs(20), producer.send_all(&records));
        sent.await.expect("it is retried for ever").unwrap();
        // The first one went out before the second was found to be too large, and is published again.
        assert_eq!(published(&brokers, STOCK_COMMANDS, 3), [1, 1, 5]);
        assert_eq!(published(&brokers, ORDER_REPLIES, 1), [3]);
        assert!(Arc::ptr_eq(&first, &producer.inner.load_full()));
    }
}

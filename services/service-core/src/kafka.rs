//! Kafka: a producer that says when everything is acknowledged, topics, and a lane's consumer.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use planted::Bug;
use protocol::saga::TOPICS;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{Consumer as _, StreamConsumer},
    error::{KafkaError, KafkaResult},
    producer::{FutureProducer, FutureRecord, Producer as _},
    topic_partition_list::TopicPartitionList,
    types::RDKafkaErrorCode,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::config::Common;

/// After this, an unacknowledged record is reported as failed and is published anew by the caller.
const DELIVERY_TIMEOUT_MS: &str = "15000";
const TOPICS_RETRY: Duration = Duration::from_secs(1);

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub topic: &'static str,
    /// The saga's id: decides the partition, where a topic has many.
    pub key: i64,
    pub payload: Vec<u8>,
}

impl Record {
    /// A record of one JSON value.
    pub fn json<T: Serialize>(
        topic: &'static str,
        key: i64,
        value: &T,
    ) -> Result<Self, serde_json::Error> {
        let payload = serde_json::to_vec(value)?;
        Ok(Self {
            topic,
            key,
            payload,
        })
    }
}

/// Why records are not known to be on Kafka. Some of them may be: publishing again is always right.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("publish to Kafka: {0}")]
    Kafka(#[from] KafkaError),
    #[error("publish to Kafka: the producer was replaced")]
    Replaced,
}

/// A client of the brokers. Cheap to clone.
#[derive(Clone)]
pub struct Kafka {
    brokers: Arc<str>,
    pub producer: Producer,
}

impl Kafka {
    /// Needs no broker to be there yet.
    pub fn connect(config: &Common) -> KafkaResult<Self> {
        Self::to(&config.kafka_brokers)
    }

    /// A client of these brokers.
    pub fn to(brokers: &str) -> KafkaResult<Self> {
        Ok(Self {
            brokers: brokers.into(),
            producer: Producer::new(brokers)?,
        })
    }

    /// A consumer that is assigned one partition from one offset on; it joins no group. `group` only
    /// names where offsets are committed to, for tools that show lag.
    pub(crate) fn consumer(
        &self,
        group: &str,
        partition: &Partition,
        offset: i64,
    ) -> KafkaResult<StreamConsumer> {
        let consumer: StreamConsumer = client(&self.brokers)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A log that was lost or truncated starts anew; inboxes know what was done.
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "500")
            .set("fetch.error.backoff.ms", "100")
            .set("queued.max.messages.kbytes", "4096")
            // An answer must come within the socket's timeout, also over a link of 1 Mbit/s that others share.
            .set("max.partition.fetch.bytes", "32768")
            .create()?;
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(
            partition.topic,
            partition.number,
            rdkafka::Offset::Offset(offset),
        )?;
        consumer.assign(&assignment)?;
        Ok(consumer)
    }
}

/// A partition of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    pub topic: &'static str,
    pub number: i32,
}

/// Settings that every client has. A broker's address vanishes with its container, so setting a
/// connection up must fail fast.
fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("socket.connection.setup.timeout.ms", "1000")
        // What a killed broker was asked is never answered: without this it would be asked again only after its
        // partitions have long had new leaders.
        .set("socket.timeout.ms", "1500")
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set("topic.metadata.refresh.fast.interval.ms", "100")
        // Also how long the search for a new leader may pause: each step of a saga crosses two topics.
        .set("retry.backoff.ms", "50")
        .set("retry.backoff.max.ms", "200")
        .set("broker.address.ttl", "300")
        .set("log.connection.close", "false");
    config
}

/// Publishes with acks=all and idempotence. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    config: ClientConfig,
    inner: Arc<ArcSwap<FutureProducer>>,
}

impl Producer {
    fn new(brokers: &str) -> KafkaResult<Self> {
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
        let producer = config.create()?;
        Ok(Self {
            config,
            inner: Arc::new(ArcSwap::from_pointee(producer)),
        })
    }

    /// Publishes all records, those of a topic in their order, and returns when every one is
    /// acknowledged by all in-sync replicas.
    pub async fn send_all(&self, records: &[Record]) -> Result<(), PublishError> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        let producer = self.inner.load_full();
        let mut deliveries = Vec::with_capacity(records.len());
        let mut failure = None;
        for record in std::iter::repeat_n(records, copies()).flatten() {
            let key = record.key.to_string();
            let outgoing = FutureRecord::to(record.topic)
                .key(&key)
                .payload(&record.payload);
            match producer.send_result(outgoing) {
                Ok(delivery) => deliveries.push(delivery),
                Err((error, _)) => {
                    failure = Some(error.into());
                    break;
                }
            }
        }
        for delivery in deliveries {
            match delivery.await {
                Ok(Ok(_)) => {}
                Ok(Err((error, _))) => failure = Some(error.into()),
                Err(_cancelled) => failure = Some(PublishError::Replaced),
            }
        }
        match failure {
            None => {
                let sent = u64::try_from(records.len()).unwrap_or(u64::MAX);
                metrics::counter!("webshop_published_total", "topic" => first.topic)
                    .increment(sent);
                Ok(())
            }
            Some(failure) => {
                metrics::counter!("webshop_publish_failures_total").increment(1);
                self.replace_if_dead(&producer);
                Err(failure)
            }
        }
    }

    /// An idempotent producer that meets certain broker errors never works again.
    fn replace_if_dead(&self, failed: &Arc<FutureProducer>) {
        let Some((code, reason)) = failed.client().fatal_error() else {
            return;
        };
        if !Arc::ptr_eq(failed, &self.inner.load_full()) {
            return;
        }
        tracing::error!(%code, reason, "the producer is dead, making a new one");
        match self.config.create() {
            Ok(producer) => self.inner.store(Arc::new(producer)),
            Err(error) => tracing::error!(%error, "cannot make a producer"),
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

/// Creates the shop's topics where they are missing, however long the brokers take to appear.
pub async fn ensure_topics(config: Common, shutdown: CancellationToken) {
    let work = async {
        loop {
            match create_topics(&config).await {
                Ok(()) => return,
                Err(error) => tracing::info!(%error, "cannot create topics yet"),
            }
            tokio::time::sleep(TOPICS_RETRY).await;
        }
    };
    if shutdown.run_until_cancelled(work).await.is_some() {
        tracing::info!("all topics exist");
    }
}

async fn create_topics(config: &Common) -> KafkaResult<()> {
    let admin: AdminClient<DefaultClientContext> = client(&config.kafka_brokers).create()?;
    let in_sync_min = if config.topic_replication >= 3 {
        "2"
    } else {
        "1"
    };
    let topics: Vec<NewTopic<'_>> = TOPICS
        .iter()
        .map(|topic| {
            NewTopic::new(topic, 1, TopicReplication::Fixed(config.topic_replication))
                .set("min.insync.replicas", in_sync_min)
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(Duration::from_secs(5)))
        .operation_timeout(Some(Duration::from_secs(5)));
    for created in admin.create_topics(&topics, &options).await? {
        match created {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                tracing::info!(topic, %code, "cannot create the topic yet");
                return Err(KafkaError::AdminOp(code));
            }
        }
    }
    Ok(())
}

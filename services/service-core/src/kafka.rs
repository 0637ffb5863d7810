//! Kafka: a producer that says when everything is acknowledged, topics, and a lane's consumer.

mod producer;

use std::{sync::Arc, time::Duration};

use protocol::saga::TOPICS;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{Consumer as _, StreamConsumer},
    error::{KafkaError, KafkaResult},
    topic_partition_list::TopicPartitionList,
    types::RDKafkaErrorCode,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use self::producer::{Producer, PublishError};

use crate::config::Common;

const TOPICS_RETRY: Duration = Duration::from_secs(1);

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub topic: &'static str,
    /// The saga's id: decides the partition, where a topic has many.
    pub key: i64,
    pub payload: Vec<u8>,
    /// Published in its place, should it be too large for the brokers: it never gets any smaller.
    pub instead: Option<Box<Self>>,
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
            instead: None,
        })
    }

    /// The record with one that takes its place where it is too large.
    #[must_use]
    pub fn or_else(mut self, instead: Self) -> Self {
        self.instead = Some(Box::new(instead));
        self
    }
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

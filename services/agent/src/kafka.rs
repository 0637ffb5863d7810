//! Brokers, leaders, in-sync replicas and log ends.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use protocol::{
    agent::{Broker, Kafka, Partition},
    saga::TOPICS,
};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use crate::{error::Error, quorum};

const TIMEOUT: Duration = Duration::from_secs(3);

/// One client for as long as it gets answers: each costs several threads and connections, and one that lost sight of
/// all brokers may not find them again.
#[derive(Clone)]
pub struct Client {
    brokers: String,
    consumer: Arc<Mutex<Option<Arc<BaseConsumer>>>>,
}

impl Client {
    /// Connects at the first question.
    #[must_use]
    pub fn new(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            consumer: Arc::default(),
        }
    }

    /// Brokers, controller and every partition of the shop's topics.
    pub async fn describe(&self) -> Result<Kafka, Error> {
        let client = self.clone();
        let (controller, described) = tokio::join!(
            quorum::leader(&self.brokers),
            tokio::task::spawn_blocking(move || client.metadata())
        );
        let (brokers, mut partitions) = described??;
        let led = partitions
            .iter()
            .filter(|partition| partition.leader.is_some());
        let led = led.map(|partition| (partition.topic.clone(), partition.partition));
        let ends = self.ends_of(led.collect()).await?;
        for partition in &mut partitions {
            partition.log_end = ends
                .get(&(partition.topic.clone(), partition.partition))
                .copied();
        }
        Ok(Kafka {
            brokers,
            controller,
            partitions,
        })
    }

    /// How many records were ever appended to each of the shop's topics; an error where one cannot be read.
    pub async fn appended(&self) -> Result<BTreeMap<String, i64>, Error> {
        let client = self.clone();
        tokio::task::spawn_blocking(move || {
            let (_brokers, partitions) = client.metadata()?;
            let mut appended = BTreeMap::new();
            for Partition {
                topic, partition, ..
            } in partitions
            {
                let end = client.end(&topic, partition)?;
                *appended.entry(topic).or_default() += end;
            }
            Ok(appended)
        })
        .await?
    }

    /// The log end of each topic and partition that has one; one that cannot be read is left out.
    pub async fn ends_of(
        &self,
        wanted: Vec<(String, i32)>,
    ) -> Result<HashMap<(String, i32), i64>, Error> {
        let client = self.clone();
        let ends = tokio::task::spawn_blocking(move || {
            let wanted = wanted.into_iter();
            wanted
                .filter_map(|(topic, partition)| {
                    let end = client.end(&topic, partition).ok()?;
                    Some(((topic, partition), end))
                })
                .collect()
        });
        Ok(ends.await?)
    }

    fn end(&self, topic: &str, partition: i32) -> Result<i64, Error> {
        let (_start, end) = self.ask("cannot read where a log ends", |consumer| {
            consumer.fetch_watermarks(topic, partition, TIMEOUT)
        })?;
        Ok(end)
    }

    fn metadata(&self) -> Result<(Vec<Broker>, Vec<Partition>), Error> {
        let metadata = self.ask("cannot read the metadata", |consumer| {
            consumer.fetch_metadata(None, TIMEOUT)
        })?;
        let brokers = metadata
            .brokers()
            .iter()
            .map(|broker| Broker {
                broker_id: broker.id(),
                host: broker.host().to_owned(),
            })
            .collect();
        let partitions = metadata
            .topics()
            .iter()
            .filter(|topic| TOPICS.contains(&topic.name()))
            .flat_map(|topic| {
                topic.partitions().iter().map(|partition| Partition {
                    topic: topic.name().to_owned(),
                    partition: partition.id(),
                    leader: Some(partition.leader()).filter(|leader| *leader >= 0),
                    replicas: partition.replicas().to_vec(),
                    isr: partition.isr().to_vec(),
                    log_end: None,
                })
            })
            .collect();
        Ok((brokers, partitions))
    }

    /// Asks the brokers; where they do not answer, the next question gets a new client.
    fn ask<T>(
        &self,
        attempt: &'static str,
        question: impl FnOnce(&BaseConsumer) -> Result<T, KafkaError>,
    ) -> Result<T, Error> {
        let consumer = self.consumer()?;
        question(&consumer).map_err(|source| {
            self.forget(consumer);
            Error::Kafka { attempt, source }
        })
    }

    fn forget(&self, consumer: Arc<BaseConsumer>) {
        let mut current = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|current| Arc::ptr_eq(current, &consumer));
        drop(current);
        // Closing it may wait for its brokers.
        drop(std::thread::spawn(move || drop(consumer)));
    }

    fn consumer(&self) -> Result<Arc<BaseConsumer>, Error> {
        let mut current = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(consumer) = &*current {
            return Ok(Arc::clone(consumer));
        }
        let created: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "agent")
            .set("group.id", "agent")
            .set("enable.auto.commit", "false")
            .set("allow.auto.create.topics", "false")
            .set("socket.connection.setup.timeout.ms", "1000")
            .set("socket.timeout.ms", "3000")
            .set("reconnect.backoff.max.ms", "500")
            .create()
            .map_err(|source| Error::Kafka {
                attempt: "cannot create the client",
                source,
            })?;
        Ok(Arc::clone(current.insert(Arc::new(created))))
    }
}

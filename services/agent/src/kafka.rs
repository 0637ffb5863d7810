//! Brokers, leaders, in-sync replicas and log ends.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
    time::Duration,
};

use protocol::{
    agent::{Broker, Kafka, Partition},
    saga::TOPICS,
};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};

use crate::{error::Error, quorum};

const TIMEOUT: Duration = Duration::from_secs(3);

/// One client for the life of the agent process: each costs several threads and connections.
#[derive(Clone)]
pub struct Client {
    brokers: String,
    consumer: Arc<OnceLock<BaseConsumer>>,
}

impl Client {
    /// Connects at the first question.
    #[must_use]
    pub fn new(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            consumer: Arc::new(OnceLock::new()),
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
        let watermarks = self.consumer()?.fetch_watermarks(topic, partition, TIMEOUT);
        let (_start, end) = watermarks.map_err(|source| Error::Kafka {
            attempt: "cannot read where a log ends",
            source,
        })?;
        Ok(end)
    }

    fn metadata(&self) -> Result<(Vec<Broker>, Vec<Partition>), Error> {
        let metadata = self
            .consumer()?
            .fetch_metadata(None, TIMEOUT)
            .map_err(|source| Error::Kafka {
                attempt: "cannot read the metadata",
                source,
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

    fn consumer(&self) -> Result<&BaseConsumer, Error> {
        if let Some(consumer) = self.consumer.get() {
            return Ok(consumer);
        }
        let created = ClientConfig::new()
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
        Ok(self.consumer.get_or_init(|| created))
    }
}

//! Asks the agent inside the network. One exec serves many questions; when its container is replaced, the
//! next question finds the new one.

mod session;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bollard::query_parameters::ListContainersOptions;
use protocol::agent::{
    Cluster as Database, ClusterDigest, Counters, DirectRows, Kafka, Lanes, Op, Probe, Redis,
    Replication, Rows, ServiceReplica, Watermarks,
};
use serde::de::DeserializeOwned;
use tokio::{sync::Mutex, time::Instant};

use self::session::{Session, Told};
use crate::{
    cluster::Cluster,
    error::{Error, Result},
};

/// The Swarm service that the agents are.
pub(crate) const SERVICE: &str = "agent";
/// For questions that look at the present state: they answer in milliseconds or not at all.
const QUICK: Duration = Duration::from_secs(8);
/// For questions that read tables.
const LONG: Duration = Duration::from_secs(120);
/// Between two attempts to reach an agent whose container is being replaced.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// A handle on the stack's agent. Cheap to clone; connects at the first question.
#[derive(Debug, Clone)]
pub struct Agent {
    cluster: Cluster,
    session: Arc<Mutex<Option<Arc<Session>>>>,
}

impl Agent {
    /// The agent of this stack.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            session: Arc::default(),
        }
    }

    /// Whether an agent answers at all.
    pub async fn ping(&self) -> Result<()> {
        self.ask::<String>(&Op::Ping, QUICK).await.map(|_pong| ())
    }

    /// Every database node's own account.
    pub async fn databases(&self) -> Result<Vec<Database>> {
        self.ask(&Op::Databases, QUICK).await
    }

    /// Every primary's view of its standbys.
    pub async fn replication(&self) -> Result<Vec<Replication>> {
        self.ask(&Op::Replication, QUICK).await
    }

    /// Brokers, controller, partitions.
    pub async fn kafka(&self) -> Result<Kafka> {
        self.ask(&Op::Kafka, QUICK).await
    }

    /// How far the lanes and sagas are.
    pub async fn lanes(&self) -> Result<Lanes> {
        self.ask(&Op::Lanes, QUICK * 2).await
    }

    /// Every replica that DNS knows, and its health.
    pub async fn services(&self) -> Result<Vec<ServiceReplica>> {
        self.ask(&Op::Services, QUICK).await
    }

    /// Whether Redis answers.
    pub async fn redis(&self) -> Result<Redis> {
        self.ask(&Op::Redis, QUICK).await
    }

    /// Commits a replicated record on that database's primary.
    pub async fn probe_write(&self, database: &str) -> Result<Probe> {
        let cluster = database.to_owned();
        self.ask(&Op::ProbeWrite { cluster }, QUICK).await
    }

    /// Digests of every table on every node.
    pub async fn digests(&self) -> Result<Vec<ClusterDigest>> {
        self.ask(&Op::Digests, LONG).await
    }

    /// What every part of the stack has counted of its own work.
    pub async fn counters(&self) -> Result<Counters> {
        self.ask(&Op::Counters, QUICK).await
    }

    /// The direct writes that every primary holds, from that Unix microsecond on.
    pub async fn direct_rows(&self, since_us: i64) -> Result<Vec<DirectRows>> {
        self.ask(&Op::DirectRows { since_us }, LONG).await
    }

    /// Everything a verdict needs, in batches, as far as the ledgers go since `since`.
    pub async fn rows(&self, since: Option<Watermarks>) -> Result<Vec<Rows>> {
        self.perform(&Op::Snapshot { since }, LONG)
            .await?
            .iter()
            .map(|item| decode(item))
            .collect()
    }

    async fn ask<T: DeserializeOwned>(&self, op: &Op, limit: Duration) -> Result<T> {
        match self.perform(op, limit).await?.as_slice() {
            [only] => decode(only),
            other => Err(Error::Agent {
                reason: format!("{} answers where one was due", other.len()),
            }),
        }
    }

    /// Asks until there is an answer or the time is up. Asking twice does no harm: no question changes
    /// anything that matters.
    async fn perform(&self, op: &Op, limit: Duration) -> Result<Vec<String>> {
        let deadline = Instant::now() + limit;
        loop {
            let attempt = async {
                let session = self.session().await?;
                session.ask(op).await
            };
            let unreachable = match tokio::time::timeout_at(deadline, attempt).await {
                Ok(Ok(Told::Answer(items))) => return Ok(items),
                Ok(Ok(Told::Error(reason))) => return Err(Error::Agent { reason }),
                Ok(Ok(Told::Gone)) => Error::Agent {
                    reason: "its container went away".to_owned(),
                },
                Ok(Err(error)) => error,
                Err(_elapsed) => {
                    // It may hang: the next question gets an exec of its own.
                    self.session.lock().await.take();
                    return Err(Error::Agent {
                        reason: format!("no answer within {} s", limit.as_secs()),
                    });
                }
            };
            if Instant::now() + AGAIN_AFTER >= deadline {
                return Err(unreachable);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// The session that lives, or a new one.
    async fn session(&self) -> Result<Arc<Session>> {
        let mut held = self.session.lock().await;
        if let Some(session) = held.as_ref().filter(|session| session.lives()) {
            return Ok(Arc::clone(session));
        }
        let container = self.container().await?;
        let session = Arc::new(Session::open(&self.cluster, &container).await?);
        *held = Some(Arc::clone(&session));
        Ok(session)
    }

    /// A running container of the agent on the engine that we talk to.
    pub(crate) async fn container(&self) -> Result<String> {
        let name = self.cluster.stack.scoped(SERVICE);
        let filters = HashMap::from([
            (
                "label".to_owned(),
                vec![format!("com.docker.swarm.service.name={name}")],
            ),
            ("status".to_owned(), vec!["running".to_owned()]),
        ]);
        let options = ListContainersOptions {
            filters: Some(filters),
            ..ListContainersOptions::default()
        };
        self.cluster
            .engine
            .docker()
            .list_containers(Some(options))
            .await
            .map_err(|error| Error::docker("look for the agent", error))?
            .into_iter()
            .find_map(|container| container.id)
            .ok_or_else(|| Error::Agent {
                reason: format!("no container of {name} is running on this engine"),
            })
    }
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Agent {
        reason: format!("an answer that this program does not know: {error}"),
    })
}

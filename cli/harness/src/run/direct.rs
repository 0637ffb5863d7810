//! Writers beside every database node, in its own network: they reach a node that nobody else reaches, and go on while it is
//! frozen. What it acknowledges to them, its successors must have.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::{container::LogOutput, query_parameters::InspectContainerOptions};
use checker::evidence::DirectWrite;
use futures_util::StreamExt as _;
use protocol::agent::DirectWrite as Acknowledged;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    agent::Agent,
    cluster::Cluster,
    error::{Error, Result},
    exec,
    fault::helper::{Beside, Helper},
    stack::{CLUSTER_LABEL, KIND_LABEL},
    tasks::{self, Running},
};

/// How soon a node's new container gets a new writer.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a writer may take to leave when it is told to.
const LEAVE_MAX: Duration = Duration::from_secs(3);

type Writes = Arc<Mutex<Vec<DirectWrite>>>;

/// The writers of a run.
#[derive(Debug)]
pub(super) struct DirectWriters {
    stop: CancellationToken,
    writes: Writes,
    keeping: JoinHandle<()>,
}

/// What every writer needs.
struct Keeping {
    cluster: Cluster,
    image: String,
    password: String,
    writes: Writes,
}

/// The writer beside one container.
struct Writer {
    container: String,
    helper: Helper,
    stop: CancellationToken,
    reading: JoinHandle<()>,
}

impl DirectWriters {
    /// Puts one beside every node of every database.
    ///
    /// # Errors
    /// The engine refused, or there is no agent to take image and password from.
    pub(super) async fn start(cluster: &Cluster, agent: &Agent) -> Result<Self> {
        let container = agent.container().await?;
        let failed = |error| Error::docker("look at the agent", error);
        let docker = cluster.engine.docker();
        let inspected = docker
            .inspect_container(&container, None::<InspectContainerOptions>)
            .await
            .map_err(failed)?;
        let command = ["cat", "/run/secrets/db_password"];
        let (there, password) = exec::output(cluster, &container, &command, &[])
            .await
            .map_err(failed)?;
        if !there {
            return Err(Error::Agent {
                reason: format!("no password for the databases: {}", password.trim()),
            });
        }
        let writes = Writes::default();
        let keeping = Keeping {
            cluster: cluster.clone(),
            image: inspected.image.unwrap_or_default(),
            password: password.trim().to_owned(),
            writes: Arc::clone(&writes),
        };
        let mut writers = BTreeMap::new();
        if let Err(error) = keeping.follow(&mut writers).await {
            keeping.end_all(writers).await;
            return Err(error);
        }
        let stop = CancellationToken::new();
        let keeping = tokio::spawn(keeping.keep(writers, stop.clone()));
        Ok(Self {
            stop,
            writes,
            keeping,
        })
    }

    /// Ends them all and gives what was acknowledged.
    ///
    /// # Errors
    /// The keeping broke off, so that nobody knows what was missed.
    pub(super) async fn finish(self) -> Result<Vec<DirectWrite>> {
        self.stop.cancel();
        self.keeping.await.map_err(|error| Error::Agent {
            reason: format!("the direct writers broke off: {error}"),
        })?;
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *writes))
    }
}

impl Keeping {
    async fn keep(self, mut writers: BTreeMap<String, Writer>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            // A container may go while it is looked at; the next look finds its successor.
            if let Err(error) = self.follow(&mut writers).await {
                tracing::debug!(%error, "a node has no direct writer for now");
            }
        }
        self.end_all(writers).await;
    }

    async fn end_all(&self, writers: BTreeMap<String, Writer>) {
        let all = writers.into_values().map(|writer| self.end(writer));
        futures_util::future::join_all(all).await;
    }

    /// Moves the writers to where their nodes are now.
    async fn follow(&self, writers: &mut BTreeMap<String, Writer>) -> Result<()> {
        let found = tasks::tasks(&self.cluster).await?;
        for task in &found.running {
            let labels = &found.services[&task.service];
            if labels.get(KIND_LABEL).map(String::as_str) != Some("database") {
                continue;
            }
            let placed = writers.get(&task.service);
            if placed.is_some_and(|writer| writer.container == task.container) {
                continue;
            }
            if let Some(old) = writers.remove(&task.service) {
                self.end(old).await;
            }
            let database = labels.get(CLUSTER_LABEL).cloned().unwrap_or_default();
            let writer = self.begin(task, database).await?;
            writers.insert(task.service.clone(), writer);
        }
        Ok(())
    }

    async fn begin(&self, task: &Running, database: String) -> Result<Writer> {
        let beside = Beside {
            fault: "direct writes",
            task: &task.name(),
            container: &task.container,
            undo: "true",
        };
        let helper = Helper::of_image(&self.cluster, &beside, &self.image).await?;
        let command = ["agent", "write", "--node", &task.service];
        let env = [format!("DB_PASSWORD={}", self.password)];
        let attached = match exec::attach(&self.cluster, helper.id(), &command, &env).await {
            Ok(attached) => attached,
            Err(error) => {
                helper.remove(&self.cluster).await?;
                return Err(Error::docker(format!("write to {}", task.name()), error));
            }
        };
        let stop = CancellationToken::new();
        let reading = tokio::spawn(read(
            attached,
            Arc::clone(&self.writes),
            database,
            task.service.clone(),
            stop.clone(),
        ));
        Ok(Writer {
            container: task.container.clone(),
            helper,
            stop,
            reading,
        })
    }

    async fn end(&self, writer: Writer) {
        writer.stop.cancel();
        if timeout(LEAVE_MAX, writer.reading).await.is_err() {
            tracing::debug!("a direct writer does not leave by itself");
        }
        if let Err(error) = writer.helper.remove(&self.cluster).await {
            self.cluster.events.warn(error.to_string());
        }
    }
}

/// Takes down what a writer prints until it leaves. It leaves when its input ends.
async fn read(
    attached: exec::Attached,
    writes: Writes,
    database: String,
    node: String,
    stop: CancellationToken,
) {
    let exec::Attached {
        mut output, input, ..
    } = attached;
    let mut input = Some(input);
    let mut pending = Vec::new();
    loop {
        let part = tokio::select! {
            part = output.next() => part,
            () = stop.cancelled(), if input.is_some() => {
                input = None;
                continue;
            }
        };
        let Some(Ok(part)) = part else { return };
        let LogOutput::StdOut { message } = part else {
            continue;
        };
        pending.extend_from_slice(&message);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            match serde_json::from_slice::<Acknowledged>(&line) {
                Ok(write) => {
                    let mut writes = writes.lock().unwrap_or_else(PoisonError::into_inner);
                    writes.push(DirectWrite {
                        database: database.clone(),
                        node: node.clone(),
                        timeline: write.timeline,
                        sent_us: write.sent_us,
                        acked_us: write.acked_us,
                    });
                }
                Err(error) => tracing::debug!(%error, node, "not the line of a direct writer"),
            }
        }
    }
}

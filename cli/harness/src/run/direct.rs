//! Writers beside every database node, in its own network: they reach a node that nobody else reaches, and go on while it is
//! frozen. What it acknowledges to them, its successors must have.

mod coverage;
mod heard;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bollard::{container::LogOutput, query_parameters::InspectContainerOptions};
use checker::evidence::{DirectWrites, GapCause};
use futures_util::{StreamExt as _, future::join_all};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{
    coverage::{Coverage, Gap, Sight},
    heard::{Heard, Speaker},
};
use crate::{
    agent::Agent,
    cluster::Cluster,
    error::{Error, Result},
    exec,
    fault::helper::{Beside, DIRECT_WRITES, Helper},
    recorder::Clock,
    stack::{CLUSTER_LABEL, KIND_LABEL},
    tasks::{self, Running, Tasks},
};

/// How soon a node's new container gets a new writer.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a writer may take to leave when it is told to.
const LEAVE_MAX: Duration = Duration::from_secs(3);

/// How long a writer may say nothing before it is begun again. It speaks every three seconds at the least.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// The longest line that can be a writer's, in bytes.
const LINE_MAX: usize = 4096;

type Listening = Arc<Mutex<Heard>>;

/// The writers of a run.
#[derive(Debug)]
pub(super) struct DirectWriters {
    stop: CancellationToken,
    heard: Listening,
    keeping: JoinHandle<Vec<(String, Gap)>>,
}

/// What every writer needs, and how well each node is written to.
struct Keeping {
    cluster: Cluster,
    image: String,
    password: String,
    heard: Listening,
    writers: BTreeMap<String, Writer>,
    coverage: BTreeMap<String, Coverage>,
}

/// The writer beside one container.
struct Writer {
    container: String,
    begun_at: Instant,
    helper: Helper,
    stop: CancellationToken,
    reading: JoinHandle<()>,
}

fn locked(heard: &Listening) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
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
        let heard = Listening::default();
        let mut keeping = Keeping {
            cluster: cluster.clone(),
            image: inspected.image.unwrap_or_default(),
            password: password.trim().to_owned(),
            heard: Arc::clone(&heard),
            writers: BTreeMap::new(),
            coverage: BTreeMap::new(),
        };
        let tasks = tasks::tasks(cluster).await?;
        let refused = keeping.follow(&tasks).await;
        if let Some((_, error)) = refused.into_iter().next() {
            keeping.end_all().await;
            return Err(error);
        }
        let stop = CancellationToken::new();
        let keeping = tokio::spawn(keeping.keep(stop.clone()));
        Ok(Self {
            stop,
            heard,
            keeping,
        })
    }

    /// Ends them all and gives what was acknowledged, and when nobody listened. Times are told by the run's `clock`.
    ///
    /// # Errors
    /// The keeping broke off, so that nobody knows what was missed.
    pub(super) async fn finish(self, clock: &Clock) -> Result<DirectWrites> {
        self.stop.cancel();
        let gaps = self.keeping.await.map_err(|error| Error::Agent {
            reason: format!("the direct writers broke off: {error}"),
        })?;
        Ok(locked(&self.heard).evidence(gaps, clock))
    }
}

/// The containers of the database nodes that run.
fn nodes(tasks: &Tasks) -> impl Iterator<Item = &Running> {
    let is_node = |task: &&Running| {
        let labels = tasks.services.get(&task.service);
        let kind = labels.and_then(|labels| labels.get(KIND_LABEL));
        kind.is_some_and(|kind| kind == "database")
    };
    tasks.running.iter().filter(is_node)
}

impl Keeping {
    async fn keep(mut self, stop: CancellationToken) -> Vec<(String, Gap)> {
        let ended_at = loop {
            let found_at = Instant::now();
            let found = tasks::tasks(&self.cluster).await;
            // What cannot be done now is tried again at the next look; what is missed until then is told by the coverage.
            match found {
                Ok(tasks) => {
                    let refused = self.follow(&tasks).await;
                    self.see(&tasks, found_at, &refused);
                }
                Err(error) => self.see_nothing(&error.to_string()),
            }
            tokio::select! {
                () = stop.cancelled() => break Instant::now(),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        };
        self.end_all().await;
        let ended = std::mem::take(&mut self.coverage).into_iter();
        ended
            .flat_map(|(node, coverage)| {
                let gaps = coverage.end(ended_at).into_iter();
                gaps.map(move |gap| (node.clone(), gap))
            })
            .collect()
    }

    async fn end_all(&mut self) {
        let all = std::mem::take(&mut self.writers).into_values();
        join_all(all.map(|writer| self.end(writer))).await;
    }

    /// Takes down who is there, and who was heard.
    fn see(&mut self, tasks: &Tasks, found_at: Instant, refused: &[(String, Error)]) {
        let now = Instant::now();
        for task in nodes(tasks) {
            let why = refused.iter().find(|(node, _)| *node == task.service);
            let cause = why.map_or(GapCause::Silent, |(_, error)| {
                GapCause::NotPlaced(error.to_string())
            });
            let sight = Sight::There {
                container: task.container.clone(),
                found_at,
                heard_at: locked(&self.heard).last_at(&task.service),
                cause,
            };
            let coverage = self.coverage.entry(task.service.clone()).or_default();
            coverage.see(now, sight);
        }
        for (node, coverage) in &mut self.coverage {
            if !nodes(tasks).any(|task| task.service == *node) {
                coverage.see(now, Sight::Away { found_at });
            }
        }
    }

    /// The engine did not say who is there: who is heard must be.
    fn see_nothing(&mut self, why: &str) {
        let now = Instant::now();
        for (node, coverage) in &mut self.coverage {
            let sight = Sight::There {
                container: coverage.container().to_owned(),
                found_at: now,
                heard_at: locked(&self.heard).last_at(node),
                cause: GapCause::NotFollowed(why.to_owned()),
            };
            coverage.see(now, sight);
        }
    }

    /// Whether a task has a writer that works.
    fn is_served(&self, task: &Running) -> bool {
        let Some(writer) = self.writers.get(&task.service) else {
            return false;
        };
        let heard_at = locked(&self.heard).last_at(&task.service);
        let silent = heard_at.map_or(writer.begun_at, |at| at.max(writer.begun_at));
        writer.container == task.container
            && !writer.reading.is_finished()
            && silent.elapsed() <= SILENT_MAX
    }

    /// Moves the writers to where their nodes are now, and begins those again that broke off. Gives the nodes that could
    /// not have one, and why: a container may go while it is looked at.
    async fn follow(&mut self, tasks: &Tasks) -> Vec<(String, Error)> {
        let unserved: Vec<&Running> = nodes(tasks).filter(|task| !self.is_served(task)).collect();
        let old = unserved
            .iter()
            .filter_map(|task| self.writers.remove(&task.service));
        let old: Vec<Writer> = old.collect();
        join_all(old.into_iter().map(|writer| self.end(writer))).await;
        let begun = unserved.into_iter().map(async |task| {
            let labels = &tasks.services[&task.service];
            let database = labels.get(CLUSTER_LABEL).cloned().unwrap_or_default();
            (task.service.clone(), self.begin(task, database).await)
        });
        let mut refused = Vec::new();
        for (node, begun) in join_all(begun).await {
            match begun {
                Ok(writer) => drop(self.writers.insert(node, writer)),
                Err(error) => refused.push((node, error)),
            }
        }
        refused
    }

    async fn begin(&self, task: &Running, database: String) -> Result<Writer> {
        let beside = Beside {
            fault: DIRECT_WRITES,
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
        let speaker = Speaker {
            database,
            node: task.service.clone(),
            boot: None,
        };
        let heard = Arc::clone(&self.heard);
        let reading = tokio::spawn(read(attached, heard, speaker, stop.clone()));
        Ok(Writer {
            container: task.container.clone(),
            begun_at: Instant::now(),
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

/// Takes down what a writer prints until it leaves. It leaves when its input ends. A stream that breaks off ends this too,
/// and the next look begins another.
async fn read(
    attached: exec::Attached,
    heard: Listening,
    mut speaker: Speaker,
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
        let Some(Ok(part)) = part else { break };
        let LogOutput::StdOut { message } = part else {
            continue;
        };
        pending.extend_from_slice(&message);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            locked(&heard).take(&mut speaker, &line);
        }
        if pending.len() > LINE_MAX {
            locked(&heard).take(&mut speaker, &pending);
            pending.clear();
        }
    }
    // One that was told to leave may do so in the middle of a line.
    if !pending.is_empty() && !stop.is_cancelled() {
        locked(&heard).take(&mut speaker, &pending);
    }
}

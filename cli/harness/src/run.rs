//! One run: data, load, faults in the middle of it, everything recorded.

mod direct;
mod health;
pub mod plan;
mod preview;
pub mod recorded;
mod timeline;
mod told;
pub mod verify;

use std::{path::Path, sync::Arc, time::Duration};

use bollard::query_parameters::InspectNetworkOptions;
use checker::{Budgets, Evidence};
use futures_util::future::LocalBoxFuture;
use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;

use self::{
    direct::DirectWriters,
    plan::{BaselinePlan, FaultPlan, LoadPlan, Plan, SettlePlan, StackMark, StepPlan},
    timeline::Timeline,
};
use crate::{
    agent::Agent,
    bench::{Reading, work::Work},
    cluster::Cluster,
    error::{Error, Result},
    event::Event,
    fault::{self, Deaths, Observer},
    load::{Client, Figures, Generator, Offered, Stats, workload::Workload},
    lock::{self, Holder, Lock},
    recorder::{Recorder, unix_ms},
    rundir::{RunDir, SCENARIO},
    scenario::Scenario,
    settle::{self, settle},
    snapshot,
    stack::{GATEWAY, NETWORK, last_run, overview::Overview},
    target::Victim,
    tasks::tasks,
};

pub use preview::{Preview, preview};

/// How long the stack may take to be whole and at rest before a run begins.
const READY_MAX: Duration = Duration::from_secs(90);
/// How much longer than planned the load goes on where a fault has not healed by then.
pub const OVERTIME_MAX: Duration = Duration::from_secs(90);
/// How long it goes on after the last fault healed: a verdict wants to see the shop serve again.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// For calls that are not load: the preparation of data, the reads across the API.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What a run is to do, wherever it came from: a scenario file or the options of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub name: String,
    /// As a person typed it, or might have: for people to recognize, not to repeat.
    pub command: String,
    pub seed: u64,
    /// `None`: faults without load.
    pub load: Option<LoadPlan>,
    /// Whether every database node is written to straight all the time.
    pub direct_writes: bool,
    pub baseline: Option<BaselinePlan>,
    pub steps: Vec<StepPlan>,
    pub settle: SettlePlan,
    pub budgets: Budgets,
    /// What all of this was made of: kept beside the run, to repeat it.
    pub scenario: Scenario,
}

/// A run that is about to begin.
#[derive(Debug)]
pub struct Prepared {
    cluster: Cluster,
    agent: Agent,
    client: Client,
    plan: Plan,
    /// The YAML of its scenario.
    scenario: String,
    /// What each fault would hit if it were injected now.
    victims: Vec<Vec<Victim>>,
    metered: bool,
}

/// What a run left.
#[derive(Debug)]
pub struct Report {
    pub dir: RunDir,
    pub evidence: Evidence,
    /// `None`: there was no load.
    pub load: Option<(Offered, Figures)>,
    /// What the load took; `None` where nobody asked, or where a part of the stack could not be asked.
    pub work: Option<Work>,
}

/// A client of the stack's gateway.
///
/// # Errors
/// The gateway publishes no port.
pub async fn client(cluster: &Cluster, overview: &Overview, timeout: Duration) -> Result<Client> {
    let url = overview.nearest_url(cluster).await;
    let url = url.ok_or_else(|| Error::NoTarget {
        target: GATEWAY.to_owned(),
        reason: "it publishes no port".to_owned(),
    })?;
    Client::new(&url, timeout)
}

/// Which stack this is.
///
/// # Errors
/// The engine does not answer.
pub async fn mark(cluster: &Cluster, overview: &Overview) -> Result<StackMark> {
    let network = cluster.stack.scoped(NETWORK);
    let found = cluster
        .engine
        .docker()
        .inspect_network(&network, None::<InspectNetworkOptions>)
        .await
        .map_err(|error| Error::docker(format!("find the network {network}"), error))?;
    Ok(StackMark {
        name: cluster.stack.to_string(),
        id: found.id.unwrap_or_default(),
        images: overview
            .services
            .iter()
            .map(|service| (service.name.clone(), service.image.clone()))
            .collect(),
    })
}

/// Checks that the run can begin: the stack is there, and every target means something.
///
/// # Errors
/// [`Error::NoStack`], [`Error::NoFailpoints`], or a target that cannot be resolved.
pub fn prepare(cluster: &Cluster, shape: Shape) -> LocalBoxFuture<'_, Result<Prepared>> {
    Box::pin(check(cluster, shape))
}

async fn check(cluster: &Cluster, shape: Shape) -> Result<Prepared> {
    let overview = Overview::of_deployed(cluster).await?;
    let stack = mark(cluster, &overview).await?;
    let timeout = shape
        .load
        .as_ref()
        .map_or(CALL_TIMEOUT, |load| load.profile.request_timeout());
    let client = client(cluster, &overview, timeout).await?;
    let agent = Agent::new(cluster);
    let scenario = shape.scenario.clone().on(&overview).to_yaml()?;
    let mut plan = Plan::new(shape, stack);
    plan.settle = plan.settle.beside(overview.checkout_deadline());
    if plan.needs_failpoints() && !overview.has_failpoints() {
        return Err(Error::NoFailpoints {
            stack: cluster.stack.to_string(),
        });
    }
    let mut victims = Vec::new();
    for fault in plan.faults() {
        let hits = fault::resolve(cluster, &agent, fault).await?;
        fault::require(cluster, &fault.action, &hits).await?;
        victims.push(hits.victims);
    }
    let names = |victims: &Vec<Victim>| victims.iter().map(|victim| victim.task.name()).collect();
    plan.targets = victims.iter().map(names).collect();
    plan.nodes = tasks(cluster).await?.database_nodes();
    Ok(Prepared {
        cluster: cluster.clone(),
        agent,
        client,
        plan,
        scenario,
        victims,
        metered: false,
    })
}

impl Prepared {
    /// The same, and what the load takes is read.
    #[must_use]
    pub fn metered(self) -> Self {
        Self {
            metered: true,
            ..self
        }
    }

    /// Each fault of the plan, and what it would hit if it were injected now.
    pub fn faults(&self) -> impl Iterator<Item = (&FaultPlan, &[Victim])> {
        self.plan
            .faults()
            .zip(self.victims.iter().map(Vec::as_slice))
    }

    /// Runs it and leaves a directory in `runs`. When it is interrupted, what was recorded stays readable.
    ///
    /// # Errors
    /// [`Error::Locked`], or the stack could not do what was asked.
    pub fn run(self, runs: &Path) -> LocalBoxFuture<'_, Result<Report>> {
        Box::pin(self.run_locked(runs))
    }

    async fn run_locked(mut self, runs: &Path) -> Result<Report> {
        let lock_path = lock::path(&self.plan.stack.id)?;
        let holder = Holder {
            pid: std::process::id(),
            doing: self.plan.command.clone(),
        };
        // Refused before a directory is made.
        let held = Lock::take(&lock_path, &self.plan.stack.name, &holder)?;
        let dir = RunDir::create(runs, &self.plan.name, unix_ms() / 1000)?;
        self.plan.run = dir.name();
        dir.write_plan(&self.plan)?;
        dir.write_text(SCENARIO, &self.scenario)?;
        last_run::keep(&self.cluster, &self.plan.run).await?;
        self.cluster
            .events
            .note(format!("run {}", dir.path().display()));
        self.make_ready(&dir, &held).await?;
        self.record(dir).await
    }

    /// Waits for a healthy stack, prepares the data, and reads what is there before the load.
    async fn make_ready(&self, dir: &RunDir, held: &Lock) -> Result<()> {
        self.cluster.events.emit(Event::Phase {
            name: "preparation".to_owned(),
        });
        self.wait_ready(held).await?;
        if let Some(load) = &self.plan.load {
            self.cluster.events.note(format!(
                "preparing {} orders, {} users, {} items",
                load.data.sizes.orders, load.data.sizes.users, load.data.sizes.items
            ));
            let run = &self.plan.run;
            tokio::select! {
                () = self.cluster.cancel.cancelled() => return Err(Error::Interrupted),
                prepared = load.data.prepare(&self.client, run) => prepared?,
            }
            self.wait_ready(held).await?;
        }
        let initial = tokio::select! {
            () = self.cluster.cancel.cancelled() => return Err(Error::Interrupted),
            initial = snapshot::initial(&self.agent, &self.plan.run) => initial?,
        };
        dir.write_initial(&initial)
    }

    async fn wait_ready(&self, held: &Lock) -> Result<()> {
        let load = settle::Load::not_begun(held);
        let settled = settle(&self.cluster, &self.agent, load, READY_MAX).await?;
        if settled.is_healthy() && settled.quiescent {
            return Ok(());
        }
        Err(Error::Timeout {
            what: "a healthy stack at rest to begin with".to_owned(),
            waited: READY_MAX,
            last: settled.missing.join("; "),
        })
    }

    async fn record(self, dir: RunDir) -> Result<Report> {
        // Both before the load: they may fail, and nothing runs yet that would have to be stopped then.
        let before = self.meters().await?;
        let writers = self.start_direct_writers().await?;
        let seed = self.plan.load.as_ref().map(|_| self.plan.seed);
        let (recorder, writing) = Recorder::start(
            &dir.history_path(),
            &dir.events_path(),
            &self.plan.run,
            seed,
        )?;
        let stop = self.cluster.cancel.child_token();
        let deaths = Deaths::default();
        let listening = tokio::spawn(deaths.clone().listen(
            self.cluster.clone(),
            recorder.clone(),
            stop.clone(),
        ));
        let stats = Arc::new(Stats::default());
        let (end_sender, end) = watch::channel(Duration::MAX);
        let load = self.start_load(&dir, &recorder, &stats, end, &stop);
        let timeline = Timeline {
            plan: &self.plan,
            observer: Observer {
                cluster: self.cluster.clone(),
                agent: self.agent.clone(),
                client: self.client.clone(),
                recorder: recorder.clone(),
                deaths,
            },
            stats: Arc::clone(&stats),
            end: end_sender,
            stop: stop.clone(),
        };
        recorder.event("phase", "load", "begins").await;
        let mut evidence = timeline.play().await;
        let offered = match load {
            Some(load) => noted(flat(load.await), "the load broke off", &mut evidence),
            None => None,
        };
        let after = noted(self.meters().await, "the meters", &mut evidence).flatten();
        if let Some(writers) = writers {
            let writes = writers.finish(&recorder.clock()).await;
            evidence.direct_writes = noted(writes, "the direct writers", &mut evidence);
        }
        noted(self.heal().await, "healing", &mut evidence);
        let interrupted = self.cluster.cancel.is_cancelled();
        let how = if interrupted { "interrupted" } else { "ended" };
        recorder.event("phase", "load", how).await;
        // A history without an end proves nothing by what is absent from it, and passes for nothing.
        if !interrupted {
            recorder.end().await;
        }
        stop.cancel();
        drop(recorder);
        noted(listening.await, "listening broke off", &mut evidence);
        noted(writing.finish().await, "the recording", &mut evidence);
        dir.write_evidence(&evidence)?;
        if interrupted {
            recorded::report_as_far_as_it_came(&self.cluster, &dir);
            return Err(Error::Interrupted);
        }
        let figures = stats.figures();
        let meters = before.zip(after);
        let work = meters.map(|(before, after)| after.since(&before, &figures));
        Ok(Report {
            dir,
            evidence,
            load: offered.map(|offered| (offered, figures)),
            work,
        })
    }
}

impl Prepared {
    /// Ends what the faults have left, even after an interruption.
    async fn heal(&self) -> Result<()> {
        for healed in fault::clear(&self.cluster).await? {
            self.cluster.events.note(healed);
        }
        Ok(())
    }

    async fn meters(&self) -> Result<Option<Reading>> {
        if !self.metered {
            return Ok(None);
        }
        Ok(Some(Reading::take(&self.cluster, &self.agent).await?))
    }

    async fn start_direct_writers(&self) -> Result<Option<DirectWriters>> {
        if !self.plan.direct_writes {
            return Ok(None);
        }
        let writers = DirectWriters::start(&self.cluster, &self.agent).await?;
        Ok(Some(writers))
    }

    /// Begins to send; nothing where the plan has no load.
    fn start_load(
        &self,
        dir: &RunDir,
        recorder: &Recorder,
        stats: &Arc<Stats>,
        end: watch::Receiver<Duration>,
        stop: &CancellationToken,
    ) -> Option<JoinHandle<Result<Offered>>> {
        let LoadPlan { profile, data, .. } = self.plan.load.as_ref()?;
        let generator = Generator {
            profile: profile.clone(),
            workload: Workload::new(profile.seed, profile.mix.clone(), data.sizes),
            client: self.client.clone(),
            recorder: recorder.clone(),
            stats: Arc::clone(stats),
            run: dir.name(),
        };
        Some(generator.start(end, stop.clone()))
    }
}

/// What came of a task, or how it failed.
fn flat<T>(ended: std::result::Result<Result<T>, JoinError>) -> std::result::Result<T, String> {
    let ended = ended.map_err(|panic| panic.to_string())?;
    ended.map_err(|error| error.to_string())
}

/// What came of something that must not fail; a failure goes to the evidence.
fn noted<T, E: std::fmt::Display>(
    result: std::result::Result<T, E>,
    what: &str,
    evidence: &mut Evidence,
) -> Option<T> {
    let failed = |error: E| evidence.harness_errors.push(format!("{what}: {error}"));
    result.map_err(failed).ok()
}

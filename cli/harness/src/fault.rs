//! Faults: injected by the engine, proved by what is seen afterwards, and healed.

pub mod action;
mod container;
mod disk;
mod ending;
mod failpoint;
mod heal;
pub(crate) mod helper;
pub(crate) mod hold;
mod keeper;
pub mod limit;
mod network;
mod now;
mod observe;
mod proof;
mod tenure;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use bollard::query_parameters::{InspectContainerOptions, ListNodesOptions};
use checker::evidence::FaultEvidence;
use futures_util::future::try_join_all;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::time::Instant;

use crate::{
    agent::Agent,
    cluster::Cluster,
    error::{Error, Result},
    recorder::Recorder,
    run::plan::FaultPlan,
    stack::NETWORK,
    target::{Target, Victim, World},
    tasks,
};

use action::{Action, Count, Hold};
use hold::OnTask;

pub use heal::{clear, present};
pub(crate) use heal::{present_in_a_run, remains};
pub use keeper::{Keeper, Told};
pub use observe::{Deaths, Observer, Seen, Tracked};
pub use proof::Proof;

/// Two primaries of one database must be seen for this long: nodes are not asked at one instant. What is just
/// being started again gets as long to be there.
const SPLIT_BRAIN_LASTS: Duration = Duration::from_secs(2);
/// Between two such looks.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// What the stack says of itself now.
///
/// # Errors
/// The engine or the agent does not answer.
pub async fn world(cluster: &Cluster, agent: &Agent) -> Result<World> {
    let (nodes, kafka, hosts) = tokio::join!(nodes(cluster, agent), agent.kafka(), hosts(cluster));
    Ok(World {
        // A stack without Kafka's answer still has its other targets.
        kafka: kafka.ok(),
        hosts: hosts?,
        ..nodes?
    })
}

/// The tasks and the database nodes alone: what can be asked often.
async fn nodes(cluster: &Cluster, agent: &Agent) -> Result<World> {
    let (tasks, databases) = tokio::join!(tasks::tasks(cluster), agent.databases());
    let tasks = tasks?;
    Ok(World {
        services: tasks.services,
        tasks: tasks.running,
        databases: databases?,
        ..World::default()
    })
}

/// The nodes of the Swarm: their names by their ids.
async fn hosts(cluster: &Cluster) -> Result<BTreeMap<String, String>> {
    let nodes = cluster
        .engine
        .docker()
        .list_nodes(None::<ListNodesOptions>)
        .await
        .map_err(|error| Error::docker("list the Swarm's nodes", error))?;
    Ok(nodes
        .into_iter()
        .filter_map(|node| Some((node.id?, node.description?.hostname?)))
        .collect())
}

/// Whom a fault hits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    pub victims: Vec<Victim>,
    /// The other side of a partition.
    pub others: Vec<Victim>,
}

/// Finds the tasks that a fault is to hit, as the stack is now.
///
/// # Errors
/// As [`World::resolve`]; two primaries only if they last.
pub async fn resolve(cluster: &Cluster, agent: &Agent, plan: &FaultPlan) -> Result<Hits> {
    let (target, count) = plan.action.aim();
    let victims = choose(
        find(cluster, agent, &target).await?,
        &target,
        count,
        plan.seed,
    )?;
    let others = match &plan.action {
        Action::Hold {
            hold: Hold::Partition { with, .. },
            ..
        } => {
            let Ok(with) = with.parse::<Target>();
            find(cluster, agent, &with).await?
        }
        Action::Hold { .. } | Action::End { .. } | Action::Crash { .. } => Vec::new(),
    };
    let others = others.into_iter().filter(|other| !victims.contains(other));
    Ok(Hits {
        others: others.collect(),
        victims,
    })
}

/// Every task that a target names, as soon as it is something.
async fn find(cluster: &Cluster, agent: &Agent, target: &Target) -> Result<Vec<Victim>> {
    let look = async || world(cluster, agent).await?.resolve(target, &cluster.stack);
    tokio::select! {
        () = cluster.cancel.cancelled() => Err(Error::Interrupted),
        found = once_settled(SPLIT_BRAIN_LASTS, LOOK_AGAIN_AFTER, look) => found,
    }
}

/// What a look finds, as soon as that is nothing that may pass. However long a look takes, there is one; and two before
/// two primaries are called so, for one look may meet a node in the middle of its change of roles.
async fn once_settled<T>(
    patience: Duration,
    every: Duration,
    mut look: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    let (mut before, mut one_more) = (None, true);
    loop {
        let found = agreeing(look().await, &mut before);
        let may_pass = matches!(
            found,
            Err(Error::SplitBrain { .. } | Error::NoTarget { .. })
        );
        let is_over = Instant::now() >= deadline;
        let seen_once = matches!(found, Err(Error::SplitBrain { looks: 1, .. }));
        if !may_pass || (is_over && !(seen_once && one_more)) {
            return found;
        }
        one_more = !is_over;
        tokio::time::sleep(every).await;
    }
}

/// The same, with how many looks in a row saw these primaries, this one among them.
fn agreeing<T>(found: Result<T>, before: &mut Option<(String, Vec<String>, u32)>) -> Result<T> {
    let earlier = before.take();
    let Err(Error::SplitBrain {
        database,
        mut nodes,
        ..
    }) = found
    else {
        return found;
    };
    nodes.sort();
    let looks = match earlier {
        Some((of, then, looks)) if of == database && then == nodes => looks.saturating_add(1),
        Some(_) | None => 1,
    };
    *before = Some((database.clone(), nodes.clone(), looks));
    Err(Error::SplitBrain {
        database,
        nodes,
        looks,
    })
}

/// As many of the matching tasks as were asked for, chosen by the seed.
fn choose(
    mut victims: Vec<Victim>,
    target: &Target,
    count: Count,
    seed: u64,
) -> Result<Vec<Victim>> {
    let found = victims.len();
    let wanted = count.of(found, if target.means_all() { found } else { 1 });
    if wanted > found {
        return Err(Error::NoTarget {
            target: target.to_string(),
            reason: format!("it matches {found} tasks, not {wanted}"),
        });
    }
    victims.shuffle(&mut StdRng::seed_from_u64(seed));
    victims.truncate(wanted);
    victims.sort_by_key(|victim| victim.task.name());
    Ok(victims)
}

/// Refuses what this engine's kernel or these tasks cannot have done to them, before anything is.
///
/// # Errors
/// [`Error::Kernel`], [`Error::NoTarget`], or the engine does not answer.
pub async fn require(cluster: &Cluster, action: &Action, hits: &Hits) -> Result<()> {
    match action {
        Action::End { end, .. } => ending::require(cluster, end, &hits.victims).await,
        Action::Crash { .. } => Ok(()),
        Action::Hold { hold, target, .. } => {
            if let Hold::Partition { with, .. } = hold
                && hits.others.is_empty()
            {
                return Err(Error::NoTarget {
                    target: with.clone(),
                    reason: format!("besides {target} there is nothing of it"),
                });
            }
            hold::require(cluster, hold, &hits.victims).await
        }
    }
}

/// Whether [`require`] tries the kernel with a container of its own before such a fault is injected.
#[must_use]
pub fn is_probed(action: &Action) -> bool {
    matches!(action, Action::Hold { hold, .. } if hold::probing(hold).is_some())
}

/// Does it to all victims at once; from then on it is tracked.
///
/// # Errors
/// The engine refused; a container that is already gone is such a refusal, for then nothing was done to it.
pub async fn inject(
    cluster: &Cluster,
    recorder: &Recorder,
    plan: &FaultPlan,
    hits: Hits,
) -> Result<Vec<Tracked>> {
    let addresses = addresses(cluster, &hits.others).await?;
    let mut services = BTreeSet::new();
    let injections = hits.victims.into_iter().map(|victim| {
        // A restart is of a whole service: one of its tasks stands for all.
        let first = services.insert(victim.task.service.clone());
        inject_one(cluster, recorder, plan, victim, first, &addresses)
    });
    try_join_all(injections).await
}

async fn inject_one(
    cluster: &Cluster,
    recorder: &Recorder,
    plan: &FaultPlan,
    victim: Victim,
    first: bool,
    others: &[IpAddr],
) -> Result<Tracked> {
    let task = &victim.task;
    // Before the clock of the injection starts: this watches the task for a moment.
    let now = match &plan.action {
        Action::Hold { hold, .. } => now::of(cluster, hold, task).await?,
        Action::End { .. } | Action::Crash { .. } => now::Now::default(),
    };
    let what = match &plan.action {
        Action::Crash { crash } => format!("arming {crash}"),
        action => action.to_string(),
    };
    recorder.event("fault", &task.name(), what).await;
    let at_us = recorder.clock().now_us();
    let keeper = match &plan.action {
        Action::End { end, .. } => {
            ending::put(cluster, end, task, first).await?;
            None
        }
        Action::Crash { crash } => {
            failpoint::arm(cluster, task, *crash).await?;
            None
        }
        Action::Hold { hold, for_ms, .. } => {
            let on = OnTask::put(cluster, hold, task, &plan.name(), others, now).await?;
            let length = Duration::from_millis(*for_ms);
            Some(Keeper::start(cluster, recorder, task, on, length))
        }
    };
    Ok(Tracked {
        proof: Proof::new(plan, victim, at_us),
        keeper,
    })
}

/// The addresses of tasks in the stack's network.
async fn addresses(cluster: &Cluster, tasks: &[Victim]) -> Result<Vec<IpAddr>> {
    let docker = cluster.engine.docker();
    let network = cluster.stack.scoped(NETWORK);
    let mut found = Vec::new();
    for Victim { task, .. } in tasks {
        let container = docker
            .inspect_container(&task.container, None::<InspectContainerOptions>)
            .await
            .map_err(|error| Error::docker(format!("look at {}", task.name()), error))?;
        let endpoint = container
            .network_settings
            .and_then(|settings| settings.networks?.remove(&network));
        let address = endpoint.and_then(|endpoint| endpoint.ip_address?.parse().ok());
        found.push(address.ok_or_else(|| Error::NoTarget {
            target: task.name(),
            reason: "it has no address in the stack's network".to_owned(),
        })?);
    }
    Ok(found)
}

/// A planned fault that never came to be.
#[must_use]
pub fn never(plan: &FaultPlan, why: &str) -> FaultEvidence {
    FaultEvidence {
        place: plan.place,
        name: plan.name(),
        target: plan.action.target(),
        injected_us: None,
        effective_us: None,
        seen: Vec::new(),
        missing: vec![why.to_owned()],
        healed_us: None,
        held: None,
        writable_us: None,
        expected: plan.expected,
    }
}

#[cfg(test)]
mod tests;

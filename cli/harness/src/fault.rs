//! Faults: injected by the engine, proved by what is seen afterwards, and healed.

mod failpoint;
mod observe;
mod proof;

use std::time::Duration;

use bollard::query_parameters::{KillContainerOptions, ListContainersOptions};
use checker::evidence::FaultEvidence;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{
    agent::Agent,
    cluster::Cluster,
    error::{Error, Result},
    image::is_test_image,
    recorder::Recorder,
    run::plan::{Action, Count, FaultPlan},
    stack::{NAMESPACE_LABEL, label_filter},
    target::{Target, Victim, World},
    tasks::{self, Running},
    wait::{self, Limit, Look},
};

pub use observe::{Deaths, Observer, Seen};
pub use proof::Proof;

/// Two primaries of one database must be seen for this long: nodes are not asked at one instant. What is just
/// being started again gets as long to be there.
const SPLIT_BRAIN_LASTS: Duration = Duration::from_secs(2);

/// What the stack says of itself now.
///
/// # Errors
/// The engine or the agent does not answer.
pub async fn world(cluster: &Cluster, agent: &Agent) -> Result<World> {
    let (nodes, kafka) = tokio::join!(nodes(cluster, agent), agent.kafka());
    Ok(World {
        // A stack without Kafka's answer still has its other targets.
        kafka: kafka.ok(),
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
        kafka: None,
    })
}

/// Finds the tasks that a fault is to hit, as the stack is now.
///
/// # Errors
/// As [`World::resolve`]; two primaries only if they last.
pub async fn resolve(cluster: &Cluster, agent: &Agent, plan: &FaultPlan) -> Result<Vec<Victim>> {
    let (kill, count) = match &plan.action {
        Action::Kill { kill, count } => (kill, *count),
        // Every replica: which of them will get there first nobody knows.
        Action::Crash { crash } => (&crash.step.service.to_owned(), Count::All),
    };
    let Ok(target) = kill.parse::<Target>();
    let limit = Limit::new(SPLIT_BRAIN_LASTS, Duration::from_millis(250));
    let mut last = None;
    let look = async || match world(cluster, agent)
        .await?
        .resolve(&target, &cluster.stack)
    {
        Ok(victims) => Ok(Look::Done(victims)),
        Err(error @ (Error::SplitBrain { .. } | Error::NoTarget { .. })) => {
            let text = error.to_string();
            last = Some(error);
            Ok(Look::NotYet(text))
        }
        Err(error) => Err(error),
    };
    let victims = match wait::until("one primary", limit, &cluster.cancel, look).await {
        Ok(victims) => victims,
        Err(timeout @ Error::Timeout { .. }) => return Err(last.unwrap_or(timeout)),
        Err(error) => return Err(error),
    };
    choose(victims, &target, count, plan.seed)
}

/// As many of the matching tasks as were asked for, chosen by the seed.
fn choose(
    mut victims: Vec<Victim>,
    target: &Target,
    count: Count,
    seed: u64,
) -> Result<Vec<Victim>> {
    let wanted = match count {
        Count::All => victims.len(),
        Count::Default if target.means_all() => victims.len(),
        Count::Default => 1,
        Count::Exactly(wanted) => wanted,
    };
    if wanted > victims.len() {
        return Err(Error::NoTarget {
            target: target.to_string(),
            reason: format!("it matches {} tasks, not {wanted}", victims.len()),
        });
    }
    victims.shuffle(&mut StdRng::seed_from_u64(seed));
    victims.truncate(wanted);
    victims.sort_by_key(|victim| victim.task.name());
    Ok(victims)
}

/// Does it to all victims at once, and gives the time of each on the run's clock.
///
/// # Errors
/// The engine refused; a container that is already gone is such a refusal, for then nothing was done to it.
pub async fn inject(
    cluster: &Cluster,
    recorder: &Recorder,
    action: &Action,
    victims: &[Victim],
) -> Result<Vec<u64>> {
    let mut injected = Vec::new();
    for Victim { task, .. } in victims {
        let what = match action {
            Action::Kill { .. } => "killing its container".to_owned(),
            Action::Crash { crash } => format!("arming {crash}"),
        };
        recorder.event("fault", &task.name(), what).await;
        injected.push(recorder.clock().now_us());
        match action {
            Action::Kill { .. } => kill(cluster, task).await?,
            Action::Crash { crash } => failpoint::arm(cluster, task, *crash).await?,
        }
    }
    Ok(injected)
}

async fn kill(cluster: &Cluster, task: &Running) -> Result<()> {
    let options = KillContainerOptions {
        signal: "KILL".to_owned(),
    };
    cluster
        .engine
        .docker()
        .kill_container(&task.container, Some(options))
        .await
        .map_err(|error| Error::docker(format!("kill the container of {}", task.name()), error))
}

/// A planned fault that never came to be.
#[must_use]
pub fn never(plan: &FaultPlan, why: &str) -> FaultEvidence {
    FaultEvidence {
        name: plan.name(),
        target: plan.action.target(),
        injected_us: None,
        effective_us: None,
        seen: Vec::new(),
        missing: vec![why.to_owned()],
        healed_us: None,
        writable_us: None,
        expected: plan.expected,
    }
}

/// Containers of the stack that are paused: a fault that Swarm does not see.
///
/// # Errors
/// The engine does not answer.
pub async fn paused(cluster: &Cluster) -> Result<Vec<String>> {
    Ok(containers(cluster, "paused")
        .await?
        .into_iter()
        .map(|container| container.task)
        .collect())
}

/// Ends every fault of the stack, whoever left it. Says what it did; nothing to do is fine.
///
/// # Errors
/// The engine refused.
pub async fn clear(cluster: &Cluster) -> Result<Vec<String>> {
    let mut done = Vec::new();
    for Container { id, task, .. } in containers(cluster, "paused").await? {
        cluster
            .engine
            .docker()
            .unpause_container(&id)
            .await
            .map_err(|error| Error::docker(format!("unpause {task}"), error))?;
        done.push(format!("unpaused {task}"));
    }
    for Container { id, task, image } in containers(cluster, "running").await? {
        if is_test_image(&image)
            && let Some(point) = failpoint::disarm(cluster, &id, &task).await?
        {
            done.push(format!("disarmed {point} in {task}"));
        }
    }
    Ok(done)
}

/// A container of the stack.
struct Container {
    id: String,
    /// The name of its task.
    task: String,
    image: String,
}

/// The stack's containers in that state.
async fn containers(cluster: &Cluster, status: &str) -> Result<Vec<Container>> {
    const TASK: &str = "com.docker.swarm.task.name";
    let mut filters = label_filter(NAMESPACE_LABEL, cluster.stack.as_str());
    filters.insert("status".to_owned(), vec![status.to_owned()]);
    let options = ListContainersOptions {
        all: true,
        filters: Some(filters),
        ..ListContainersOptions::default()
    };
    let found = cluster
        .engine
        .docker()
        .list_containers(Some(options))
        .await
        .map_err(|error| Error::docker("list the stack's containers", error))?;
    Ok(found
        .into_iter()
        .filter_map(|container| {
            Some(Container {
                id: container.id?,
                task: container.labels?.get(TASK)?.clone(),
                image: container.image.unwrap_or_default(),
            })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn victims(count: i64) -> Vec<Victim> {
        (1..=count)
            .map(|slot| Victim {
                task: Running {
                    service: "order".to_owned(),
                    slot,
                    task: String::new(),
                    container: String::new(),
                },
                node: None,
            })
            .collect()
    }

    #[test]
    fn one_is_chosen_unless_more_are_asked_for() {
        let Ok(order) = "order".parse::<Target>();
        let chosen = |count| choose(victims(5), &order, count, 7).map(|v| v.len());
        assert_eq!(chosen(Count::Default).unwrap(), 1);
        assert_eq!(chosen(Count::Exactly(3)).unwrap(), 3);
        assert_eq!(chosen(Count::All).unwrap(), 5);
        assert_eq!(
            chosen(Count::Exactly(6)).unwrap_err().to_string(),
            "`order` is nothing right now: it matches 5 tasks, not 6"
        );
        let Ok(all) = "all-db-primaries".parse::<Target>();
        assert_eq!(
            choose(victims(3), &all, Count::Default, 7).unwrap().len(),
            3
        );
    }

    #[test]
    fn the_seed_decides_which() {
        let Ok(order) = "order".parse::<Target>();
        let slots: Vec<i64> = (0..20)
            .map(|seed| {
                choose(victims(2), &order, Count::Default, seed).unwrap()[0]
                    .task
                    .slot
            })
            .collect();
        assert!(slots.contains(&1) && slots.contains(&2));
        let again = choose(victims(2), &order, Count::Default, 3).unwrap()[0]
            .task
            .slot;
        assert_eq!(again, slots[3]);
    }
}

//! Faults: injected by the engine, proved by what is seen afterwards, and healed.

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
    recorder::Recorder,
    run::plan::{Count, FaultPlan},
    stack::{NAMESPACE_LABEL, label_filter},
    target::{Target, Victim, World},
    tasks,
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
    let Ok(target) = plan.kill.parse::<Target>();
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
    choose(victims, &target, plan.count, plan.seed)
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

/// Kills the containers of all victims at once.
///
/// # Errors
/// The engine refused; a container that is already gone is such a refusal, for then nothing was killed.
pub async fn kill(cluster: &Cluster, recorder: &Recorder, victims: &[Victim]) -> Result<Vec<u64>> {
    let mut injected = Vec::new();
    for victim in victims {
        recorder
            .event("fault", &victim.task.name(), "killing its container")
            .await;
        injected.push(recorder.clock().now_us());
        let options = KillContainerOptions {
            signal: "KILL".to_owned(),
        };
        cluster
            .engine
            .docker()
            .kill_container(&victim.task.container, Some(options))
            .await
            .map_err(|error| {
                let action = format!("kill the container of {}", victim.task.name());
                Error::docker(action, error)
            })?;
    }
    Ok(injected)
}

/// A planned fault that never came to be.
#[must_use]
pub fn never(plan: &FaultPlan, why: &str) -> FaultEvidence {
    FaultEvidence {
        name: plan.name(),
        target: plan.kill.clone(),
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
        .map(|(_, name)| name)
        .collect())
}

/// Ends every fault of the stack, whoever left it. Says what it did; nothing to do is fine.
///
/// # Errors
/// The engine refused.
pub async fn clear(cluster: &Cluster) -> Result<Vec<String>> {
    let mut done = Vec::new();
    for (id, name) in containers(cluster, "paused").await? {
        cluster
            .engine
            .docker()
            .unpause_container(&id)
            .await
            .map_err(|error| Error::docker(format!("unpause {name}"), error))?;
        done.push(format!("unpaused {name}"));
    }
    Ok(done)
}

/// Id and task name of the stack's containers in that state.
async fn containers(cluster: &Cluster, status: &str) -> Result<Vec<(String, String)>> {
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
        .filter_map(|container| Some((container.id?, container.labels?.get(TASK)?.clone())))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::Running;

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

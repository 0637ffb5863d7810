//! Looks at the stack while faults are in effect, and writes down what changes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::{
    errors::Error as DockerError, models::EventMessage, query_parameters::EventsOptions,
};
use futures_util::{Stream, StreamExt};
use protocol::agent::Kafka;
use tokio_util::sync::CancellationToken;

use super::{Keeper, Proof, nodes};
use crate::{agent::Agent, cluster::Cluster, load::Client, recorder::Recorder, target::World};

/// The engine tells of a death within milliseconds. After this long we ask for it.
const DEATH_ASKED_AFTER: Duration = Duration::from_secs(2);
/// Between two attempts to listen to the engine.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// When containers died, by their ids, on the run's clock.
#[derive(Debug, Clone, Default)]
pub struct Deaths(Arc<Mutex<HashMap<String, u64>>>);

impl Deaths {
    fn at(&self, container: &str) -> Option<u64> {
        let deaths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        deaths.get(container).copied()
    }

    fn tell(&self, container: &str, at_us: u64) {
        let mut deaths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        deaths.entry(container.to_owned()).or_insert(at_us);
    }

    /// Listens to the engine until `stop`: deaths are noted, and everything goes into the run's events.
    pub async fn listen(self, cluster: Cluster, recorder: Recorder, stop: CancellationToken) {
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            (
                "event".to_owned(),
                ["start", "die", "kill", "oom", "pause", "unpause"]
                    .map(str::to_owned)
                    .to_vec(),
            ),
        ]);
        while !stop.is_cancelled() {
            let options = EventsOptions {
                filters: Some(filters.clone()),
                ..EventsOptions::default()
            };
            let events = cluster.engine.docker().events(Some(options));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.hear(events, &cluster, &recorder) => {}
            }
            tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
        }
    }

    async fn hear(
        &self,
        events: impl Stream<Item = Result<EventMessage, DockerError>>,
        cluster: &Cluster,
        recorder: &Recorder,
    ) {
        let mut events = std::pin::pin!(events);
        let prefix = cluster.stack.scoped("");
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    tracing::debug!(%error, "the engine's events broke");
                    return;
                }
            };
            let (Some(action), Some(actor)) = (event.action, event.actor) else {
                continue;
            };
            let (id, labels) = (
                actor.id.unwrap_or_default(),
                actor.attributes.unwrap_or_default(),
            );
            let Some(service) = labels.get("com.docker.swarm.service.name") else {
                continue;
            };
            let Some(service) = service.strip_prefix(&prefix) else {
                continue;
            };
            if action == "die" {
                self.tell(&id, recorder.clock().now_us());
            }
            let text = match labels.get("exitCode") {
                Some(code) => format!("{action} (exit code {code})"),
                None => action,
            };
            recorder.event("container", service, text).await;
        }
    }
}

/// Whether the broker is a part of its cluster again and no partition lacks a replica.
fn is_in_sync(kafka: &Kafka, broker: &str) -> bool {
    let known = kafka.brokers.iter().any(|known| known.host == broker);
    let mut partitions = kafka.partitions.iter();
    known && partitions.all(|partition| partition.isr.len() == partition.replicas.len())
}

/// An injected fault, what is known of it, and who keeps it on its task.
#[derive(Debug)]
pub struct Tracked {
    pub proof: Proof,
    pub(super) keeper: Option<Keeper>,
}

/// Follows injected faults until each is proved and healed.
#[derive(Debug)]
pub struct Observer {
    pub cluster: Cluster,
    pub agent: Agent,
    pub client: Client,
    pub recorder: Recorder,
    pub deaths: Deaths,
}

/// What the last look at the stack saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub world: World,
    roles: BTreeMap<String, String>,
}

impl Observer {
    /// Looks once, and lets every proof that is not complete take from it what it can.
    pub async fn look(&self, faults: &mut [Tracked], seen: &mut Seen) {
        if let Ok(world) = nodes(&self.cluster, &self.agent).await {
            self.note_roles(&world, &mut seen.roles).await;
            seen.world = world;
        }
        for Tracked { proof, keeper } in faults {
            if let Some(keeper) = keeper {
                proof.told(keeper.told());
            }
            if !proof.is_complete(&seen.world) {
                self.advance(proof, &seen.world).await;
            }
        }
    }

    async fn advance(&self, proof: &mut Proof, world: &World) {
        let clock = self.recorder.clock();
        let elapsed_us = clock.now_us().saturating_sub(proof.injected_us());
        let elapsed = Duration::from_micros(elapsed_us);
        let container = proof.victim().task.container.clone();
        if let Some(at_us) = self.deaths.at(&container) {
            proof.died(at_us);
        } else if elapsed >= DEATH_ASKED_AFTER
            && proof.awaits_death()
            && self.is_gone(&container).await
        {
            proof.died(clock.now_us());
        }
        let serves = proof.is_over() && self.serves(&proof.victim().task.service, world).await;
        proof.look(clock.now_us(), world, serves);
        if let Some(database) = proof.awaits_write().map(str::to_owned) {
            match self.agent.probe_write(&database).await {
                Ok(probe) => {
                    proof.written(clock.now_us());
                    let text = format!("takes writes on timeline {}", probe.timeline);
                    self.recorder.event("role", &probe.node, text).await;
                }
                Err(error) => tracing::debug!(%error, database, "no probe write yet"),
            }
        }
    }

    async fn is_gone(&self, container: &str) -> bool {
        let options = None::<bollard::query_parameters::InspectContainerOptions>;
        match self
            .cluster
            .engine
            .docker()
            .inspect_container(container, options)
            .await
        {
            Ok(found) => found.state.and_then(|state| state.running) == Some(false),
            Err(DockerError::DockerResponseServerError { status_code, .. }) => status_code == 404,
            Err(_no_answer) => false,
        }
    }

    /// Whether what the target is a part of is whole again.
    async fn serves(&self, service: &str, world: &World) -> bool {
        match service {
            "gateway" => self
                .client
                .read::<serde_json::Value>("/stock/find/0")
                .await
                .is_ok(),
            "redis" => self.agent.redis().await.is_ok_and(|redis| redis.answers),
            "agent" => self.agent.ping().await.is_ok(),
            "order" | "payment" | "stock" => self.is_healthy(service, world).await,
            broker if broker.starts_with("kafka-") => match self.agent.kafka().await {
                Ok(kafka) => is_in_sync(&kafka, broker),
                Err(_no_answer) => false,
            },
            // A database node is judged by its role, a pool by its task.
            _ => true,
        }
    }

    async fn is_healthy(&self, service: &str, world: &World) -> bool {
        let tasks = world.tasks.iter().filter(|task| task.service == service);
        match self.agent.services().await {
            Ok(replicas) => {
                let mut ours = replicas.iter().filter(|replica| replica.service == service);
                let healthy = ours.clone().filter(|replica| replica.healthy).count();
                healthy == tasks.count() && ours.all(|replica| replica.healthy)
            }
            Err(_no_answer) => false,
        }
    }

    async fn note_roles(&self, world: &World, roles: &mut BTreeMap<String, String>) {
        for node in world.databases.iter().flat_map(|database| &database.nodes) {
            let text = match &node.state {
                Some(state) => format!(
                    "{:?} on timeline {}, epoch {}{}",
                    state.role,
                    state.timeline,
                    state.epoch,
                    if state.streaming { ", streaming" } else { "" }
                )
                .to_lowercase(),
                None => "does not answer".to_owned(),
            };
            if roles.get(&node.name) != Some(&text) {
                self.recorder.event("role", &node.name, text.clone()).await;
                roles.insert(node.name.clone(), text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::agent::{Broker, Partition};

    use super::*;

    #[test]
    fn a_broker_is_back_when_every_replica_is_in_sync() {
        let kafka = |isr: &[i32]| Kafka {
            brokers: vec![Broker {
                broker_id: 1,
                host: "kafka-1".to_owned(),
            }],
            controller: Some(1),
            partitions: vec![Partition {
                topic: "stock.commands".to_owned(),
                partition: 0,
                leader: Some(2),
                replicas: vec![0, 1, 2],
                isr: isr.to_vec(),
                log_end: None,
            }],
        };
        assert!(is_in_sync(&kafka(&[2, 0, 1]), "kafka-1"));
        assert!(!is_in_sync(&kafka(&[2, 0]), "kafka-1"));
        assert!(!is_in_sync(&kafka(&[2, 0, 1]), "kafka-0"));
    }
}

//! Waits until the stack is whole and the shop is at rest, and says what is missing.

use std::{collections::BTreeMap, time::Duration};

use checker::{History, evidence::Settle};
use protocol::{
    agent::{Cluster as Database, Kafka, Lanes, ServiceReplica},
    db::{Lsn, Role},
};
use tokio::time::Instant;

use crate::{
    agent::Agent,
    cluster::Cluster,
    error::{Error, Result},
    event::Event,
    fault,
    lock::Lock,
    stack::overview::Overview,
};

const POLL: Duration = Duration::from_millis(500);
/// What the screen calls it.
const WHAT: &str = "the stack to settle";

/// What is known of the load of the run by whoever settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// None was sent yet, and nobody else may send any.
    NotBegun,
    /// Every operation of it has ended or timed out.
    Ended,
    /// Its program was stopped: nobody knows how its last operations ended.
    CutOff,
}

impl Load {
    /// Before a load begins. Who holds the stack's lock knows that no other program loads it.
    #[must_use]
    pub fn not_begun(_held: &Lock) -> Self {
        Self::NotBegun
    }

    /// As the history says. Who holds the stack's lock knows that no program writes to it any more.
    #[must_use]
    pub fn of_history(history: &History, _held: &Lock) -> Self {
        if history.ended_at_us.is_some() && history.truncated_line.is_none() {
            Self::Ended
        } else {
            Self::CutOff
        }
    }

    /// Why it does not count as stopped.
    fn runs_on(self) -> Option<String> {
        match self {
            Self::NotBegun | Self::Ended => None,
            Self::CutOff => Some(
                "the history has no end: nobody knows whether each operation of the load ended"
                    .to_owned(),
            ),
        }
    }
}

/// What was seen at one look.
#[derive(Debug)]
struct Look {
    faults: Vec<String>,
    unconverged: Vec<String>,
    busy: Vec<String>,
}

impl Look {
    fn is_settled(&self) -> bool {
        self.faults.is_empty() && self.unconverged.is_empty() && self.busy.is_empty()
    }

    /// Whether nothing but the shop itself is to blame that it is not at rest.
    fn is_stuck(&self) -> bool {
        self.faults.is_empty() && self.unconverged.is_empty() && !self.busy.is_empty()
    }

    fn missing(self) -> Vec<String> {
        let mut missing = self.faults;
        missing.extend(self.unconverged);
        missing.extend(self.busy);
        missing
    }
}

/// Waits until faults are gone, tasks = replicas, every database has one primary with its standbys at its
/// position, and no saga is open; or until the deadline. Only interruption is an error.
pub async fn settle(
    cluster: &Cluster,
    agent: &Agent,
    load: Load,
    deadline: Duration,
) -> Result<Settle> {
    let start = Instant::now();
    let mut positions = BTreeMap::new();
    let mut looked = false;
    loop {
        let mut look = tokio::select! {
            () = cluster.cancel.cancelled() => return Err(Error::Interrupted),
            look = look(cluster, agent, fault::present(cluster), &mut positions) => look,
        };
        let over = start.elapsed() >= deadline;
        if over && look.is_stuck() {
            // Before anybody blames the shop: a fault whose helper somebody removed is on no list.
            look.faults = orphans(fault::remains(cluster).await);
        }
        if look.is_settled() || over {
            cluster.events.emit(Event::Reached {
                what: if over { "gave up settling" } else { "settled" }.to_owned(),
                took: start.elapsed(),
            });
            return Ok(report(look, load, start.elapsed(), deadline));
        }
        // The first look only learns the primaries' positions: that they are missing is no news.
        if looked {
            cluster.events.emit(Event::Waiting {
                what: WHAT.to_owned(),
                done: 0,
                wanted: 0,
                missing: look.missing(),
            });
        }
        looked = true;
        tokio::time::sleep(POLL).await;
    }
}

/// What keeps the stack from being healthy: faults that are on it, missing tasks, databases without one primary that
/// all of its standbys follow, replicas and brokers that are unwell. That the shop is at work is no ailment.
/// `positions` are those of the look before: without one, every database is only just being looked at.
pub(crate) async fn ailments(
    cluster: &Cluster,
    agent: &Agent,
    positions: &mut BTreeMap<String, (String, Lsn)>,
) -> Vec<String> {
    let faults = fault::present_in_a_run(cluster);
    let look = look(cluster, agent, faults, positions).await;
    look.faults.into_iter().chain(look.unconverged).collect()
}

fn report(look: Look, load: Load, waited: Duration, deadline: Duration) -> Settle {
    let runs_on = load.runs_on();
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Settle {
        load_stopped: runs_on.is_none(),
        faults_healed: look.faults.is_empty(),
        converged: look.unconverged.is_empty(),
        quiescent: look.busy.is_empty(),
        waited_ms: ms(waited),
        deadline_ms: ms(deadline),
        missing: runs_on.into_iter().chain(look.missing()).collect(),
    }
}

/// A fault that is on the stack, by what ends it: at the end of a run its own faults are healed, so somebody left it.
fn left(fault: &str) -> String {
    format!("a fault is left: {fault}; `webshop chaos clear` ends it")
}

/// Faults that nobody holds any more, by what ends them.
fn orphans(remains: Result<Vec<String>>) -> Vec<String> {
    let told = |what: String| {
        format!(
            "a fault without its helper is left: {what}; `webshop chaos --restart SERVICE` ends it"
        )
    };
    match remains {
        Ok(remains) => remains.into_iter().map(told).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// `positions`: where each primary was at the look before, which its standbys must have reached by now.
async fn look(
    cluster: &Cluster,
    agent: &Agent,
    present: impl Future<Output = Result<Vec<String>>>,
    positions: &mut BTreeMap<String, (String, Lsn)>,
) -> Look {
    let (present, overview, databases, services, kafka, redis, lanes) = tokio::join!(
        present,
        Overview::read(cluster),
        agent.databases(),
        agent.services(),
        agent.kafka(),
        agent.redis(),
        agent.lanes(),
    );
    let mut unconverged = Vec::new();
    match overview {
        Ok(overview) => unconverged.extend(absent(&overview)),
        Err(error) => unconverged.push(error.to_string()),
    }
    match databases {
        Ok(databases) => {
            let unready = databases
                .iter()
                .filter_map(|database| unready(database, positions));
            unconverged.extend(unready);
        }
        Err(error) => unconverged.push(error.to_string()),
    }
    match services {
        Ok(replicas) => unconverged.extend(unhealthy(&replicas)),
        Err(error) => unconverged.push(error.to_string()),
    }
    match kafka {
        Ok(kafka) => unconverged.extend(out_of_sync(&kafka)),
        Err(error) => unconverged.push(error.to_string()),
    }
    match redis {
        Ok(redis) => unconverged.extend(redis.error.map(|error| format!("redis: {error}"))),
        Err(error) => unconverged.push(error.to_string()),
    }
    let faults = match present {
        Ok(present) => present.iter().map(|fault| left(fault)).collect(),
        Err(error) => vec![error.to_string()],
    };
    let busy = match lanes {
        Ok(lanes) => unfinished(&lanes),
        Err(error) => vec![error.to_string()],
    };
    Look {
        faults,
        unconverged,
        busy,
    }
}

fn absent(overview: &Overview) -> Vec<String> {
    overview
        .services
        .iter()
        .filter(|service| !service.is_converged())
        .map(|service| {
            format!(
                "{} runs {}/{}",
                service.name, service.running, service.wanted
            )
        })
        .collect()
}

/// Why this database is not one primary with standbys that have all it has.
fn unready(database: &Database, positions: &mut BTreeMap<String, (String, Lsn)>) -> Option<String> {
    let name = &database.name;
    let primaries = database.primaries();
    let [primary] = primaries.as_slice() else {
        positions.remove(name);
        let names: Vec<&str> = primaries.iter().map(|node| node.name.as_str()).collect();
        return Some(match names.as_slice() {
            [] => format!("{name} has no primary"),
            several => format!("{name} has primaries {}", several.join(" and ")),
        });
    };
    let before = positions.insert(name.clone(), (primary.name.clone(), primary.lsn));
    let Some((_, lsn)) = before.filter(|(node, _)| *node == primary.name) else {
        return Some(format!("{name} has only just been looked at"));
    };
    database.nodes.iter().find_map(|node| {
        let Some(state) = &node.state else {
            return Some(format!("{} does not answer", node.name));
        };
        match state.role {
            Role::Primary if node.name == primary.name => None,
            Role::Primary => Some(format!("{} is a primary of an older epoch", node.name)),
            Role::Standby if !state.streaming => Some(format!("{} does not stream", node.name)),
            Role::Standby if state.timeline != primary.timeline => {
                Some(format!("{} is on timeline {}", node.name, state.timeline))
            }
            Role::Standby if state.lsn < lsn => {
                Some(format!("{} is behind {lsn} at {}", node.name, state.lsn))
            }
            Role::Standby => None,
            Role::Promoting | Role::Starting | Role::Waiting => {
                Some(format!("{} is {:?}", node.name, state.role).to_lowercase())
            }
        }
    })
}

fn unhealthy(replicas: &[ServiceReplica]) -> Vec<String> {
    replicas
        .iter()
        .filter(|replica| !replica.healthy)
        .map(|replica| {
            let why = replica.error.as_deref().unwrap_or("no reason given");
            format!("{} at {}: {why}", replica.service, replica.address)
        })
        .collect()
}

fn out_of_sync(kafka: &Kafka) -> Vec<String> {
    kafka
        .partitions
        .iter()
        .filter(|p| p.leader.is_none() || p.isr.len() < p.replicas.len())
        .map(|p| {
            format!(
                "{} has {}/{} in sync",
                p.topic,
                p.isr.len(),
                p.replicas.len()
            )
        })
        .collect()
}

fn unfinished(lanes: &Lanes) -> Vec<String> {
    let mut busy: Vec<String> = lanes
        .lanes
        .iter()
        .filter(|lane| !lane.is_drained())
        .map(|lane| {
            let end = lane.log_end.map_or("?".to_owned(), |end| end.to_string());
            format!(
                "lane {} at {} of {end}, published {}",
                lane.topic, lane.next_offset, lane.published_offset
            )
        })
        .collect();
    if lanes.sagas_open > 0 {
        busy.push(format!("{} sagas are open", lanes.sagas_open));
    }
    busy
}

#[cfg(test)]
mod tests;

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
        let look = tokio::select! {
            () = cluster.cancel.cancelled() => return Err(Error::Interrupted),
            look = look(cluster, agent, &mut positions) => look,
        };
        let over = start.elapsed() >= deadline;
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

/// `positions`: where each primary was at the look before, which its standbys must have reached by now.
async fn look(
    cluster: &Cluster,
    agent: &Agent,
    positions: &mut BTreeMap<String, (String, Lsn)>,
) -> Look {
    let (present, overview, databases, services, kafka, redis, lanes) = tokio::join!(
        fault::present(cluster),
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
mod tests {
    use protocol::agent::LaneState;

    use super::*;
    use crate::testing::{database, node};

    #[test]
    fn a_standby_must_reach_where_the_primary_was_a_look_ago() {
        let mut positions = BTreeMap::new();
        let mut at = |primary, standby| {
            let nodes = vec![
                node("a", Role::Primary, 1, primary),
                node("b", Role::Standby, 1, standby),
            ];
            unready(&database("stock", nodes), &mut positions)
        };
        assert_eq!(at(100, 90).unwrap(), "stock has only just been looked at");
        assert_eq!(at(110, 95).unwrap(), "b is behind 0/64 at 0/5F");
        assert_eq!(at(120, 110), None);
    }

    fn look(faults: &[&str]) -> Look {
        Look {
            faults: faults.iter().map(|fault| left(fault)).collect(),
            unconverged: Vec::new(),
            busy: Vec::new(),
        }
    }

    #[test]
    fn a_fault_that_somebody_left_is_not_healed_and_says_how_it_ends() {
        let report = |look| report(look, Load::Ended, Duration::ZERO, Duration::ZERO);
        let settle = report(look(&["isolate order (order.1)"]));
        assert!(!settle.faults_healed && !settle.is_healthy());
        assert_eq!(
            settle.missing,
            ["a fault is left: isolate order (order.1); `webshop chaos clear` ends it"]
        );
        assert!(report(look(&[])).is_healthy());
    }

    #[test]
    fn a_load_whose_program_was_stopped_did_not_stop_and_says_why() {
        let report = |load| report(look(&[]), load, Duration::ZERO, Duration::ZERO);
        assert!(report(Load::NotBegun).load_stopped);
        assert!(report(Load::Ended).load_stopped);
        let settle = report(Load::CutOff);
        assert!(!settle.load_stopped && !settle.is_healthy());
        assert_eq!(
            settle.missing,
            ["the history has no end: nobody knows whether each operation of the load ended"]
        );
    }

    #[test]
    fn no_primary_two_primaries_and_a_silent_node_are_named() {
        let mut positions = BTreeMap::new();
        let nodes = vec![node("a", Role::Waiting, 1, 1)];
        let none = unready(&database("stock", nodes), &mut positions);
        assert_eq!(none.unwrap(), "stock has no primary");
        let nodes = vec![
            node("a", Role::Primary, 1, 1),
            node("b", Role::Primary, 1, 1),
        ];
        let two = unready(&database("stock", nodes), &mut positions);
        assert_eq!(two.unwrap(), "stock has primaries a and b");
        let mut silent = node("b", Role::Standby, 1, 1);
        silent.state = None;
        let nodes = vec![node("a", Role::Primary, 1, 1), silent];
        unready(&database("stock", nodes.clone()), &mut positions);
        let still = unready(&database("stock", nodes), &mut positions);
        assert_eq!(still.unwrap(), "b does not answer");
    }

    #[test]
    fn a_deposed_primary_is_no_second_one_and_keeps_a_database_from_settling() {
        let mut positions = BTreeMap::new();
        let mut deposed = node("a", Role::Primary, 1, 1);
        deposed.state.as_mut().unwrap().alone = true;
        let nodes = vec![deposed, node("b", Role::Primary, 2, 1)];
        unready(&database("stock", nodes.clone()), &mut positions);
        let still = unready(&database("stock", nodes), &mut positions);
        assert_eq!(still.unwrap(), "a is a primary of an older epoch");
    }

    #[test]
    fn a_lane_is_done_when_all_is_applied_and_published() {
        let lane = |published_offset, log_end| LaneState {
            service: "stock".to_owned(),
            topic: "stock.commands".to_owned(),
            partition: 0,
            next_offset: 5,
            published_offset,
            holder: "stock.1".to_owned(),
            log_end,
        };
        let lanes = Lanes {
            lanes: vec![lane(5, Some(5)), lane(4, Some(5)), lane(5, None)],
            sagas_open: 2,
        };
        assert_eq!(
            unfinished(&lanes),
            [
                "lane stock.commands at 5 of 5, published 4",
                "lane stock.commands at 5 of ?, published 5",
                "2 sagas are open"
            ]
        );
    }
}

//! The tables of what the agent sees: database nodes, Kafka, lanes.

use harness::inside::{Answer, Inside};
use harness::printable;
use owo_colors::OwoColorize;
use protocol::agent::{Kafka, Lanes, Node};
use protocol::db::Role;

use crate::table;

/// A table for each answer, or why there is none.
pub(super) fn tables(inside: &Inside) -> Vec<String> {
    vec![
        databases(inside),
        answer(&inside.kafka, "kafka", kafka),
        answer(&inside.lanes, "lanes", lanes),
    ]
}

fn answer<T>(answer: &Answer<T>, what: &str, draw: impl Fn(&T) -> String) -> String {
    match answer {
        Answer::Known(known) => draw(known),
        Answer::Unknown(why) => {
            let why = printable::line(why);
            format!("{what}: {} ({why})", "unknown".yellow())
        }
    }
}

fn databases(inside: &Inside) -> String {
    answer(&inside.databases, "databases", |databases| {
        let mut rows = Vec::new();
        for database in databases {
            for node in &database.nodes {
                rows.push(node_row(inside, &database.name, node));
            }
        }
        table::draw(
            &["NODE", "ROLE", "EPOCH", "TIMELINE", "LSN", "LAG", "STATE"],
            &rows,
        )
    })
}

fn node_row(inside: &Inside, database: &str, node: &Node) -> Vec<String> {
    let Some(state) = &node.state else {
        let why = table::short(node.error.as_deref().unwrap_or_default());
        let mut row = vec![printable::line(&node.name), "?".red().to_string()];
        row.resize(6, String::new());
        row.push(why);
        return row;
    };
    let standby = inside
        .standbys(database)
        .iter()
        .find(|standby| standby.name == node.name);
    let role = match state.role {
        Role::Primary => "primary".green().to_string(),
        Role::Standby => "standby".to_owned(),
        Role::Promoting => "promoting".yellow().to_string(),
        Role::Starting => "starting".yellow().to_string(),
        Role::Waiting => "waiting".red().to_string(),
    };
    let lag = standby.map_or_else(String::new, |standby| format!("{} B", standby.lag_bytes));
    let stream = match (standby, state.role) {
        (Some(standby), _) => {
            printable::line(&format!("{} ({})", standby.state, standby.sync_state))
        }
        (None, Role::Standby) if !state.streaming => "not streaming".red().to_string(),
        (None, _) => String::new(),
    };
    vec![
        printable::line(&node.name),
        role,
        state.epoch.to_string(),
        state.timeline.to_string(),
        state.lsn.to_string(),
        lag,
        stream,
    ]
}

fn kafka(kafka: &Kafka) -> String {
    let broker = |id: Option<i32>| id.map_or_else(|| "none".red().to_string(), |id| id.to_string());
    let rows: Vec<Vec<String>> = kafka
        .partitions
        .iter()
        .map(|partition| {
            vec![
                printable::line(&format!("{}/{}", partition.topic, partition.partition)),
                broker(partition.leader),
                format!("{}/{}", partition.isr.len(), partition.replicas.len()),
                partition
                    .log_end
                    .map_or_else(String::new, |end| end.to_string()),
            ]
        })
        .collect();
    format!(
        "kafka: {} brokers, controller {}\n{}",
        kafka.brokers.len(),
        broker(kafka.controller),
        table::draw(&["TOPIC", "LEADER", "IN SYNC", "LOG END"], &rows)
    )
}

fn lanes(lanes: &Lanes) -> String {
    let rows: Vec<Vec<String>> = lanes
        .lanes
        .iter()
        .map(|lane| {
            let lag = lane
                .log_end
                .map_or_else(String::new, |end| (end - lane.next_offset).to_string());
            vec![
                printable::line(&format!("{}/{}", lane.topic, lane.partition)),
                printable::line(&lane.service),
                printable::line(&lane.holder),
                lane.next_offset.to_string(),
                lag,
            ]
        })
        .collect();
    format!(
        "lanes: {} sagas open\n{}",
        lanes.sagas_open,
        table::draw(&["LANE", "SERVICE", "HOLDER", "NEXT", "LAG"], &rows)
    )
}

#[cfg(test)]
mod tests {
    use protocol::agent::Cluster;

    use super::*;

    #[test]
    fn no_answer_of_the_agent_is_a_line_of_its_own_or_a_colour() {
        let nasty = "x\n::error::forged\u{1b}[35m";
        let node = Node {
            name: nasty.to_owned(),
            state: None,
            error: Some(nasty.to_owned()),
        };
        let shown = tables(&Inside {
            databases: Answer::Known(vec![Cluster {
                name: nasty.to_owned(),
                nodes: vec![node],
            }]),
            replication: Answer::Known(Vec::new()),
            kafka: Answer::Unknown(nasty.to_owned()),
            lanes: Answer::Unknown(nasty.to_owned()),
            services: Answer::Known(Vec::new()),
            redis: Answer::Unknown(nasty.to_owned()),
        });
        let counts: Vec<usize> = shown.iter().map(|table| table.lines().count()).collect();
        assert_eq!(counts, [2, 1, 1], "{shown:#?}");
        assert!(!shown.concat().contains("\u{1b}[35m"), "{shown:#?}");
        assert!(shown.concat().contains(r"forged\u{1b}[35m"), "{shown:#?}");
    }
}

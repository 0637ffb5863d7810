//! What a run's timeline tells of the stack and of errors.

use checker::evidence::SplitBrain;
use protocol::{agent::Cluster as Database, db::Role};

use crate::error::Error;

/// `stock: stock-db-1 primary on timeline 3; stock-db-0 standby, stock-db-2 away`
pub(super) fn roles(database: &Database) -> String {
    let primaries = database.primaries();
    let lead = match primaries.as_slice() {
        [] => "no primary".to_owned(),
        primaries => {
            let named = primaries
                .iter()
                .map(|node| format!("{} primary on timeline {}", node.name, node.timeline));
            named.collect::<Vec<_>>().join(", ")
        }
    };
    let others = database.nodes.iter().filter_map(|node| match &node.state {
        Some(state) if primaries.contains(&state) => None,
        Some(state) if state.role == Role::Standby && !state.streaming => {
            Some(format!("{} standby without a stream", node.name))
        }
        Some(state) => Some(format!("{} {:?}", node.name, state.role).to_lowercase()),
        None => Some(format!("{} away", node.name)),
    });
    let others: Vec<String> = others.collect();
    format!("{}: {lead}; {}", database.name, others.join(", "))
}

pub(super) fn describe(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// A split brain that the resolution of a target met.
pub(super) fn split_brain(error: &Error, at_us: u64) -> Option<SplitBrain> {
    match error {
        Error::SplitBrain {
            database,
            nodes,
            looks,
        } => Some(SplitBrain {
            database: database.clone(),
            nodes: nodes.clone(),
            at_us,
            looks: *looks,
        }),
        _ => None,
    }
}

//! What one final read shows by itself. It proves nothing certain, and nothing can be said to hold where it is odd.

use protocol::db::Role;

use super::{differing, fork::Fork};
use crate::snapshot::{DatabaseView, NodeView};

/// Why not everything holds at this read, if so.
pub(super) fn oddity(database: &DatabaseView) -> Option<String> {
    let name = &database.name;
    let primary = match database.primaries()[..] {
        [primary] => primary,
        [] => return Some(format!("the {name} database has no primary")),
        ref several => {
            let names: Vec<&str> = several.iter().map(|node| node.name.as_str()).collect();
            return Some(format!("{} were both primary", names.join(" and ")));
        }
    };
    if primary.tables.is_empty() {
        return Some(format!("{} was not read", primary.name));
    }
    let contradicts = unfit_primary(primary);
    if contradicts.is_some() {
        return contradicts;
    }
    let standbys = database
        .nodes
        .iter()
        .filter(|node| node.name != primary.name);
    standbys.into_iter().find_map(|standby| {
        let forked = || Fork::between(primary, standby).map(|fork| fork.describe(primary, standby));
        unfit(primary, standby)
            .or_else(forked)
            .or_else(|| unlike(primary, standby))
    })
}

fn unlike(primary: &NodeView, standby: &NodeView) -> Option<String> {
    let name = &standby.name;
    if let Some(why) = &standby.error {
        return Some(format!("{name} cannot be compared: {why}"));
    }
    let table = *differing(primary, standby).first()?;
    Some(format!(
        "table {table} of {name} is another than on {}",
        primary.name
    ))
}

/// Why a node that counts as primary may be none.
pub(super) fn unfit_primary(primary: &NodeView) -> Option<String> {
    let name = &primary.name;
    let Some(state) = &primary.state else {
        return Some(format!("{name} gives no account of itself"));
    };
    if let Some(why) = &primary.error {
        return Some(format!("{name} was not read as a primary is: {why}"));
    }
    if state.role != Role::Primary {
        return Some(format!(
            "{name} takes writes, and says that it is no primary"
        ));
    }
    let says = match primary.in_recovery {
        Some(false) => return None,
        Some(true) => "says that it is in recovery",
        None => "does not say that it takes writes",
    };
    Some(format!("{name} is primary, and its PostgreSQL {says}"))
}

/// Why a node is no standby of its primary. A later timeline is a fork.
pub(super) fn unfit(primary: &NodeView, standby: &NodeView) -> Option<String> {
    let name = &standby.name;
    let Some(state) = &standby.state else {
        return Some(format!("{name} gives no account of itself"));
    };
    let timeline = primary.state.as_ref().map_or(0, |state| state.timeline);
    if !standby.serves() {
        Some(format!("{name} does not serve"))
    } else if state.role != Role::Standby {
        Some(format!("{name} is no standby, and not the primary"))
    } else if standby.in_recovery == Some(false) {
        Some(format!(
            "{name} is a standby, and its PostgreSQL takes writes"
        ))
    } else if !state.streaming {
        Some(format!("{name} does not stream"))
    } else if state.timeline < timeline {
        Some(format!(
            "{name} is on timeline {}, and {} on {timeline}",
            state.timeline, primary.name
        ))
    } else if standby.replayed.is_none() {
        Some(format!("{name} does not say how far it has replayed"))
    } else {
        None
    }
}

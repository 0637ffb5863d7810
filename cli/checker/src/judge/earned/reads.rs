//! The final reads are of the same cluster: between them nobody took over, nothing went back, and nothing was written.

use crate::{
    check::Scene,
    snapshot::{DatabaseView, NodeView, Snapshot},
};

/// The tables whose rows are read. Others, such as those that remember requests, may be tidied up at any time.
const ROWS_OF: [&str; 6] = [
    "account",
    "item",
    "order_line",
    "payment_movement",
    "shop_order",
    "stock_movement",
];

/// What a final read has otherwise than the one before it.
pub(super) fn unlike(scene: &Scene<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    for pair in scene.run.snapshots.windows(2) {
        let (first, second) = (&pair[0], &pair[1]);
        if first.witnesses != second.witnesses {
            reasons.push("the witnesses changed".to_owned());
        }
        for database in &second.databases {
            let before = first.databases.iter();
            if let Some(before) = before.clone().find(|view| view.name == database.name) {
                reasons.extend(systems(before, database));
            }
            reasons.extend(primary(&database.name, first, second));
        }
    }
    reasons
        .into_iter()
        .map(|what| format!("between the final reads {what}"))
        .collect()
}

/// A node that is another system than before.
fn systems(before: &DatabaseView, after: &DatabaseView) -> Vec<String> {
    let mut reasons = Vec::new();
    for node in after.nodes.iter().filter(|node| node.serves()) {
        let mut then = before.nodes.iter().filter(|then| then.serves());
        let then = then.find(|then| then.name == node.name);
        let system = |node: &NodeView| node.state.as_ref().map(|state| state.system_id.clone());
        if then.is_some_and(|then| system(then) != system(node)) {
            reasons.push(format!("{} became another system", node.name));
        }
    }
    reasons
}

/// Another primary than before, or the same one further back or with other rows.
fn primary(database: &str, first: &Snapshot, second: &Snapshot) -> Option<String> {
    let (before, after) = (first.primary(database)?, second.primary(database)?);
    let (then, now) = (before.state.as_ref()?, after.state.as_ref()?);
    let name = &after.name;
    if before.name != *name {
        return Some(format!("{name} took over from {}", before.name));
    }
    if (then.timeline, then.epoch) != (now.timeline, now.epoch) {
        return Some(format!(
            "{name} went from timeline {}, epoch {}, to timeline {}, epoch {}",
            then.timeline, then.epoch, now.timeline, now.epoch
        ));
    }
    if now.lsn < then.lsn {
        return Some(format!("{name} went back from {} to {}", then.lsn, now.lsn));
    }
    let moved = ROWS_OF.into_iter();
    let mut moved = moved.filter(|table| before.digest(table) != after.digest(table));
    let table = moved.next()?;
    Some(format!("table {table} was written on {name}"))
}

#[cfg(test)]
mod tests {
    use protocol::db::{Lsn, NodeState, Role};

    use crate::{
        snapshot::{NodeView, Witnesses},
        testing::Case,
        verdict::Verdict,
    };

    /// What is done to the last read of the stock database's nodes, and what is said of it.
    type Change = (fn(&mut [NodeView]), &'static str);

    fn each(nodes: &mut [NodeView], change: impl Fn(&mut NodeState)) {
        let states = nodes.iter_mut().filter_map(|node| node.state.as_mut());
        states.for_each(change);
    }

    const CHANGES: [Change; 5] = [
        (
            |nodes| each(nodes, |state| state.system_id = "8".to_owned()),
            "stock-db-0 became another system",
        ),
        (
            |nodes| each(nodes, |state| state.epoch = 0),
            "stock-db-0 went from timeline 1, epoch 1, to timeline 1, epoch 0",
        ),
        (
            |nodes| each(nodes, |state| state.lsn = Lsn(16)),
            "stock-db-0 went back from 0/3E8 to 0/10",
        ),
        (
            |nodes| {
                for node in nodes {
                    node.tables[1].digest = "other".to_owned();
                }
            },
            "table stock_movement was written on stock-db-0",
        ),
        (
            |nodes| {
                nodes[0].in_recovery = Some(true);
                nodes[1].in_recovery = Some(false);
                let [Some(old), Some(new)] = [0, 1].map(|at| nodes[at].state.clone()) else {
                    unreachable!("both have their account")
                };
                nodes[0].state = Some(NodeState {
                    name: old.name,
                    ..new.clone()
                });
                nodes[1].state = Some(NodeState {
                    name: new.name,
                    role: Role::Primary,
                    ..old
                });
            },
            "stock-db-1 took over from stock-db-0",
        ),
    ];

    #[test]
    fn reads_of_a_cluster_that_changed_between_them_earn_nothing() {
        for (change, what) in CHANGES {
            let mut case = Case::legal();
            change(&mut case.snapshots[1].databases[2].nodes);
            let judgement = case.judge();
            let reason = format!("between the final reads {what}");
            assert!(
                judgement.reasons.contains(&reason),
                "{:?}",
                judgement.reasons
            );
            assert_eq!(judgement.verdict, Verdict::Unknown, "{what}");
        }
    }

    #[test]
    fn reads_of_other_witnesses_earn_nothing() {
        let mut case = Case::legal();
        case.snapshots[0].witnesses = Witnesses::Balances;
        let reason = "between the final reads the witnesses changed";
        let judgement = case.judge();
        assert!(judgement.reasons.iter().any(|told| told == reason));
        assert_eq!(judgement.verdict, Verdict::Unknown);
    }

    #[test]
    fn a_log_that_goes_on_is_a_pass() {
        let mut case = Case::legal();
        for view in &mut case.snapshots[1].databases {
            each(&mut view.nodes, |state| state.lsn = Lsn(2000));
        }
        assert_eq!(case.judge().verdict, Verdict::Pass);
    }
}

//! The parts of a run belong together: they name the same run, the faults and nodes are the plan's, and what was read was read
//! when and where it says.

use crate::{
    check::Scene,
    evidence::Planned,
    judge::{Run, counts},
    snapshot::{DatabaseView, NodeView, Snapshot, Source},
};

/// How long before the load its initial state is read at most, in microseconds: an hour. Preparing comes before that.
const READ_BEFORE_US: i64 = 3_600 * 1_000_000;
/// How long after the load a final read is made at most, in microseconds: thirty days.
const READ_WITHIN_US: i64 = 30 * 86_400 * 1_000_000;

/// What in a run is not of it, or cannot be as it says.
pub(super) fn strangers(scene: &Scene<'_>) -> Vec<String> {
    let run = scene.run;
    let mut reasons = Vec::new();
    for (number, read) in (1..).zip(run.snapshots) {
        let found = nodes(run.planned, read)
            .into_iter()
            .chain(sources(run.planned, read));
        // In a shop that moves the rows and their digests are of two moments.
        let counts = if scene.quiet.is_quiet() {
            let counts = counts::of(run.initial, read).into_iter();
            counts.filter_map(|count| count.mismatch()).collect()
        } else {
            Vec::new()
        };
        reasons.extend(
            found
                .chain(counts)
                .map(|what| format!("final read {number}: {what}")),
        );
    }
    reasons
}

/// What was there before was read before the load, the final reads were made after it, and far enough apart. Otherwise nobody
/// knows what the load has changed.
pub(in crate::judge) fn times(run: &Run<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    let started_us = run.history.header.started_at_ms.saturating_mul(1000);
    let begun_us = i64::try_from(started_us).unwrap_or(i64::MAX);
    let before_us = begun_us.saturating_sub(run.initial.taken_at_us);
    // The history counts its beginning in whole milliseconds.
    if before_us <= -1_000 {
        reasons.push("the state before the load was read after it had begun".to_owned());
    } else if before_us > READ_BEFORE_US {
        reasons.push("the state before the load was read more than an hour before it".to_owned());
    }
    let ended_us = run.history.ended_at_us.unwrap_or(0);
    let ended_us = i64::try_from(started_us.saturating_add(ended_us)).unwrap_or(i64::MAX);
    for (number, read) in (1..).zip(run.snapshots) {
        let after_us = read.taken_at_us.saturating_sub(ended_us);
        if after_us < 0 {
            reasons.push(format!(
                "final read {number} was made before the load had ended"
            ));
        } else if after_us > READ_WITHIN_US && run.history.ended_at_us.is_some() {
            reasons.push(format!(
                "final read {number} was made more than 30 days after the load had ended"
            ));
        }
    }
    let stable_us = i64::try_from(run.planned.stable_ms.saturating_mul(1000)).unwrap_or(i64::MAX);
    for pair in run.snapshots.windows(2) {
        let apart_us = pair[1].taken_at_us.saturating_sub(pair[0].taken_at_us);
        if apart_us < stable_us {
            reasons.push(format!(
                "the final reads are {} ms apart, of at least {}",
                apart_us / 1000,
                stable_us / 1000
            ));
        }
    }
    reasons
}

/// The nodes of each database that were looked at are the plan's, each once and by its own name.
fn nodes(planned: &Planned, read: &Snapshot) -> Vec<String> {
    let mut reasons = Vec::new();
    for view in &read.databases {
        let name = &view.name;
        if planned.nodes.get(name).map(|nodes| sorted(nodes.iter())) != Some(names(view)) {
            reasons.push(format!(
                "the nodes of the {name} database are not the plan's"
            ));
        }
        let strangers = view.nodes.iter().filter_map(|node| {
            let told = &node.state.as_ref()?.name;
            (*told != node.name).then(|| format!("{} calls itself {told}", node.name))
        });
        reasons.extend(strangers);
    }
    for name in planned.nodes.keys() {
        match read
            .databases
            .iter()
            .filter(|view| view.name == *name)
            .count()
        {
            0 => reasons.push(format!("the {name} database was not looked at")),
            1 => {}
            times => reasons.push(format!("the {name} database was looked at {times} times")),
        }
    }
    reasons
}

fn names(view: &DatabaseView) -> Vec<&String> {
    sorted(view.nodes.iter().map(|node| &node.name))
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

/// The rows of each database come from one node that was its primary, on the timeline that it was on.
fn sources(planned: &Planned, read: &Snapshot) -> Vec<String> {
    let databases = planned.nodes.keys();
    databases
        .filter_map(|name| source(name, read).err())
        .collect()
}

fn source(database: &str, read: &Snapshot) -> Result<(), String> {
    let sources = read.sources.iter();
    let sources: Vec<&Source> = sources.filter(|of| of.database == database).collect();
    let [source] = sources[..] else {
        return Err(format!(
            "{} nodes are named beside the rows of the {database} database, and not 1",
            sources.len()
        ));
    };
    let timeline = |node: &NodeView| node.state.as_ref().map(|state| state.timeline);
    match read.primary(database) {
        Some(node) if node.name == source.node && timeline(node) == Some(source.timeline) => Ok(()),
        Some(_) | None => Err(format!(
            "the rows of the {database} database come from {} on timeline {}, which was not its primary then",
            source.node, source.timeline
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::{testing::Case, verdict::Verdict};

    /// What is done to a run that is otherwise legal, and what is said of it.
    type Swap = (fn(&mut Case), &'static str);

    const SWAPS: [Swap; 21] = [
        (
            |case| case.history.header.run = "other".to_owned(),
            "the history is of run `other`, and the plan of `20250101-120000-kill`",
        ),
        (
            |case| case.initial.run = "other".to_owned(),
            "the state before the load is of run `other`, and the plan of `20250101-120000-kill`",
        ),
        (
            |case| case.evidence.run = "other".to_owned(),
            "the evidence is of run `other`, and the plan of `20250101-120000-kill`",
        ),
        (
            |case| case.snapshots[1].run = "other".to_owned(),
            "the final read 2 is of run `other`, and the plan of `20250101-120000-kill`",
        ),
        (
            |case| case.history.header.seed = Some(7),
            "the load of the history has seed 7, and the plan's has seed 42",
        ),
        (
            |case| case.history.header.seed = None,
            "the load of the history has no seed, and the plan's has seed 42",
        ),
        (
            |case| drop(case.snapshots[0].databases[2].nodes.pop()),
            "final read 1: the nodes of the stock database are not the plan's",
        ),
        (
            |case| drop(case.snapshots[0].databases.pop()),
            "final read 1: the stock database was not looked at",
        ),
        (
            |case| {
                let nodes = &mut case.snapshots[0].databases[2].nodes;
                nodes.push(nodes[2].clone());
            },
            "final read 1: the nodes of the stock database are not the plan's",
        ),
        (
            |case| {
                let databases = &mut case.snapshots[0].databases;
                databases.push(databases[2].clone());
            },
            "final read 1: the stock database was looked at 2 times",
        ),
        (
            |case| {
                let state = &mut case.snapshots[1].databases[2].nodes[2].state;
                state.as_mut().unwrap().name = "stock-db-1".to_owned();
            },
            "final read 2: stock-db-2 calls itself stock-db-1",
        ),
        (
            |case| case.history.ended_at_us = Some(29_000_000),
            "the history ends at 29.000 s, and has a record of",
        ),
        (
            |case| case.snapshots[1].taken_at_us += 30 * 86_400_000_000,
            "final read 2 was made more than 30 days after the load had ended",
        ),
        (
            |case| case.snapshots[1].taken_at_us -= 1,
            "the final reads are 2999 ms apart, of at least 3000",
        ),
        (
            |case| case.snapshots[0].taken_at_us = 1_700_000_039_999_999,
            "final read 1 was made before the load had ended",
        ),
        (
            |case| drop(case.snapshots[1].sources.pop()),
            "final read 2: 0 nodes are named beside the rows of the stock database, and not 1",
        ),
        (
            |case| case.snapshots[1].sources[2].node = "stock-db-1".to_owned(),
            "final read 2: the rows of the stock database come from stock-db-1 on timeline 1, which was not its primary then",
        ),
        (
            |case| case.snapshots[1].sources[2].timeline = 2,
            "final read 2: the rows of the stock database come from stock-db-0 on timeline 2, which was not its primary then",
        ),
        (
            |case| {
                for snapshot in &mut case.snapshots {
                    snapshot.users.truncate(7);
                    snapshot.api.users.truncate(7);
                }
                case.initial.users.truncate(7);
            },
            "final read 1: 7 rows of table account were read, and payment-db-0 has 8",
        ),
        (
            |case| case.initial.stock_movements = 3,
            "rows of table stock_movement were read, and stock-db-0 has",
        ),
        (
            |case| {
                for node in &mut case.snapshots[0].databases[0].nodes {
                    node.tables.retain(|digest| digest.table != "order_line");
                }
            },
            "final read 1: order-db-0 has no digest of table order_line",
        ),
    ];

    #[test]
    fn a_run_of_parts_that_do_not_belong_together_is_unknown() {
        for (swap, reason) in SWAPS {
            let mut case = Case::legal();
            swap(&mut case);
            let judgement = case.judge();
            let told = judgement.reasons.iter().any(|told| told.contains(reason));
            assert!(told, "{reason}: {:?}", judgement.reasons);
            assert_eq!(judgement.verdict, Verdict::Unknown, "{reason}");
        }
    }
}

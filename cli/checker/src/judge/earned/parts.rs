//! The parts of a run belong together: they name the same run, the faults and nodes are the plan's, and what was read was read
//! when and where it says.

use std::collections::BTreeSet;

use crate::{
    check::Scene,
    evidence::{FaultEvidence, Planned},
    judge::Run,
    snapshot::{DatabaseView, Initial, NodeView, Snapshot, Source},
};

/// What in a run is not of it, or cannot be as it says.
pub(super) fn strangers(scene: &Scene<'_>) -> Vec<String> {
    let run = scene.run;
    let mut reasons = faults(run);
    reasons.extend(times(run));
    for (number, read) in (1..).zip(run.snapshots) {
        let found = nodes(run.planned, read)
            .into_iter()
            .chain(sources(run.planned, read));
        // In a shop that moves the rows and their digests are of two moments.
        let counts = if scene.quiet.is_quiet() {
            counts(run.initial, read)
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

/// Each planned fault has its evidence, and there is none of another.
fn faults(run: &Run<'_>) -> Vec<String> {
    let planned = &run.planned.faults;
    let faults = &run.evidence.faults;
    let absent = planned.iter().enumerate().filter(|(place, name)| {
        let of = |fault: &&FaultEvidence| fault.place == *place && fault.name == **name;
        faults.iter().find(of).is_none()
    });
    let absent = absent.map(|(place, name)| {
        let number = place + 1;
        format!("of the planned fault {number}, {name}, there is no evidence")
    });
    let strange = faults
        .iter()
        .filter(|fault| planned.get(fault.place) != Some(&fault.name));
    let strange =
        strange.map(|fault| format!("{}: it is not what the plan has in its place", fault.name));
    absent.chain(strange).collect()
}

/// The final reads were made after the load, and far enough apart.
fn times(run: &Run<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    let started_us = run.history.header.started_at_ms.saturating_mul(1000);
    let ended_us = run.history.ended_at_us.unwrap_or(0);
    let ended_us = i64::try_from(started_us.saturating_add(ended_us)).unwrap_or(i64::MAX);
    for (number, read) in (1..).zip(run.snapshots) {
        if read.taken_at_us < ended_us {
            reasons.push(format!(
                "final read {number} was made before the load had ended"
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

/// The nodes of each database that were looked at are the plan's.
fn nodes(planned: &Planned, read: &Snapshot) -> Vec<String> {
    let names = |view: &DatabaseView| -> BTreeSet<String> {
        view.nodes.iter().map(|node| node.name.clone()).collect()
    };
    let wrong = read.databases.iter().filter(|view| {
        let wanted = planned.nodes.get(&view.name);
        wanted.is_none_or(|wanted| names(view) != wanted.iter().cloned().collect())
    });
    let wrong = wrong.map(|view| {
        let name = &view.name;
        format!("the nodes of the {name} database are not the plan's")
    });
    let looked_at = |name: &&String| read.databases.iter().any(|view| view.name == **name);
    let absent = planned.nodes.keys().filter(|name| !looked_at(name));
    wrong
        .chain(absent.map(|name| format!("the {name} database was not looked at")))
        .collect()
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
    match primary(database, read) {
        Some(node) if node.name == source.node && timeline(node) == Some(source.timeline) => Ok(()),
        Some(_) | None => Err(format!(
            "the rows of the {database} database come from {} on timeline {}, which was not its primary then",
            source.node, source.timeline
        )),
    }
}

fn primary<'a>(database: &str, read: &'a Snapshot) -> Option<&'a NodeView> {
    let view = read.databases.iter().find(|view| view.name == database)?;
    view.primaries().into_iter().next()
}

/// As many rows were read as the primary counted where it digested them.
fn counts(initial: &Initial, read: &Snapshot) -> Vec<String> {
    let mut read_rows: Vec<(&str, &str, u64)> = Vec::new();
    if read.witnesses.have_balances() {
        let lines = read.orders.iter().map(|order| order.lines.len() as u64);
        read_rows.extend([
            ("order", "shop_order", read.orders.len() as u64),
            ("order", "order_line", lines.sum()),
            ("payment", "account", read.users.len() as u64),
            ("stock", "item", read.items.len() as u64),
        ]);
    }
    if read.witnesses.have_ledgers() {
        let stock = read.stock_movements.iter();
        let stock = stock.filter(|row| row.movement_id > initial.stock_watermark);
        let stock = initial.stock_movements.saturating_add(stock.count() as u64);
        let payment = read.payment_movements.iter();
        let payment = payment.filter(|row| row.movement_id > initial.payment_watermark);
        let payment = initial
            .payment_movements
            .saturating_add(payment.count() as u64);
        read_rows.extend([
            ("stock", "stock_movement", stock),
            ("payment", "payment_movement", payment),
        ]);
    }
    read_rows
        .into_iter()
        .filter_map(|(database, table, rows)| {
            let primary = primary(database, read)?;
            let digest = primary.tables.iter().find(|digest| digest.table == table);
            match digest {
                Some(digest) if digest.rows == rows => None,
                Some(digest) => Some(format!(
                    "{rows} rows of table {table} were read, and {} has {}",
                    primary.name, digest.rows
                )),
                None => Some(format!("{} has no digest of table {table}", primary.name)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::{testing::Case, verdict::Verdict};

    /// What is done to a run that is otherwise legal, and what is said of it.
    type Swap = (fn(&mut Case), &'static str);

    const SWAPS: [Swap; 17] = [
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
            |case| case.planned.faults.push("pause redis".to_owned()),
            "of the planned fault 2, pause redis, there is no evidence",
        ),
        (
            |case| case.evidence.faults[0].place = 1,
            "kill stock-db-primary: it is not what the plan has in its place",
        ),
        (
            |case| case.evidence.faults[0].name = "kill redis".to_owned(),
            "kill redis: it is not what the plan has in its place",
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

//! Where nodes were to be written to straight, every one of them was, all the time that it was there.

use std::collections::{BTreeMap, HashSet};

use crate::{
    evidence::{DirectWrite, DirectWrites, GapCause, WriterGap},
    explain::seconds,
    judge::Run,
};

/// How far the wall clock of a node may be from that of the run, in microseconds.
const ASIDE_US: i64 = 1_000_000;
/// How many writes of a node may be there that it acknowledged to nobody, besides one in each second: a writer gives one up
/// after 2 s, and loses one with each connection.
const UNACKNOWLEDGED_MAX: u64 = 8;

/// What nobody can say of the nodes' own acknowledgements.
pub(super) fn gaps(run: &Run<'_>) -> Vec<String> {
    let Some(direct) = &run.evidence.direct_writes else {
        let missing = "direct writes were planned, and there is no evidence of them";
        let planned = run.planned.direct_writes;
        return planned.then(|| missing.to_owned()).into_iter().collect();
    };
    if !run.planned.direct_writes {
        return vec!["there are direct writes, and the plan has none".to_owned()];
    }
    let nodes = run.planned.nodes.values().flatten();
    let unwritten = nodes.filter(|node| !direct.begun.contains(node));
    let unwritten = unwritten.map(|node| format!("no direct writer ever began beside {node}"));
    let mut reasons: Vec<String> = unwritten.chain(direct.gaps.iter().map(told)).collect();
    reasons.extend(strange(run, direct));
    reasons.extend(unheard(run, direct));
    for database in run.planned.nodes.keys() {
        let writes = direct.writes.iter();
        let writes: Vec<_> = writes.filter(|write| write.database == *database).collect();
        reasons.extend(unwritten_times(run, database, &writes));
        reasons.extend(other_timelines(run, database, &writes));
    }
    reasons
}

fn told(gap: &WriterGap) -> String {
    let (node, from) = (&gap.node, seconds(gap.from_us));
    let until = seconds(gap.until_us);
    let why = match &gap.cause {
        GapCause::NotPlaced(why) => format!("none could be put beside it: {why}"),
        GapCause::Silent => "it was not heard".to_owned(),
        GapCause::Unread(lines) => format!("{lines} of its lines could not be read"),
        GapCause::NotFollowed(why) => format!("the engine did not say where the nodes are: {why}"),
    };
    format!("the direct writer of {node}, from {from} to {until}: {why}")
}

/// The first write that cannot be as it says.
fn strange(run: &Run<'_>, direct: &DirectWrites) -> Option<String> {
    direct.writes.iter().find_map(|write| {
        let (database, node) = (&write.database, &write.node);
        let nodes = run.planned.nodes.get(database);
        if !nodes.is_some_and(|nodes| nodes.contains(node)) {
            return Some(format!(
                "a direct write is of {node} of the {database} database, which the plan does not have"
            ));
        }
        (write.acked_at_us < write.sent_at_us).then(|| {
            format!("a direct write of {node} was acknowledged before it was sent")
        })
    })
}

/// The nodes of which so many writes are on the primary without any evidence that a part of the evidence must be missing.
fn unheard(run: &Run<'_>, direct: &DirectWrites) -> Vec<String> {
    let rows = run
        .snapshots
        .last()
        .and_then(|last| last.direct_writes.as_ref());
    let names = direct.writes.iter();
    let names = names.map(|write| (write.database.as_str(), write.node.as_str(), write.sent_us));
    let acknowledged: HashSet<_> = names.collect();
    let mut nodes: BTreeMap<(&str, &str), Vec<i64>> = BTreeMap::new();
    for row in rows.into_iter().flatten() {
        let of = nodes.entry((&row.database, &row.node)).or_default();
        of.push(row.sent_us);
    }
    let told = nodes.into_iter().filter_map(|((database, node), sent)| {
        let (first, last) = (sent.iter().min()?, sent.iter().max()?);
        let seconds = last.abs_diff(*first) / 1_000_000;
        let mut odd = sent.clone();
        odd.retain(|sent_us| !acknowledged.contains(&(database, node, *sent_us)));
        (odd.len() as u64 > UNACKNOWLEDGED_MAX.saturating_add(seconds)).then(|| {
            format!(
                "the primary has {} direct writes of {node}, and there is no evidence of {} of them",
                sent.len(),
                odd.len()
            )
        })
    });
    told.collect()
}

/// Whether nothing was acknowledged before the first fault, or after the last healing.
fn unwritten_times(run: &Run<'_>, database: &str, writes: &[&DirectWrite]) -> Vec<String> {
    let start_us = run.history.header.started_at_ms.saturating_mul(1000);
    let unix_us = |at_us: u64| i64::try_from(start_us.saturating_add(at_us)).unwrap_or(i64::MAX);
    let faults = || run.evidence.faults.iter();
    let first_us = faults().filter_map(|fault| fault.injected_us).min();
    let last_us = faults().filter_map(|fault| fault.healed_us).max();
    let mut sent = writes.iter().map(|write| write.sent_us);
    let mut reasons = Vec::new();
    if let Some(first_us) = first_us
        && !sent
            .clone()
            .any(|sent_us| sent_us.saturating_sub(ASIDE_US) <= unix_us(first_us))
    {
        reasons.push(format!(
            "no direct write of the {database} database was acknowledged before the first fault"
        ));
    }
    if let Some(last_us) = last_us
        && !sent.any(|sent_us| sent_us.saturating_add(ASIDE_US) >= unix_us(last_us))
    {
        reasons.push(format!(
            "no direct write of the {database} database was acknowledged after the last healing"
        ));
    }
    reasons
}

/// Whether nothing was acknowledged by the last primary on its timeline, or something on a later one.
fn other_timelines(run: &Run<'_>, database: &str, writes: &[&DirectWrite]) -> Option<String> {
    let primary = run.snapshots.last()?.primary(database)?;
    let (name, timeline) = (&primary.name, primary.state.as_ref()?.timeline);
    if let Some(later) = writes.iter().find(|write| write.timeline > timeline) {
        return Some(format!(
            "{} acknowledged a direct write on timeline {}, and the last primary {name} is on timeline {timeline}",
            later.node, later.timeline
        ));
    }
    let own = |write: &&&DirectWrite| write.timeline == timeline && write.node == *name;
    let none = writes.iter().find(own).is_none();
    none.then(|| {
        format!("the last primary {name} acknowledged no direct write on timeline {timeline}")
    })
}

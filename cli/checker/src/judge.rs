//! From everything that is known of a run to its verdict.

use std::collections::BTreeMap;

use protocol::saga::TOPICS;

use crate::{
    availability::{self, operations},
    book::Book,
    check::{self, Looked, Scene},
    evidence::{Evidence, Planned},
    history::History,
    snapshot::{Initial, Snapshot, differences, repetitions, row_differences},
    verdict::{Budgets, Check, CheckReport, FORMAT, Judgement, Label, Status, VERSION, Verdict},
};

mod counts;
mod earned;
mod footing;
mod told;
mod totals;

pub(crate) use footing::Footing;
use told::Told;

/// All that is known of a run.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    pub planned: &'a Planned,
    pub history: &'a History,
    pub initial: &'a Initial,
    /// The final reads, in the order in which they were made: two are needed for a PASS.
    pub snapshots: &'a [Snapshot],
    pub evidence: &'a Evidence,
    pub budgets: &'a Budgets,
}

/// Judges a run. The same run is judged the same every time.
#[must_use]
pub fn judge(run: &Run<'_>) -> Judgement {
    with_scene(run, judge_scene)
}

/// Works on a run with its books made up.
pub(crate) fn with_scene<T>(run: &Run<'_>, work: impl FnOnce(&Scene<'_>) -> T) -> T {
    let nothing = Snapshot::missing();
    let last = run.snapshots.last().unwrap_or(&nothing);
    let book = Book::new(run.history, run.initial, last);
    let quiet = Quiet::of(run);
    let footing = Footing::of(run);
    work(&Scene {
        run,
        last,
        book: &book,
        quiet: &quiet,
        footing: &footing,
    })
}

pub(crate) fn judge_scene(scene: &Scene<'_>) -> Judgement {
    let run = scene.run;
    let mut verdict = Verdict::Pass;
    let mut reasons = Vec::new();
    for reason in scene.footing.reasons() {
        verdict = verdict.worst(Verdict::Unknown);
        reasons.push((Verdict::Unknown, reason.clone()));
    }
    let mut checks = Vec::new();
    let mut told = Told::default();
    for (check, looked) in check::all(scene) {
        let (report, found) = report(scene, check, &looked);
        for (worst, _) in &found {
            verdict = verdict.worst(*worst);
        }
        reasons.extend(found);
        checks.push(report);
        told.tell(scene, check, looked.findings);
    }
    let operations = operations(run.history);
    let availability = availability::of(&operations, run.evidence);
    for (worst, reason) in earned::shortcomings(scene, &operations, &availability) {
        verdict = verdict.worst(worst);
        reasons.push((worst, reason));
    }
    // The reasons of the worst verdict first, each kind in the order in which it was found.
    reasons.sort_by_key(|(worst, _)| (worst.worst(verdict) != *worst, worst.exit_code()));
    Judgement {
        format: FORMAT.to_owned(),
        version: VERSION,
        run: run.history.header.run.clone(),
        verdict,
        exit_code: verdict.exit_code(),
        reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
        checks,
        causes: told.causes,
        violations: told.violations,
        availability,
        totals: totals::of(&operations, scene.book),
    }
}

/// What a check comes to: its line in the result, and each verdict that it forces, with the reason.
fn report(
    scene: &Scene<'_>,
    check: Check,
    looked: &Looked,
) -> (CheckReport, Vec<(Verdict, String)>) {
    let found = looked.findings.len();
    let certain = looked
        .findings
        .iter()
        .any(|finding| !is_suspected(scene, finding.label));
    let undecided = match &looked.undecided {
        None if looked.counted == 0 => Some("there was nothing to look at".to_owned()),
        undecided => undecided.clone(),
    };
    let mut reasons = Vec::new();
    if certain {
        reasons.push((Verdict::Violation, format!("{check}: {}", tally(looked))));
    } else if found > 0 {
        let reason = format!(
            "{check}: {} suspected, which proves nothing yet",
            tally(looked)
        );
        reasons.push((Verdict::Unknown, reason));
    }
    if let Some(why) = &undecided {
        reasons.push((Verdict::Unknown, format!("{check}: undecided, {why}")));
    }
    let status = match (certain, found, &undecided) {
        (true, _, _) => Status::Violated,
        (false, 1.., _) => Status::Suspected,
        (false, 0, Some(_)) => Status::Undecided,
        (false, 0, None) => Status::Held,
    };
    let report = CheckReport {
        name: check,
        status,
        counted: looked.counted,
        violations: found as u64,
        undecided,
    };
    (report, reasons)
}

/// How many of each label, e.g. `2 DIVERGED, 1 SPLIT_BRAIN`.
fn tally(looked: &Looked) -> String {
    let mut counts: BTreeMap<Label, usize> = BTreeMap::new();
    for finding in &looked.findings {
        *counts.entry(finding.label).or_default() += 1;
    }
    let counts = counts
        .iter()
        .map(|(label, count)| format!("{count} {label}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// Whether something of this kind proves nothing: as long as sagas run, or where the history is empty or lacks something,
/// or where the parts of the run are not of one run.
pub(crate) fn is_suspected(scene: &Scene<'_>, label: Label) -> bool {
    let is_whole = scene.book.has_whole_history() && !scene.run.history.attempts.is_empty();
    let absence_proves_nothing = !is_whole && label.rests_on_absence();
    let moving = match label {
        // Healthy and past the deadline, as its check knows; then only the two identical reads may lack.
        Label::Stuck => !scene.quiet.rows_at_rest,
        label => label.needs_quiescence() && !scene.quiet.is_quiet(),
    };
    absence_proves_nothing || moving || !scene.footing.is_firm()
}

/// Whether the shop was at rest at the final reads, and why not.
pub(crate) struct Quiet {
    missing: Vec<String>,
    /// There are two final reads or more, and every user, item, order and movement is the same in all.
    rows_at_rest: bool,
}

impl Quiet {
    pub(crate) fn of(run: &Run<'_>) -> Self {
        let settle = &run.evidence.settle;
        let mut missing = Vec::new();
        for (done, what) in [
            (settle.load_stopped, "the load did not stop"),
            (settle.faults_healed, "not every fault was healed"),
            (settle.converged, "the stack did not converge"),
            (settle.quiescent, "the shop did not come to rest"),
        ] {
            if !done {
                missing.push(what.to_owned());
            }
        }
        if run.snapshots.len() < 2 {
            missing.push(format!(
                "there are {} final reads of 2",
                run.snapshots.len()
            ));
        }
        for pair in run.snapshots.windows(2) {
            missing.extend(
                differences(&pair[0], &pair[1])
                    .iter()
                    .map(ToString::to_string),
            );
        }
        let pairs = || run.snapshots.windows(2);
        let repeated: Vec<String> = run.snapshots.iter().flat_map(repetitions).collect();
        let rows_at_rest = run.snapshots.len() > 1
            && repeated.is_empty()
            && pairs().all(|pair| row_differences(&pair[0], &pair[1]).is_empty());
        missing.extend(repeated);
        if let Some(last) = run.snapshots.last() {
            let open = last.sagas.len();
            if open > 0 {
                missing.push(format!("{open} sagas have not ended"));
            }
            for topic in TOPICS {
                let mut lanes = last
                    .lanes
                    .iter()
                    .filter(|lane| lane.topic == topic)
                    .peekable();
                if lanes.peek().is_none() {
                    missing.push(format!("no lane of {topic} was read"));
                } else if lanes.any(|lane| !lane.is_drained()) {
                    missing.push(format!("the lane of {topic} is not empty"));
                }
            }
        }
        missing.extend(short_reads(run));
        Self {
            missing,
            rows_at_rest,
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.missing.is_empty()
    }

    pub(crate) fn missing(&self) -> &[String] {
        &self.missing
    }
}

/// Rows that were there and were not read: what seems to be missing may be among them.
fn short_reads(run: &Run<'_>) -> Vec<String> {
    let reads = (1..).zip(run.snapshots);
    let counts = reads.flat_map(|(number, read)| {
        let counts = counts::of(run.initial, read).into_iter();
        let short = counts.filter(counts::TableCount::is_short);
        short.filter_map(move |count| Some(format!("final read {number}: {}", count.mismatch()?)))
    });
    counts.collect()
}

#[cfg(test)]
mod tests;

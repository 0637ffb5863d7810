//! From everything that is known of a run to its verdict.

use std::collections::BTreeMap;

use protocol::saga::TOPICS;

use crate::{
    availability::{self, operations},
    book::{Book, Index, Ledgers},
    check::{self, Looked, Scene},
    evidence::Evidence,
    explain,
    history::History,
    snapshot::{Initial, Snapshot, differences},
    verdict::{
        Budgets, Check, CheckReport, FORMAT, Judgement, Label, Status, VERSION, VIOLATIONS_MAX,
        Verdict, Violation,
    },
};

mod earned;
mod totals;

/// All that is known of a run.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
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
    let nothing = Snapshot::default();
    let last = run.snapshots.last().unwrap_or(&nothing);
    let ledgers = Ledgers::new(run.initial, last);
    let index = Index::new(run.history);
    let book = Book::new(run.history, run.initial, last, &ledgers, &index);
    let quiet = Quiet::of(run);
    let scene = Scene {
        run,
        last,
        book: &book,
        quiet: &quiet,
    };

    let mut verdict = Verdict::Pass;
    let mut reasons = Vec::new();
    let mut checks = Vec::new();
    let mut violations = Vec::new();
    for (check, looked) in check::all(&scene) {
        let (report, worst, reason) = report(&scene, check, &looked);
        verdict = verdict.worst(worst);
        reasons.extend(reason.map(|reason| (worst, reason)));
        checks.push(report);
        violations.extend(
            looked
                .findings
                .iter()
                .take(VIOLATIONS_MAX)
                .map(|finding| Violation {
                    label: finding.label,
                    check,
                    suspected: is_suspected(&scene, finding.label),
                    subject: finding.subject.clone(),
                    orders: finding.orders.clone(),
                    text: explain::explain(&scene, finding),
                }),
        );
    }
    let operations = operations(run.history);
    let availability = availability::of(&operations, run.evidence);
    for (worst, reason) in earned::shortcomings(&scene, &operations, &availability) {
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
        violations,
        availability,
        totals: totals::of(&operations, &book),
    }
}

/// What a check comes to: its line in the result, the verdict that it forces, and why.
fn report(
    scene: &Scene<'_>,
    check: Check,
    looked: &Looked,
) -> (CheckReport, Verdict, Option<String>) {
    let found = looked.findings.len();
    let certain = looked
        .findings
        .iter()
        .any(|finding| !is_suspected(scene, finding.label));
    let (status, verdict, reason) = if certain {
        let reason = format!("{check}: {}", tally(looked));
        (Status::Violated, Verdict::Violation, Some(reason))
    } else if found > 0 {
        let reason = format!(
            "{check}: {} suspected, which proves nothing yet",
            tally(looked)
        );
        (Status::Suspected, Verdict::Unknown, Some(reason))
    } else if let Some(why) = &looked.undecided {
        let reason = format!("{check}: undecided, {why}");
        (Status::Undecided, Verdict::Unknown, Some(reason))
    } else if looked.counted == 0 {
        let reason = format!("{check}: undecided, there was nothing to look at");
        (Status::Undecided, Verdict::Unknown, Some(reason))
    } else {
        (Status::Held, Verdict::Pass, None)
    };
    let report = CheckReport {
        name: check,
        status,
        counted: looked.counted,
        violations: found as u64,
    };
    (report, verdict, reason)
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

/// Whether something of this kind proves nothing as long as sagas run, or the history is empty or lacks its end.
fn is_suspected(scene: &Scene<'_>, label: Label) -> bool {
    let history = scene.run.history;
    let absence_proves_nothing = (!history.is_complete() || history.attempts.is_empty())
        && matches!(label, Label::Phantom | Label::CreditLeak | Label::StockLeak);
    absence_proves_nothing || (label.check().needs_quiescence() && !scene.quiet.is_quiet())
}

/// Whether the shop was at rest at the final reads, and why not.
pub(crate) struct Quiet {
    missing: Vec<String>,
}

impl Quiet {
    fn of(run: &Run<'_>) -> Self {
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
        Self { missing }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.missing.is_empty()
    }

    pub(crate) fn missing(&self) -> &[String] {
        &self.missing
    }
}

#[cfg(test)]
mod tests;

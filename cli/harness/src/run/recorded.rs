//! What a run recorded, read back and judged: no stack, no engine and no clock is asked.

use checker::{
    Evidence, History, Initial, Judgement, Run, Snapshot, Story, history::Op, judge,
    snapshot::DatabaseView, story,
};
use protocol::OrderId;

use super::plan::Plan;
use crate::{
    cluster::Cluster,
    error::{Error, Result},
    fault,
    report::{self, Reported},
    rundir::{FINAL_READS, RunDir},
};

/// Everything that stands in a run's directory.
#[derive(Debug)]
pub struct Recorded {
    pub plan: Plan,
    pub history: History,
    /// `None`: the run did not come that far.
    pub initial: Option<Initial>,
    pub evidence: Evidence,
    /// The final reads that there are.
    pub snapshots: Vec<Snapshot>,
}

/// A run that was judged, without the tables that only the checks need.
#[derive(Debug)]
pub struct Judged {
    pub judgement: Judgement,
    pub plan: Plan,
    pub history: History,
    pub evidence: Evidence,
    /// The databases at the last final read; empty where there was none.
    pub databases: Vec<DatabaseView>,
    /// Why the result is not in the run's directory, where it could not be written: the verdict stands without.
    pub unwritten: Option<Error>,
}

impl Recorded {
    /// Reads a run as far as it goes. A run that was killed has a history up to its last whole line, and no
    /// evidence: its faults are then unproved.
    ///
    /// # Errors
    /// [`Error::Run`]: a file is damaged or foreign.
    pub fn load(dir: &RunDir) -> Result<Self> {
        let plan = dir.plan()?;
        // Two large things, read side by side.
        let (snapshots, history) = std::thread::scope(|scope| {
            let snapshots = scope.spawn(|| dir.snapshots());
            let history = dir.history();
            (joined(snapshots.join()), history)
        });
        Ok(Self {
            history: history?,
            initial: dir.initial()?,
            evidence: evidence(dir, &plan)?,
            snapshots: snapshots?,
            plan,
        })
    }

    /// Whether it has all of its final reads.
    #[must_use]
    pub fn has_final_reads(&self) -> bool {
        self.snapshots.len() == FINAL_READS
    }

    /// Judges it.
    #[must_use]
    pub fn judge(&self) -> Judgement {
        self.with_run(judge)
    }

    /// Judges it, writes the result, and lets the tables go.
    fn close(mut self, dir: &RunDir) -> Judged {
        let judgement = self.judge();
        let last = self.snapshots.pop();
        Judged {
            unwritten: dir.write_result(&judgement).err(),
            judgement,
            plan: self.plan,
            history: self.history,
            evidence: self.evidence,
            databases: last.map(|last| last.databases).unwrap_or_default(),
        }
    }

    fn with_run<T>(&self, work: impl FnOnce(&Run<'_>) -> T) -> T {
        // What is not there is of no other run.
        let nothing = Initial {
            run: self.plan.run.clone(),
            ..Initial::default()
        };
        work(&Run {
            planned: &self.plan.planned(),
            history: &self.history,
            initial: self.initial.as_ref().unwrap_or(&nothing),
            snapshots: &self.snapshots,
            evidence: &self.evidence,
            budgets: &self.plan.budgets,
        })
    }

    /// The orders that the load tried to check out, ascending.
    pub(super) fn touched(&self) -> Vec<OrderId> {
        let attempts = self.history.attempts.iter();
        let mut touched: Vec<OrderId> = attempts
            .filter_map(|attempt| match attempt.invoke.op {
                Op::Checkout { order } => Some(order),
                _ => None,
            })
            .collect();
        touched.sort();
        touched.dedup();
        touched
    }
}

/// What was seen of a run. One that was killed wrote no evidence: its faults are then unproved.
pub(crate) fn evidence(dir: &RunDir, plan: &Plan) -> Result<Evidence> {
    let unproved = || Evidence {
        run: plan.run.clone(),
        faults: plan
            .faults()
            .map(|fault| fault::never(fault, "what became of it: the run was cut short"))
            .collect(),
        ..Evidence::default()
    };
    Ok(dir.evidence()?.unwrap_or_else(unproved))
}

fn joined<T>(result: std::thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Judges a run by what it recorded and writes the result.
///
/// # Errors
/// [`Error::Run`]: a file is damaged or foreign.
pub fn offline(dir: &RunDir) -> Result<Judged> {
    Ok(Recorded::load(dir)?.close(dir))
}

/// Writes the reports of a run that was interrupted: UNKNOWN, for it lacks its final reads.
pub(super) fn report_as_far_as_it_came(cluster: &Cluster, dir: &RunDir) {
    let written = offline(dir)
        .and_then(|mut judged| match judged.unwritten.take() {
            Some(error) => Err(error),
            None => Reported::of(dir, judged),
        })
        .and_then(|reported| report::write(dir, &reported));
    match written {
        Ok(page) => cluster
            .events
            .note(format!("as far as it came: {}", page.display())),
        Err(error) => cluster.events.warn(format!("no report: {error}")),
    }
}

/// As [`offline`]; `None`: the run lacks its final reads.
///
/// # Errors
/// As [`offline`].
pub fn stored(dir: &RunDir) -> Result<Option<Judged>> {
    let recorded = Recorded::load(dir)?;
    if !recorded.has_final_reads() {
        return Ok(None);
    }
    Ok(Some(recorded.close(dir)))
}

/// One order's story, by what the run recorded.
///
/// # Errors
/// [`Error::Run`]: a file is damaged or foreign, or nobody in the run has heard of the order.
pub fn story_of(dir: &RunDir, order: OrderId) -> Result<Story> {
    let recorded = Recorded::load(dir)?;
    recorded
        .with_run(|run| story(run, order))
        .ok_or_else(|| Error::Run {
            path: dir.path().to_owned(),
            reason: format!("nobody in this run has heard of an order {order}"),
        })
}

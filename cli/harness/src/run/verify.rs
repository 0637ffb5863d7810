//! Judges a run: settles the stack, takes the final reads, and hands everything to the checker.

use std::{collections::BTreeMap, time::Duration};

use checker::{Initial, Snapshot, evidence::DirectWrites, snapshot::Subject, verdict::Label};
use futures_util::future::LocalBoxFuture;

use super::{
    CALL_TIMEOUT, client, mark,
    plan::{Plan, SettlePlan},
    recorded::{Judged, Recorded, offline, report_as_far_as_it_came},
};
use crate::{
    agent::Agent,
    cluster::Cluster,
    error::{Error, Result},
    event::Event,
    lock::{self, Holder, Lock},
    printable,
    recorder::unix_ms,
    rundir::RunDir,
    scenario::Settle,
    settle::{Load, settle},
    snapshot::{self, Sample},
    stack::overview::Overview,
};

/// How much of each kind is read across the API, besides what is suspicious.
const SAMPLE_MAX: usize = 500;

/// How many violations of each label are looked at across the API.
const SUSPICIOUS_MAX: usize = 1000;

/// How final reads are taken.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long the stack may take to settle.
    pub settle: Duration,
    /// Between the two final reads.
    pub stable_for: Duration,
}

impl From<SettlePlan> for Options {
    fn from(plan: SettlePlan) -> Self {
        Self {
            settle: Duration::from_millis(plan.timeout_ms),
            stable_for: Duration::from_millis(plan.stable_ms),
        }
    }
}

/// Settles the stack, takes the final reads, and judges.
///
/// # Errors
/// The stack is not the run's any more, or the engine does not answer.
pub fn verify<'a>(
    cluster: &'a Cluster,
    dir: &'a RunDir,
    options: Options,
) -> LocalBoxFuture<'a, Result<Judged>> {
    Box::pin(async move {
        let judged = settle_and_judge(cluster, dir, options).await;
        if let Err(Error::Interrupted) = judged {
            report_as_far_as_it_came(cluster, dir);
        }
        judged
    })
}

async fn settle_and_judge(cluster: &Cluster, dir: &RunDir, options: Options) -> Result<Judged> {
    let mut recorded = Recorded::load(dir)?;
    let had_reads = recorded.has_final_reads();
    let overview = Overview::of_deployed(cluster).await?;
    let stack = mark(cluster, &overview).await?;
    let lock_path = lock::path(&stack.id)?;
    is_still_there(dir, &recorded.plan, &stack.id, overview.last_run())?;
    let holder = Holder {
        pid: std::process::id(),
        doing: format!("webshop verify {}", dir.name()),
    };
    let held = Lock::take(&lock_path, &stack.name, &holder)?;
    let client = client(cluster, &overview, CALL_TIMEOUT).await?;
    let agent = Agent::new(cluster);

    let phase = |name: &str| {
        cluster.events.emit(Event::Phase {
            name: name.to_owned(),
        });
    };
    phase("settle");
    let load = Load::of_history(&recorded.history, &held);
    let least = overview
        .checkout_deadline()
        .saturating_add(Settle::AFTER_CHECKOUTS);
    recorded.evidence.settle = settle(cluster, &agent, load, options.settle.max(least)).await?;
    heal(&mut recorded);
    phase("verify");
    if let Some(initial) = recorded.initial.take() {
        let direct = recorded.evidence.direct_writes.as_ref();
        recorded.snapshots = reads(cluster, &agent, &initial, direct, options.stable_for).await?;
        if recorded.snapshots.is_empty() && had_reads {
            return Err(Error::Agent {
                reason: "what the databases hold now; the final reads from before stay".to_owned(),
            });
        }
        recorded.initial = Some(initial);
        let sample = sample(&recorded);
        if let Some(last) = recorded.snapshots.last_mut() {
            cluster.events.note(format!(
                "reading {} orders, {} users, {} items across the API",
                sample.orders.len(),
                sample.users.len(),
                sample.items.len()
            ));
            last.api = interruptible(cluster, async {
                Ok(snapshot::cross_read(&client, &sample).await)
            })
            .await?;
        }
        dir.write_snapshots(&recorded.snapshots)?;
    }
    dir.write_evidence(&recorded.evidence)?;
    drop(recorded);
    // Judged by what was written, so that judging it again from there can only say the same.
    offline(dir)
}

/// The final reads of a run can only be taken from its own stack, before another run changes the rows.
fn is_still_there(dir: &RunDir, plan: &Plan, stack_id: &str, last_run: Option<&str>) -> Result<()> {
    let unfit = |reason: String| Error::Run {
        path: dir.path().to_owned(),
        reason,
    };
    if plan.stack.id != stack_id {
        return Err(unfit(format!(
            "it ran on another stack `{}` than the one that is up now, so its final reads cannot be taken",
            plan.stack.name
        )));
    }
    match last_run {
        Some(last) if last == plan.run => Ok(()),
        Some(last) => Err(unfit(format!(
            "the stack has served another run since ({}), so its final reads cannot be taken",
            printable::line(last)
        ))),
        None => Err(unfit(
            "the stack does not say which run it served last, so its final reads cannot be taken"
                .to_owned(),
        )),
    }
}

/// What had not healed while the run looked has healed by now if the stack is whole.
fn heal(recorded: &mut Recorded) {
    if !recorded.evidence.settle.is_healthy() {
        return;
    }
    let start_ms = recorded.history.header.started_at_ms;
    let now_us = unix_ms().saturating_sub(start_ms).saturating_mul(1000);
    for fault in &mut recorded.evidence.faults {
        if fault.injected_us.is_some() {
            fault.healed_us.get_or_insert(now_us);
        }
    }
}

/// Two final reads, some time apart.
async fn reads(
    cluster: &Cluster,
    agent: &Agent,
    initial: &Initial,
    direct: Option<&DirectWrites>,
    apart: Duration,
) -> Result<Vec<Snapshot>> {
    let mut snapshots = Vec::new();
    for n in 1..=2 {
        cluster.events.emit(Event::Note {
            text: format!("final read {n} of 2"),
        });
        let read = interruptible(cluster, async {
            let mut snapshot = snapshot::take(agent, initial).await?;
            if let Some(direct) = direct {
                let rows = snapshot::direct_writes(agent, initial, direct).await?;
                snapshot.direct_writes = Some(rows);
            }
            Ok(snapshot)
        })
        .await;
        match read {
            Ok(snapshot) => snapshots.push(snapshot),
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            // Without its reads the run proves nothing, and the checker says so.
            Err(error) => {
                cluster.events.warn(error.to_string());
                return Ok(Vec::new());
            }
        }
        if n == 1 {
            interruptible(cluster, async {
                tokio::time::sleep(apart).await;
                Ok(())
            })
            .await?;
        }
    }
    Ok(snapshots)
}

async fn interruptible<T>(cluster: &Cluster, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        () = cluster.cancel.cancelled() => Err(Error::Interrupted),
        done = work => done,
    }
}

/// What to read across the API: everything suspicious, and of the rest as much as is bearable.
fn sample(recorded: &Recorded) -> Sample {
    let mut sample = Sample::default();
    let mut taken: BTreeMap<Label, usize> = BTreeMap::new();
    for violation in &recorded.judge().violations {
        let taken = taken.entry(violation.label).or_default();
        *taken += 1;
        if *taken > SUSPICIOUS_MAX {
            continue;
        }
        sample
            .orders
            .extend(violation.orders.iter().take(SAMPLE_MAX));
        match &violation.subject {
            Subject::Order(order) => {
                sample.orders.insert(*order);
            }
            Subject::User(user) => {
                sample.users.insert(*user);
            }
            Subject::Item(item) => {
                sample.items.insert(*item);
            }
            Subject::Database(_) | Subject::Lane(_) => {}
        }
    }
    sample.orders.extend(spread(&recorded.touched()));
    if let Some(last) = recorded.snapshots.last() {
        let users: Vec<_> = last.users.iter().map(|user| user.user_id).collect();
        sample.users.extend(spread(&users));
        let items: Vec<_> = last.items.iter().map(|item| item.item_id).collect();
        sample.items.extend(spread(&items));
    }
    sample
}

/// At most [`SAMPLE_MAX`], evenly over all of them: an interval of time is as well seen as another.
fn spread<T: Copy>(all: &[T]) -> Vec<T> {
    let step = all.len().div_ceil(SAMPLE_MAX).max(1);
    all.iter().copied().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_run_that_the_stack_served_last_can_be_read() {
        let runs = tempfile::tempdir().unwrap();
        let dir = RunDir::create(runs.path(), "x", 0).unwrap();
        let mut plan: Plan = serde_json::from_str(include_str!("../../tests/plan.json")).unwrap();
        plan.run = dir.name();
        let id = plan.stack.id.clone();
        let ask = |id: &str, last: Option<&str>| is_still_there(&dir, &plan, id, last);
        assert!(ask(&id, Some(&plan.run)).is_ok());
        for (id, last, told) in [
            ("another", Some(plan.run.as_str()), "ran on another stack"),
            (
                &id,
                Some("19700101-000000-y"),
                "served another run since (19700101-000000-y)",
            ),
            (&id, None, "does not say which run it served last"),
        ] {
            let error = ask(id, last).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_sample_is_spread_over_everything() {
        let all: Vec<usize> = (0..1234).collect();
        let some = spread(&all);
        assert!(some.len() <= SAMPLE_MAX && some.len() > SAMPLE_MAX / 2);
        assert!(some.iter().any(|n| *n > 1200));
        assert_eq!(spread(&all[..3]), [0, 1, 2]);
        assert!(spread::<usize>(&[]).is_empty());
    }
}

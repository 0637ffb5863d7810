//! Plays the faults of a run against its load, and decides when the load ends.

use std::{sync::Arc, time::Duration};

use checker::Evidence;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{AFTERWARDS, OVERTIME_MAX, plan::FaultPlan, plan::Plan, split_brain};
use crate::{
    error::{Error, Result},
    event::Event,
    fault::{self, Observer, Proof},
    load::Stats,
    target::World,
};

/// Between two lines of progress.
const TELL_EVERY: Duration = Duration::from_millis(250);

pub(super) struct Timeline<'a> {
    pub(super) plan: &'a Plan,
    pub(super) observer: Observer,
    pub(super) stats: Arc<Stats>,
    /// Tells the load when to end, from its beginning.
    pub(super) end: watch::Sender<Duration>,
    pub(super) stop: CancellationToken,
}

impl Timeline<'_> {
    /// Plays it to its end and gives what was seen.
    pub(super) async fn play(self) -> Evidence {
        let start = Instant::now();
        let planned = Duration::from_millis(self.plan.load.as_ref().map_or(0, |l| l.length_ms));
        let faults = self.faults(start, planned);
        let evidence = tokio::select! {
            evidence = faults => evidence,
            () = self.tell(start, planned) => Evidence::default(),
        };
        if self.plan.load.is_some() {
            let end = match evidence
                .faults
                .iter()
                .any(|fault| fault.healed_us.is_some())
            {
                true => planned.max(start.elapsed() + AFTERWARDS),
                false => planned.max(start.elapsed()),
            };
            self.end.send_replace(end);
            tokio::select! {
                () = tokio::time::sleep_until(start + end) => {}
                () = self.stop.cancelled() => {}
                () = self.tell(start, planned) => {}
            }
        }
        evidence
    }

    /// Says how the load goes, for ever.
    async fn tell(&self, start: Instant, planned: Duration) {
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            if self.plan.load.is_some() {
                let figures = self.stats.figures();
                self.observer.cluster.events.emit(Event::Load {
                    elapsed: start.elapsed(),
                    planned,
                    ok: figures.ok,
                    fail: figures.fail,
                    info: figures.info,
                    in_flight: figures.in_flight,
                });
            }
        }
    }

    async fn faults(&self, start: Instant, planned: Duration) -> Evidence {
        let mut evidence = Evidence::default();
        let mut proofs = Vec::new();
        for fault in &self.plan.faults {
            // Without load there is nothing to come before the fault.
            let at = if self.plan.load.is_some() {
                fault.at()
            } else {
                Duration::ZERO
            };
            tokio::select! {
                () = tokio::time::sleep_until(start + at) => {}
                () = self.stop.cancelled() => {}
            }
            match self.inject(fault).await {
                Ok(injected) => proofs.extend(injected),
                Err(error) => {
                    let now_us = self.observer.recorder.clock().now_us();
                    evidence
                        .faults
                        .push(fault::never(fault, &error.to_string()));
                    evidence.split_brains.extend(split_brain(&error, now_us));
                    if !matches!(error, Error::SplitBrain { .. } | Error::Interrupted) {
                        evidence.harness_errors.push(describe(&error));
                    }
                }
            }
        }
        let deadline = start + planned.max(start.elapsed()) + OVERTIME_MAX;
        let world = if proofs.is_empty() {
            World::default()
        } else {
            let (followed, world) = self.observer.follow(proofs, deadline, &self.stop).await;
            proofs = followed;
            world
        };
        for proof in &proofs {
            let seen = proof.evidence(&world);
            self.observer
                .recorder
                .event("fault", &seen.target, seen.seen.join("; "))
                .await;
            evidence.faults.push(seen);
        }
        evidence
    }

    async fn inject(&self, fault: &FaultPlan) -> Result<Vec<Proof>> {
        if self.stop.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let Observer {
            cluster,
            agent,
            recorder,
            ..
        } = &self.observer;
        let victims = fault::resolve(cluster, agent, fault, self.plan.seed()).await?;
        let injected = fault::kill(cluster, recorder, &victims).await?;
        let proofs: Vec<Proof> = victims
            .into_iter()
            .zip(injected)
            .map(|(victim, at_us)| Proof::new(fault.name(), victim, at_us))
            .collect();
        for proof in &proofs {
            let name = proof.victim().task.name();
            cluster
                .events
                .note(format!("killed {name} ({})", fault.kill));
        }
        Ok(proofs)
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

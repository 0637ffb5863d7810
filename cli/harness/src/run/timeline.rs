//! Plays the steps of a run against its load, and decides when the load ends.

use std::{sync::Arc, time::Duration};

use checker::Evidence;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    AFTERWARDS, OVERTIME_MAX,
    health::Health,
    plan::{BaselinePlan, FaultPlan, Plan, StepPlan},
    told::{describe, roles, split_brain},
};
use crate::{
    error::{Error, Result},
    event::Event,
    fault::{self, Hits, Observer, Proof, Seen, Tracked, action::Action},
    load::Stats,
    scenario::condition::{Condition, Moment},
    units::human,
};

/// Between two lines of progress.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// Between two looks at the stack or at the counts.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(super) struct Timeline<'a> {
    pub(super) plan: &'a Plan,
    pub(super) observer: Observer,
    pub(super) stats: Arc<Stats>,
    /// Tells the load when to end, from its beginning.
    pub(super) end: watch::Sender<Duration>,
    pub(super) stop: CancellationToken,
}

/// What has become of the faults so far.
#[derive(Debug, Default)]
struct Played {
    faults: Vec<Tracked>,
    seen: Seen,
    evidence: Evidence,
}

/// How waiting ended.
enum Waited {
    Seen,
    /// Told for people: for how long, and for what.
    InVain(String),
    Stopped,
}

impl Timeline<'_> {
    /// Plays it to its end and gives what was seen.
    pub(super) async fn play(self) -> Evidence {
        let start = Instant::now();
        let planned = Duration::from_millis(self.plan.load.as_ref().map_or(0, |l| l.length_ms));
        let mut evidence = tokio::select! {
            evidence = self.steps() => evidence,
            () = self.tell(start, planned) => Evidence::default(),
        };
        evidence.run.clone_from(&self.plan.run);
        if self.plan.load.is_some() {
            let healed = evidence
                .faults
                .iter()
                .any(|fault| fault.healed_us.is_some());
            let afterwards = if healed { AFTERWARDS } else { Duration::ZERO };
            let end = planned.max(start.elapsed() + afterwards);
            self.end.send_replace(end);
            tokio::select! {
                () = sleep_until(start + end) => {}
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
                    p99_ms: figures.p99_ms,
                });
            }
        }
    }

    async fn steps(&self) -> Evidence {
        let mut played = Played::default();
        let events = &self.observer.cluster.events;
        let phase = |name: &str| {
            events.emit(Event::Phase {
                name: name.to_owned(),
            });
        };
        let begins = match &self.plan.baseline {
            Some(baseline) => {
                phase("baseline");
                self.reach(baseline).await
            }
            None => Waited::Seen,
        };
        phase("timeline");
        if let Waited::InVain(why) = begins {
            for fault in self.plan.faults() {
                played
                    .evidence
                    .faults
                    .push(fault::never(fault, "its baseline was never reached"));
            }
            played.evidence.unmet.push(why);
            return played.evidence;
        }
        for step in &self.plan.steps {
            match step {
                StepPlan::Fault(fault) => self.fault(fault, &mut played).await,
                StepPlan::Wait { until, timeout_ms } => {
                    let limit = Duration::from_millis(*timeout_ms);
                    if let Waited::InVain(why) = self.wait_for(until, limit, &mut played).await {
                        self.note("wait", &why).await;
                        played.evidence.unmet.push(why);
                    }
                }
                StepPlan::Load { length_ms } => {
                    self.pass(Duration::from_millis(*length_ms), &mut played)
                        .await;
                }
            }
        }
        self.follow(&mut played).await;
        let Played {
            faults,
            seen,
            mut evidence,
        } = played;
        for Tracked { proof, .. } in &faults {
            let fault = proof.evidence(&seen.world);
            let recorder = &self.observer.recorder;
            recorder
                .event("fault", &fault.target, fault.seen.join("; "))
                .await;
            evidence.faults.push(fault);
        }
        evidence
    }

    /// Waits until a whole stretch of load was as good as the baseline asks.
    async fn reach(&self, baseline: &BaselinePlan) -> Waited {
        let (length, limit) = (
            Duration::from_millis(baseline.length_ms),
            Duration::from_millis(baseline.timeout_ms),
        );
        let deadline = Instant::now() + limit;
        loop {
            self.stats.begin_stretch();
            tokio::select! {
                () = tokio::time::sleep(length) => {}
                () = self.stop.cancelled() => return Waited::Stopped,
            }
            let found = self.stats.stretch();
            let text = format!(
                "baseline: {:.1} % of {} checkouts served, p99 {:.0} ms",
                found.served_ratio() * 100.0,
                found.checkouts,
                found.p99_ms
            );
            self.note("baseline", &text).await;
            let served = baseline
                .served_ratio_min
                .is_none_or(|min| found.served_ratio() >= min);
            #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
            let quick = baseline
                .p99_ms_max
                .is_none_or(|max| found.p99_ms <= max as f64);
            if served && quick && found.checkouts > 0 {
                return Waited::Seen;
            }
            if Instant::now() + length > deadline {
                return Waited::InVain(format!("not reached within {}: {text}", human(limit)));
            }
        }
    }

    async fn fault(&self, fault: &FaultPlan, played: &mut Played) {
        if self.plan.load.is_some() {
            self.pass(fault.after(), played).await;
        }
        let waited = match &fault.when {
            Some(condition) => {
                let limit = Duration::from_millis(fault.within_ms);
                self.wait_for(condition, limit, played).await
            }
            None => Waited::Seen,
        };
        match waited {
            Waited::Seen => {}
            Waited::InVain(why) => {
                self.note("fault", &why).await;
                played.evidence.faults.push(fault::never(fault, &why));
                return;
            }
            Waited::Stopped => {
                played
                    .evidence
                    .faults
                    .push(fault::never(fault, "the run was interrupted"));
                return;
            }
        }
        match self.inject(fault, played).await {
            Ok(injected) => played.faults.extend(injected),
            Err(error) => {
                let evidence = &mut played.evidence;
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

    async fn inject(&self, fault: &FaultPlan, played: &mut Played) -> Result<Vec<Tracked>> {
        let hits = self.hits(fault, played).await?;
        let Observer {
            cluster, recorder, ..
        } = &self.observer;
        let injected = fault::inject(cluster, recorder, fault, hits).await?;
        for Tracked { proof, .. } in &injected {
            let name = proof.victim().task.name();
            cluster.events.note(match &fault.action {
                Action::Crash { crash } => format!("{name} is to crash at {crash}"),
                action => format!("{action}: on {name}"),
            });
        }
        Ok(injected)
    }

    /// Whom the fault hits: at once, or where it is to stay apart from others, as soon as it does.
    async fn hits(&self, fault: &FaultPlan, played: &mut Played) -> Result<Hits> {
        let Observer { cluster, agent, .. } = &self.observer;
        let deadline = Instant::now() + Duration::from_millis(fault.within_ms);
        loop {
            if self.stop.is_cancelled() {
                return Err(Error::Interrupted);
            }
            let found = fault::resolve(cluster, agent, fault).await;
            let waits = fault.apart && Instant::now() < deadline;
            match found {
                Ok(hits) if waits && played.suffers(&hits) => {}
                Err(Error::NoTarget { .. }) if waits => {}
                found => return found,
            }
            self.look(deadline, played).await;
        }
    }

    /// Lets time pass.
    async fn pass(&self, length: Duration, played: &mut Played) {
        let end = Instant::now() + length;
        while Instant::now() < end && !self.stop.is_cancelled() {
            self.look(end, played).await;
        }
    }

    async fn wait_for(&self, until: &Condition, limit: Duration, played: &mut Played) -> Waited {
        let deadline = Instant::now() + limit;
        let mut health = Health::default();
        loop {
            let mut now = self.moment(played);
            if until.awaits_health(&now) {
                let Observer { cluster, agent, .. } = &self.observer;
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    good = health.is_good(cluster, agent) => now.stack_healthy = good,
                }
            }
            if self.stop.is_cancelled() {
                return Waited::Stopped;
            }
            if until.holds(&now) {
                return Waited::Seen;
            }
            if Instant::now() >= deadline {
                let (limit, seen) = (human(limit), health.told());
                return Waited::InVain(format!("`{until}` was not seen within {limit}{seen}"));
            }
            self.look(deadline, played).await;
        }
    }

    /// Goes on until every fault is proved and healed, or it has taken too long.
    async fn follow(&self, played: &mut Played) {
        let held = self.plan.faults().filter_map(|fault| fault.action.held());
        let deadline = Instant::now() + held.max().unwrap_or_default() + OVERTIME_MAX;
        while !played.is_complete() && Instant::now() < deadline && !self.stop.is_cancelled() {
            self.look(deadline, played).await;
        }
    }

    /// Looks at the stack once where a fault is in effect, and waits for the next look, or until `end`.
    async fn look(&self, end: Instant, played: &mut Played) {
        let next = (Instant::now() + LOOK_EVERY).min(end);
        let looks = async {
            if !played.is_complete() {
                let Played { faults, seen, .. } = &mut *played;
                self.observer.look(faults, seen).await;
                self.show(faults, seen);
            }
            sleep_until(next).await;
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = looks => {}
        }
    }

    /// Tells what the look saw.
    fn show(&self, faults: &[Tracked], seen: &Seen) {
        let events = &self.observer.cluster.events;
        let now_us = self.observer.recorder.clock().now_us();
        events.emit(Event::Roles {
            databases: seen.world.databases.iter().map(roles).collect(),
        });
        for Tracked { proof, .. } in faults {
            let fault = proof.evidence(&seen.world);
            let until_us = fault.healed_us.unwrap_or(now_us);
            events.emit(Event::Fault {
                elapsed: Duration::from_micros(until_us.saturating_sub(proof.injected_us())),
                name: fault.name,
                target: fault.target,
                seen: fault.seen,
                healed: fault.healed_us.is_some(),
            });
        }
    }

    fn moment(&self, played: &Played) -> Moment {
        let figures = self.stats.figures();
        let proofs = || played.faults.iter().map(|fault| &fault.proof);
        let active = proofs().filter(|proof| !proof.is_healed()).count();
        let mut hits = proofs().filter(|proof| proof.hit_primary()).peekable();
        Moment {
            ok_checkouts: figures.checkouts().ok,
            ok: figures.ok,
            failed: figures.fail,
            unknown: figures.info,
            in_flight: figures.in_flight,
            active_faults: active as u64,
            // Only who waits for it asks the whole stack.
            stack_healthy: false,
            new_primary: hits.peek().is_some() && hits.all(Proof::is_writable),
        }
    }

    async fn note(&self, kind: &'static str, text: &str) {
        self.observer.cluster.events.note(text);
        self.observer
            .recorder
            .event(kind, &self.plan.name, text)
            .await;
    }
}

impl Played {
    /// Whether one of these shares its group with the target of a fault that has not healed.
    fn suffers(&self, hits: &Hits) -> bool {
        let proofs = self.faults.iter().map(|fault| &fault.proof);
        let suffering: Vec<&str> = proofs
            .filter(|proof| !proof.is_complete(&self.seen.world))
            .map(|proof| proof.victim().group())
            .collect();
        let mut hit = hits.victims.iter().chain(&hits.others);
        hit.any(|victim| suffering.contains(&victim.group()))
    }

    /// Everything has been seen of every fault that there is to see.
    fn is_complete(&self) -> bool {
        let mut faults = self.faults.iter();
        faults.all(|fault| fault.proof.is_complete(&self.seen.world))
    }
}

//! Keeps a fault on its task for its time: sees it take effect, looks that it stays, and lifts it.

use std::time::Duration;

use checker::evidence::Held;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{
    hold::{Look, OnTask},
    tenure::Tenure,
};
use crate::{cluster::Cluster, recorder::Recorder, tasks::Running};

/// From the beginning of one look to the next: at most two a second are asked of a helper.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The same at first, so that the moment of the effect is not missed by much.
const LOOK_FOR_EFFECT_EVERY: Duration = Duration::from_millis(200);
/// How long that is.
const AT_FIRST: Duration = Duration::from_secs(2);
/// A look that takes longer is not answered.
const LOOK_MAX: Duration = Duration::from_secs(3);
/// How much longer than planned a fault is kept where its last look is not answered.
const LAST_LOOK_WITHIN: Duration = Duration::from_secs(3);
/// Between two attempts to lift a fault that would not go.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What has become of a fault that is held; times on the run's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    pub effective_us: Option<u64>,
    /// What showed the effect, as last seen.
    pub seen: Option<String>,
    /// For how long it was seen in its place so far.
    pub held: Option<Held>,
    pub lifted_us: Option<u64>,
    /// Why it could not be lifted so far.
    pub failed: Option<String>,
}

/// Follows one fault. Dropped early it leaves the fault to `clear`.
#[derive(Debug)]
pub struct Keeper {
    told: watch::Receiver<Told>,
    keeping: JoinHandle<()>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

impl Keeper {
    pub(super) fn start(
        cluster: &Cluster,
        recorder: &Recorder,
        task: &Running,
        on: OnTask,
        length: Duration,
    ) -> Self {
        let (teller, told) = watch::channel(Told::default());
        let keeping = Keeping {
            cluster: cluster.clone(),
            recorder: recorder.clone(),
            task: task.name(),
            on,
            tenure: Tenure::new(length, recorder.clock().now_us()),
            teller,
        };
        Self {
            told,
            keeping: tokio::spawn(keeping.keep(length)),
        }
    }

    /// How things stand.
    #[must_use]
    pub fn told(&self) -> Told {
        self.told.borrow().clone()
    }
}

struct Keeping {
    cluster: Cluster,
    recorder: Recorder,
    task: String,
    on: OnTask,
    tenure: Tenure,
    teller: watch::Sender<Told>,
}

impl Keeping {
    async fn keep(mut self, length: Duration) {
        self.watch(length).await;
        self.tenure.lifting(self.now_us());
        while let Err(error) = self.on.lift(&self.cluster).await {
            let reason = error.to_string();
            tracing::debug!(reason, task = self.task, "a fault is not lifted yet");
            self.teller.send_modify(|told| told.failed = Some(reason));
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        let (now_us, held) = (self.now_us(), self.tenure.held());
        self.teller.send_modify(|told| {
            told.held = Some(held);
            told.lifted_us = Some(now_us);
            told.failed = None;
        });
        self.recorder
            .event("fault", &self.task, format!("lifted: {held}"))
            .await;
    }

    /// Looks until it was held for its time, counted from its effect, or is found gone.
    async fn watch(&mut self, length: Duration) {
        let start = Instant::now();
        let mut until = start + length;
        loop {
            let began = Instant::now();
            let felt = self.tenure.is_felt();
            let answered = self.look().await;
            if !felt && self.tenure.is_felt() {
                until = Instant::now() + length;
            }
            let patience = if answered {
                Duration::ZERO
            } else {
                LAST_LOOK_WITHIN
            };
            if self.tenure.is_over() || began >= until + patience {
                return;
            }
            let searching = !self.tenure.is_felt() && began < start + AT_FIRST;
            let next = began
                + if searching {
                    LOOK_FOR_EFFECT_EVERY
                } else {
                    LOOK_EVERY
                };
            // The last look is taken when its time is over, for until then it has to be there.
            sleep_until(if began < until { next.min(until) } else { next }).await;
        }
    }

    /// Whether the look was answered.
    async fn look(&mut self) -> bool {
        let began_us = self.now_us();
        let look = match timeout(LOOK_MAX, self.on.look(&self.cluster)).await {
            Ok(Ok(look)) => look,
            Ok(Err(error)) => {
                tracing::debug!(%error, task = self.task, "no look at a fault");
                return false;
            }
            Err(_too_late) => return false,
        };
        let now_us = self.now_us();
        let Look { place, effect } = look;
        if effect.is_some() {
            self.tenure.effective(now_us);
        }
        self.tenure.look(began_us, place);
        let held = self.tenure.held();
        self.teller.send_modify(|told| {
            told.held = Some(held);
            if let Some(seen) = effect {
                told.effective_us.get_or_insert(now_us);
                told.seen = Some(seen);
            }
        });
        true
    }

    fn now_us(&self) -> u64 {
        self.recorder.clock().now_us()
    }
}

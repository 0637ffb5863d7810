//! Keeps a fault on its task for its time: sees it take effect, and lifts it.

use std::time::Duration;

use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::hold::OnTask;
use crate::{cluster::Cluster, recorder::Recorder, tasks::Running};

/// Between two looks for the effect.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between two attempts to lift a fault that would not go.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What has become of a fault that is held; times on the run's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    pub effective_us: Option<u64>,
    /// What showed the effect, as last seen.
    pub seen: Option<String>,
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
            teller,
        };
        Self {
            told,
            keeping: tokio::spawn(keeping.keep(Instant::now() + length)),
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
    teller: watch::Sender<Told>,
}

impl Keeping {
    async fn keep(self, until: Instant) {
        while !self.look().await && Instant::now() + LOOK_EVERY < until {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tokio::time::sleep_until(until).await;
        self.look().await;
        while let Err(error) = self.on.lift(&self.cluster).await {
            let reason = error.to_string();
            tracing::debug!(reason, task = self.task, "a fault is not lifted yet");
            self.teller.send_modify(|told| told.failed = Some(reason));
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        let now_us = self.recorder.clock().now_us();
        self.teller.send_modify(|told| {
            told.lifted_us = Some(now_us);
            told.failed = None;
        });
        self.recorder
            .event("fault", &self.task, "lifted".to_owned())
            .await;
    }

    /// Whether its effect has been seen.
    async fn look(&self) -> bool {
        match self.on.seen(&self.cluster).await {
            Ok(Some(seen)) => {
                let now_us = self.recorder.clock().now_us();
                self.teller.send_modify(|told| {
                    told.effective_us.get_or_insert(now_us);
                    told.seen = Some(seen);
                });
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::debug!(%error, task = self.task, "no look at a fault");
                false
            }
        }
    }
}

//! Bringing the data directory into a state that can be started: a new cluster, a copy, a rewind.

use anyhow::Context as _;
use protocol::db::{Role, Takeover};
use rand::RngExt as _;
use tokio::time::Instant;

use super::Node;
use crate::{
    decide::{Primary, Troubles},
    durable::Durable,
    postgres::{
        config::Stance,
        files::{self, Rewind},
    },
};

impl Node {
    pub(super) async fn initialise(&mut self, epoch: u64) -> anyhow::Result<()> {
        self.shared.update(|state| state.role = Role::Starting);
        self.files.write_stance(&Stance::Apart)?;
        let data = self.data.clone();
        self.or_stop(data.initialise()).await?;
        self.store.save(Durable {
            epoch,
            led: epoch,
            dirty: false,
        })?;
        self.data.install()?;
        self.found = self.data.inspect().await?;
        self.publish_down();
        self.start_primary(epoch).await
    }

    /// Replaces whatever is here by a copy of the primary. What was here stays until the copy is whole.
    pub(super) async fn clone_from(&mut self, primary: &Primary) -> anyhow::Result<()> {
        let durable = self.store.current().clone();
        self.show_work(&durable);
        let epoch = durable.epoch.max(primary.epoch);
        self.store.save(Durable {
            epoch,
            dirty: true,
            ..durable
        })?;
        let data = self.data.clone();
        self.or_stop(data.copy(&primary.name))
            .await
            .context("copying the primary")?;
        self.data.install()?;
        self.store.save(Durable {
            epoch,
            led: 0,
            dirty: false,
        })?;
        self.troubles = Troubles::default();
        Ok(())
    }

    /// Gives up what only this node has.
    pub(super) async fn rejoin(&mut self, primary: &Primary) -> anyhow::Result<()> {
        let durable = self.store.current().clone();
        self.show_work(&durable);
        let epoch = durable.epoch.max(primary.epoch);
        let data = self.data.clone();
        self.files.write_stance(&Stance::Apart)?;
        let dirty = Durable {
            epoch,
            dirty: true,
            ..durable
        };
        match self
            .or_stop(data.check_source(&primary.name, dirty.led))
            .await
        {
            Ok(()) => {}
            Err(error) => {
                if let Some(files::Error::Unknown(_)) = error.downcast_ref() {
                    self.store.save(dirty)?;
                }
                return Err(error.context("rewinding"));
            }
        }
        // Until the rewind is done, this data is worth nothing, and no second rewind could mend it.
        self.store.save(dirty)?;
        let rewound = self
            .or_stop(data.rewind(&primary.name))
            .await
            .context("rewinding")?;
        if self.troubles.lost_branch && rewound == Rewind::NotNeeded {
            anyhow::bail!("on a branch of the same timeline's number: only a copy helps");
        }
        self.store.save(Durable {
            epoch,
            led: 0,
            dirty: false,
        })?;
        self.standby(Some(primary.clone())).await
    }

    /// This node was primary: asks to go on, unless somebody else leads by now.
    pub(super) async fn ask_resume(&mut self, epoch: u64, peers: &[String]) -> anyhow::Result<()> {
        let led = self.store.current().led;
        self.shared.set_standing(true);
        let granted = self
            .collect_grant(epoch, peers, Takeover::Resume { led })
            .await;
        self.shared.set_standing(false);
        if !granted {
            self.shared.update(|state| state.role = Role::Waiting);
            self.pause(std::time::Duration::from_millis(
                rand::rng().random_range(150..400),
            ))
            .await;
            return Ok(());
        }
        self.start_primary(epoch).await
    }

    /// A former primary can be asked for its vote while its data is being worked on.
    fn show_work(&self, durable: &Durable) {
        let role = if durable.led > 0 {
            Role::Waiting
        } else {
            Role::Starting
        };
        self.shared.update(|state| state.role = role);
    }

    /// Work on the data directory ends when the node is told to stop, and when it promises to follow a later
    /// primary than the one that it is being made like: the child is killed, and whatever comes next finds the
    /// directory as unfinished as it is.
    async fn or_stop<T>(
        &mut self,
        work: impl Future<Output = Result<T, files::Error>>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        let promised = self.store.current().epoch;
        tokio::pin!(work);
        let done = loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => anyhow::bail!("told to stop"),
                Some(request) = self.inbox.recv() => {
                    self.answer_down(request);
                    if self.store.current().epoch > promised {
                        anyhow::bail!("a later primary was promised meanwhile");
                    }
                }
                done = &mut work => break done,
            }
        };
        tracing::debug!(
            ms = started.elapsed().as_millis(),
            ok = done.is_ok(),
            "worked on the data"
        );
        Ok(done?)
    }
}

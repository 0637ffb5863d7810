//! Both sides of the gate on a running standby: granting, and standing for promotion.
//!
//! **Invariant:** whoever answers a grant has written its promise down and feeds no older primary any more.

use std::time::Duration;

use anyhow::Context as _;
use protocol::db::{GrantRefusal, GrantRequest, Position, Role, Takeover};
use rand::RngExt as _;
use tokio::time::{Instant, sleep};

use super::{
    Node,
    standby::{End, Standby},
};
use crate::{
    decide::Primary,
    durable::Durable,
    gate::{self, Candidacy, Candidate, StandBack, Standing},
    postgres::{config::Stance, timeline},
};

/// The fence is up in a few milliseconds; a server that needs longer does not know what it holds.
const FENCE_MAX: Duration = Duration::from_millis(1000);
const FENCE_LOOK: Duration = Duration::from_millis(4);
/// A candidate with a grant gets this long before it is probed.
const GRACE: Duration = Duration::from_millis(1000);
/// An equal with a lower id gets this long to go first.
const PATIENCE: Duration = Duration::from_millis(500);

impl Node {
    /// Answers a peer that wants to lead: `Ok(Ok(()))` is this node's vote.
    pub(super) async fn grant(
        &mut self,
        standby: &mut Standby,
        request: &GrantRequest,
    ) -> anyhow::Result<Result<(), GrantRefusal>> {
        let looked = standby.look(&self.config.socket_dir).await;
        let standing = Standing::Standby {
            streaming: standby.live,
            position: looked.map(|snapshot| snapshot.position),
        };
        if let Err(refusal) = gate::consider(self.store.current().epoch, standing, request) {
            return Ok(Err(refusal));
        }
        if let Err(refusal) = self.promise(request.epoch) {
            return Ok(Err(refusal));
        }
        // First receive from nobody: how far recovery got can only be told while no receiver comes and goes.
        standby.following = None;
        let fenced = self.fence(standby, &Stance::Apart).await;
        let candidate = Primary {
            name: request.candidate.clone(),
            epoch: request.epoch,
        };
        self.files.write_stance(&Stance::Following {
            primary: candidate.name.clone(),
            epoch: candidate.epoch,
        })?;
        standby.server.reload();
        standby.following = Some(candidate);
        standby.watch_anew(GRACE);
        self.publish_following(standby);
        match fenced? {
            Some(position) => Ok(gate::confirm(position, request)),
            None => Ok(Err(GrantRefusal::NotReady)),
        }
    }

    /// Tries to become primary. `None`: it stays a standby.
    pub(super) async fn stand(&mut self, standby: &mut Standby) -> anyhow::Result<Option<End>> {
        let since = *standby.standing_since.get_or_insert_with(Instant::now);
        let Some(snapshot) = standby.last.filter(|_| standby.session.is_some()) else {
            standby.watch.back_off(std::time::Instant::now(), PATIENCE);
            return Ok(None);
        };
        self.shared.set_standing(true);
        let candidacy = self
            .weigh(standby, snapshot.position, since.elapsed() >= PATIENCE)
            .await;
        let rest = match candidacy {
            Candidacy::Ask { epoch, peers } => {
                let action = Takeover::Promote {
                    position: snapshot.position,
                };
                if self.collect_grant(epoch, &peers, action).await {
                    let promoted = self.promote(standby, epoch, snapshot.position).await;
                    self.shared.set_standing(false);
                    return promoted.map(|()| Some(End::Lead { epoch }));
                }
                Duration::from_millis(rand::rng().random_range(150..400))
            }
            Candidacy::StandBack(reason) => {
                tracing::info!(?reason, "standing back");
                if reason == StandBack::NobodyToAsk {
                    Duration::from_millis(300)
                } else {
                    Duration::from_millis(80)
                }
            }
        };
        self.shared.set_standing(false);
        standby.watch.back_off(std::time::Instant::now(), rest);
        Ok(None)
    }

    /// Asks the peers what they see. The one that was followed is dead or frozen: no need to wait for it.
    async fn weigh(&self, standby: &Standby, position: Position, patient: bool) -> Candidacy {
        let followed = standby
            .following
            .as_ref()
            .map(|primary| primary.name.as_str());
        let names: Vec<String> = self
            .peers
            .names()
            .iter()
            .filter(|name| Some(name.as_str()) != followed)
            .cloned()
            .collect();
        let peers = self.peers.ask_all(&names).await;
        let me = Candidate {
            name: &self.config.node_name,
            id: self.config.node_id,
            epoch: self.store.current().epoch,
            position,
            patient,
        };
        gate::candidacy(me, &peers)
    }

    /// With a grant in hand: votes for itself, feeds nobody any more, leaves recovery.
    pub(super) async fn promote(
        &mut self,
        standby: &mut Standby,
        epoch: u64,
        asked: Position,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let durable = self.store.current().clone();
        self.store.save(Durable {
            epoch,
            led: epoch,
            ..durable
        })?;
        standby.following = None;
        self.shared.update(|state| {
            state.role = Role::Promoting;
            state.epoch = epoch;
            state.following = None;
            state.streaming = false;
        });
        let Some(position) = self.fence(standby, &Stance::Apart).await? else {
            anyhow::bail!("could not stop receiving before the promotion");
        };
        anyhow::ensure!(
            position >= asked,
            "the log went backwards: {position:?} after {asked:?}"
        );
        let fenced_ms = started.elapsed().as_millis();
        let from = self.found.as_ref().map_or(0, |data| data.timeline);
        timeline::reserve(&self.config.data(), from, epoch).context("numbering the timeline")?;
        let session = standby.session.as_mut();
        let session = session.ok_or_else(|| anyhow::anyhow!("the local session broke"))?;
        session.promote().await.context("leaving recovery")?;
        tracing::info!(epoch, fenced_ms, ms = started.elapsed().as_millis(), lsn = %position.lsn, "promoted");
        Ok(())
    }

    /// Stops receiving from whomever it was, and tells what this node then holds; `None`: it cannot tell.
    ///
    /// The old receiver's password file is gone before the list of receivers is read: one that is on the list
    /// has to end, and one that is not cannot connect any more.
    async fn fence(
        &self,
        standby: &mut Standby,
        stance: &Stance,
    ) -> anyhow::Result<Option<Position>> {
        self.files.write_stance(stance)?;
        standby.server.reload();
        let Some(session) = standby.session.as_mut() else {
            return Ok(None);
        };
        let deadline = Instant::now() + FENCE_MAX;
        let mut old = session.receivers().await?;
        while !old.is_empty() && Instant::now() < deadline {
            sleep(FENCE_LOOK).await;
            let running = session.receivers().await?;
            old.retain(|pid| running.contains(pid));
        }
        while old.is_empty() && Instant::now() < deadline {
            if let Some(position) = session.fenced_position().await? {
                return Ok(Some(position));
            }
            sleep(FENCE_LOOK).await;
        }
        Ok(None)
    }

    fn publish_following(&self, standby: &mut Standby) {
        standby.live = false;
        self.shared.update(|state| {
            state.streaming = false;
            state.following = standby
                .following
                .as_ref()
                .map(|primary| primary.name.clone());
        });
    }
}

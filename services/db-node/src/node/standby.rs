//! Life as a standby: follow the primary of the latest epoch, watch it, and answer peers.

use std::time::Duration;

use planted::Bug;
use protocol::db::{Lsn, Role};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{Node, refuse_promotion};
use crate::{
    decide::{Primary, Troubles},
    durable::Durable,
    gate,
    peers::postgres_answers,
    postgres::{
        config::Stance,
        server::{Server, Stop},
        session::{Session, Snapshot},
        timeline,
    },
    shared::Request,
    watch::{SILENCE_MAX, Step, Watch},
};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Without a stream, every look may be the one that counts.
const LOOK_EVERY_ALARMED: Duration = Duration::from_millis(20);
/// A server that ends within this time of its start has not started well.
const STARTED_WELL: Duration = Duration::from_secs(20);

/// A running standby.
pub(super) struct Standby {
    pub(super) server: Server,
    pub(super) session: Option<Session>,
    pub(super) following: Option<Primary>,
    pub(super) watch: Watch,
    pub(super) last: Option<Snapshot>,
    pub(super) live: bool,
    /// Since when this node has been trying to take over.
    pub(super) standing_since: Option<Instant>,
    probes: JoinSet<bool>,
    started: Instant,
}

/// How life as a standby ends.
pub(super) enum End {
    /// Decide anew.
    Decide,
    /// A peer's grant is in hand and the server is promoted.
    Lead { epoch: u64 },
}

impl Standby {
    fn new(server: Server, following: Option<Primary>) -> Self {
        let now = Instant::now();
        Self {
            server,
            session: None,
            watch: Watch::new(now.into_std(), following.is_some(), Duration::ZERO),
            following,
            last: None,
            live: false,
            standing_since: None,
            probes: JoinSet::new(),
            started: now,
        }
    }

    /// A fresh look at the server; `None` while it takes no sessions.
    pub(super) async fn look(&mut self, socket_dir: &std::path::Path) -> Option<Snapshot> {
        if self.session.is_none() && self.server.takes_sessions() {
            match Session::open(socket_dir).await {
                Ok(session) => self.session = Some(session),
                Err(error) => tracing::debug!(%error, "no local session yet"),
            }
        }
        let looked = self.session.as_mut()?.standby().await;
        match looked {
            Ok(snapshot) => {
                self.live =
                    self.following.is_some() && snapshot.streaming && snapshot.silent < SILENCE_MAX;
                self.last = Some(snapshot);
                Some(snapshot)
            }
            Err(error) => {
                tracing::warn!(%error, "the local session broke");
                self.session = None;
                self.live = false;
                None
            }
        }
    }

    /// Starts to watch whoever is followed now.
    pub(super) fn watch_anew(&mut self, grace: Duration) {
        self.probes.abort_all();
        self.probes = JoinSet::new();
        self.watch = Watch::new(std::time::Instant::now(), self.following.is_some(), grace);
    }
}

impl Node {
    /// Runs PostgreSQL as a standby until it ends, loses its branch, or is promoted.
    pub(super) async fn standby(&mut self, follow: Option<Primary>) -> anyhow::Result<()> {
        self.data.make_standby()?;
        timeline::release(&self.config.data())?;
        self.keep_to(follow.as_ref())?;
        let main = self.files.main();
        let server = Server::start(&self.config, &self.children, &main).await?;
        let mut standby = Standby::new(server, follow);
        let end = self.stay_standby(&mut standby).await;
        match end {
            Ok(End::Lead { epoch }) => {
                let Standby {
                    server, session, ..
                } = standby;
                self.lead(server, session, epoch).await
            }
            Ok(End::Decide) => {
                self.leave_standby(standby, Stop::Fast).await;
                Ok(())
            }
            Err(error) => {
                self.leave_standby(standby, Stop::Immediate).await;
                Err(error)
            }
        }
    }

    async fn leave_standby(&mut self, standby: Standby, how: Stop) {
        self.want_repmgrd(false);
        self.looking_since = Instant::now();
        self.shared.update(|state| {
            state.role = Role::Starting;
            state.streaming = false;
        });
        drop(standby.session);
        standby.server.stop(how).await;
    }

    async fn stay_standby(&mut self, standby: &mut Standby) -> anyhow::Result<End> {
        let tick = sleep(Duration::ZERO);
        tokio::pin!(tick);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(End::Decide),
                status = standby.server.ended() => {
                    self.note_end(standby, status?);
                    return Ok(End::Decide);
                }
                Some(request) = self.inbox.recv() => {
                    if let Some(end) = self.answer_standby(standby, request).await? {
                        return Ok(end);
                    }
                }
                Some(Ok(answered)) = standby.probes.join_next() => standby.watch.probed(answered),
                () = &mut tick => {
                    if let Some(end) = self.watch_over(standby).await? {
                        return Ok(end);
                    }
                    let rest = if standby.live { LOOK_EVERY } else { LOOK_EVERY_ALARMED };
                    tick.as_mut().reset(Instant::now() + rest);
                }
            }
        }
    }

    async fn answer_standby(
        &mut self,
        standby: &mut Standby,
        request: Request,
    ) -> anyhow::Result<Option<End>> {
        match request {
            Request::Grant(request, reply) => {
                if !reply.is_closed() {
                    let refusal = self.grant(standby, &request).await?.err();
                    self.reply(reply, &request.candidate, refusal);
                }
                Ok(None)
            }
            Request::Promote(reply) => {
                if let Some(reason) = self.not_to_be_promoted(standby).await {
                    refuse_promotion(reply, &reason);
                    return Ok(None);
                }
                let end = self.stand(standby).await?;
                let answer = if end.is_some() {
                    Ok(())
                } else {
                    Err("no peer granted it".to_owned())
                };
                if reply.send(answer).is_err() {
                    tracing::debug!("whoever asked for the promotion is gone");
                }
                Ok(end)
            }
        }
    }

    /// Why a promotion that repmgrd or a person asks for would be wrong now.
    async fn not_to_be_promoted(&self, standby: &mut Standby) -> Option<String> {
        standby.look(&self.config.socket_dir).await;
        if standby.live {
            return Some("this node streams from a living primary".into());
        }
        let primary = standby.following.clone()?;
        let answers = postgres_answers(primary.name.clone()).await;
        answers.then(|| format!("{} answers", primary.name))
    }

    /// One look at the server and at the peers.
    async fn watch_over(&mut self, standby: &mut Standby) -> anyhow::Result<Option<End>> {
        let was_live = standby.live;
        let before = standby.last.map(|snapshot| snapshot.replayed);
        let looked = standby.look(&self.config.socket_dir).await;
        if looked.is_some_and(|snapshot| !snapshot.in_recovery) {
            tracing::error!("promoted past the gate: what it wrote does not count");
            let durable = self.store.current().clone();
            self.store.save(Durable {
                dirty: true,
                ..durable
            })?;
            anyhow::bail!("the server left recovery without a grant");
        }
        let now = std::time::Instant::now();
        if let (Some(before), Some(snapshot)) = (before, looked)
            && snapshot.replayed > before
        {
            standby.watch.advanced(now);
        }
        if standby.live != was_live {
            self.note_stream(standby);
        }
        if standby.watch.steady(now) {
            self.troubles = Troubles::default();
        }
        self.publish_standby(standby);
        self.follow_latest(standby)?;
        match standby.watch.step(now, standby.live) {
            Step::Rest => {}
            Step::Probe => self.probe(standby),
            Step::Gone => return self.stand(standby).await,
        }
        if standby.watch.detached(now)
            && self.primary_is_well(standby)
            // Its starved standbys are to be there, with what they have, when the primary dies.
            && !planted::is(Bug::Asynchronous)
        {
            tracing::warn!("cannot stream from a healthy primary: this branch was given up");
            self.troubles.lost_branch = true;
            return Ok(Some(End::Decide));
        }
        if planted::is(Bug::StallStandby) || planted::is(Bug::TwoPrimaries) {
            return self.misbehave_as_standby(standby).await;
        }
        Ok(None)
    }

    fn note_stream(&mut self, standby: &mut Standby) {
        let silent_ms = standby
            .last
            .map_or(0, |snapshot| snapshot.silent.as_millis());
        tracing::info!(live = standby.live, from = ?standby.following, silent_ms, "stream");
        if standby.live {
            standby.standing_since = None;
            self.want_repmgrd(true);
        }
    }

    fn publish_standby(&self, standby: &Standby) {
        let epoch = self.store.current().epoch;
        self.shared.update(|state| {
            state.epoch = epoch;
            state.streaming = standby.live;
            state.following = standby
                .following
                .as_ref()
                .map(|primary| primary.name.clone());
            if standby.session.is_none() {
                state.role = Role::Starting;
                return;
            }
            state.role = Role::Standby;
            if let Some(snapshot) = &standby.last {
                // The receiver forgets its timeline when it ends, and the control file lags behind.
                state.timeline = state.timeline.max(snapshot.timeline);
                state.lsn = Lsn(snapshot.position.lsn.0);
                state.data_epoch = snapshot.position.epoch;
            }
        });
    }

    /// Follows the primary of the latest epoch, if it is another one than so far.
    fn follow_latest(&mut self, standby: &mut Standby) -> anyhow::Result<()> {
        let heard = self.peers.heard();
        let Some(primary) = gate::primary_to_follow(self.store.current().epoch, &heard) else {
            return Ok(());
        };
        let primary = Primary::from(primary);
        if standby.following.as_ref() != Some(&primary) {
            tracing::info!(primary = primary.name, epoch = primary.epoch, "following");
            self.keep_to(Some(&primary))?;
            standby.server.reload();
            standby.following = Some(primary);
            standby.watch_anew(Duration::ZERO);
        }
        Ok(())
    }

    /// Writes down whom this node follows: first as a promise, then as configuration.
    fn keep_to(&mut self, follow: Option<&Primary>) -> anyhow::Result<()> {
        let durable = self.store.current().clone();
        let Some(primary) = follow else {
            self.files.write_stance(&Stance::Apart)?;
            return Ok(());
        };
        let epoch = durable.epoch.max(primary.epoch);
        self.store.save(Durable {
            epoch,
            led: 0,
            ..durable
        })?;
        let stance = Stance::Following {
            primary: primary.name.clone(),
            epoch,
        };
        Ok(self.files.write_stance(&stance)?)
    }

    fn probe(&self, standby: &mut Standby) {
        let Some(primary) = standby.following.clone() else {
            return;
        };
        let epoch = self.store.current().epoch;
        let taking_over = self.peers.heard().iter().any(|peer| {
            peer.name == primary.name && peer.role == Role::Promoting && peer.epoch >= epoch
        });
        standby
            .probes
            .spawn(async move { taking_over || postgres_answers(primary.name).await });
    }

    fn primary_is_well(&self, standby: &Standby) -> bool {
        let heard = self.peers.heard();
        standby.following.as_ref().is_some_and(|primary| {
            heard
                .iter()
                .any(|peer| peer.name == primary.name && peer.role == Role::Primary)
        })
    }

    fn note_end(&mut self, standby: &Standby, status: std::process::ExitStatus) {
        let ran = standby.started.elapsed();
        tracing::warn!(%status, ran_ms = ran.as_millis(), "postgres ended by itself");
        if ran < STARTED_WELL {
            self.troubles.failed_starts = self.troubles.failed_starts.saturating_add(1);
        }
    }
}

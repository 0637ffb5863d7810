//! Life as the primary: come up, put the epoch's beginning into the log, take writes, and stop at once when a
//! peer knows of a later epoch.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use planted::Bug;
use protocol::db::Role;
use sqlx::Executor as _;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::Node;
use crate::{
    config::{Config, Secrets},
    data_dir::STANDBY_SIGNAL,
    durable::Durable,
    gate,
    peers::Peers,
    postgres::{
        config::{Files, Stance},
        server::{Server, Stop},
        session::{self, Session},
        setup,
    },
    repmgr,
    shared::Request,
};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often the primary's own account is refreshed, in looks.
const PUBLISH_EVERY: u32 = 5;
/// Crash recovery of a log that checkpoints bound is over long before.
const START_MAX: Duration = Duration::from_secs(120);
const START_LOOK: Duration = Duration::from_millis(10);
/// The postmaster reads its configuration within milliseconds of being told.
const OPEN_MAX: Duration = Duration::from_secs(3);
const REGISTER_EVERY: Duration = Duration::from_millis(1500);

/// How life as the primary ends.
enum End {
    Stop,
    /// PostgreSQL ended by itself.
    Ended,
    /// A peer knows of a later epoch.
    Succeeded,
}

impl Node {
    /// Starts PostgreSQL as the primary of `epoch`, which it has been granted or needs no grant for.
    pub(super) async fn start_primary(&mut self, epoch: u64) -> anyhow::Result<()> {
        self.store.save(Durable {
            epoch,
            led: epoch,
            dirty: false,
        })?;
        self.shared.update(|state| {
            state.role = Role::Promoting;
            state.epoch = epoch;
        });
        self.files.write_stance(&Stance::Apart)?;
        self.data.clear_settings()?;
        anyhow::ensure!(
            !self.config.data().join(STANDBY_SIGNAL).exists(),
            "this is a standby's data"
        );
        let main = self.files.main();
        let mut server = Server::start(&self.config, &self.children, &main).await?;
        match self.come_up(&mut server).await {
            Ok(session) => self.lead(server, Some(session), epoch).await,
            Err(error) => {
                self.looking_since = Instant::now();
                server.stop(Stop::Immediate).await;
                Err(error.context("starting as primary"))
            }
        }
    }

    /// Waits until the server takes sessions, and makes sure that a cluster's roles and databases are there.
    async fn come_up(&mut self, server: &mut Server) -> anyhow::Result<Session> {
        let deadline = Instant::now() + START_MAX;
        while !server.takes_sessions() {
            anyhow::ensure!(Instant::now() < deadline, "PostgreSQL does not come up");
            tokio::select! {
                () = self.stop.cancelled() => anyhow::bail!("told to stop"),
                status = server.ended() => anyhow::bail!("PostgreSQL ended: {}", status?),
                () = sleep(START_LOOK) => {}
            }
        }
        let socket_dir = &self.config.socket_dir;
        match self.open_checked().await {
            Ok(session) => {
                setup::ensure_roles(socket_dir, &self.secrets).await?;
                Ok(session)
            }
            Err(error) if error.is_unfinished_setup() => {
                setup::create(socket_dir, &self.secrets)
                    .await
                    .context("setting the cluster up")?;
                Ok(self.open_checked().await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn open_checked(&self) -> Result<Session, session::Error> {
        let mut session = Session::open(&self.config.socket_dir).await?;
        session.primary().await?;
        Ok(session)
    }

    /// Leads `epoch` until that is over.
    pub(super) async fn lead(
        &mut self,
        mut server: Server,
        session: Option<Session>,
        epoch: u64,
    ) -> anyhow::Result<()> {
        let end = match self.take_writes(&server, session, epoch).await {
            Ok(session) => self.stay_primary(&mut server, session, epoch).await,
            Err(error) => Err(error),
        };
        self.want_repmgrd(false);
        self.looking_since = Instant::now();
        // Nobody must be sent here any more, not even while the server stops.
        self.shared.update(|state| state.role = Role::Starting);
        let how = if matches!(end, Ok(End::Stop)) {
            Stop::Fast
        } else {
            Stop::Immediate
        };
        server.stop(how).await;
        end.map(|_| ())
    }

    /// Puts the epoch's beginning into the log, and only then lets anybody write.
    async fn take_writes(
        &mut self,
        server: &Server,
        session: Option<Session>,
        epoch: u64,
    ) -> anyhow::Result<Session> {
        let mut session = match session {
            Some(session) => session,
            None => Session::open(&self.config.socket_dir).await?,
        };
        session
            .begin_epoch(epoch, &self.config.node_name)
            .await
            .context("beginning the epoch")?;
        self.files.write_stance(&Stance::Leading)?;
        server.reload();
        let deadline = Instant::now() + OPEN_MAX;
        while !session.takes_writes().await? {
            anyhow::ensure!(
                Instant::now() < deadline,
                "PostgreSQL does not read its configuration"
            );
            sleep(Duration::from_millis(2)).await;
        }
        self.publish_primary(&mut session, epoch).await?;
        tracing::info!(epoch, timeline = self.shared.state().timeline, "primary");
        Ok(session)
    }

    async fn publish_primary(
        &self,
        session: &mut Session,
        epoch: u64,
    ) -> Result<(), session::Error> {
        let snapshot = session.primary().await?;
        self.shared.update(|state| {
            state.role = Role::Primary;
            state.epoch = epoch;
            state.has_data = true;
            state.streaming = false;
            state.alone = snapshot.alone;
            state.following = None;
            state.timeline = snapshot.timeline;
            state.lsn = snapshot.position.lsn;
            state.data_epoch = epoch;
        });
        Ok(())
    }

    async fn stay_primary(
        &mut self,
        server: &mut Server,
        session: Session,
        epoch: u64,
    ) -> anyhow::Result<End> {
        let upkeep = Upkeep {
            config: self.config.clone(),
            secrets: self.secrets.clone(),
            files: self.files.clone(),
            peers: self.peers.clone(),
        };
        let _upkeep = AbortOnDropHandle::new(tokio::spawn(upkeep.run(self.stop.clone())));
        self.want_repmgrd(true);
        let mut session = Some(session);
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks: u32 = 0;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(End::Stop),
                status = server.ended() => {
                    tracing::warn!(status = %status?, "postgres ended by itself");
                    return Ok(End::Ended);
                }
                Some(request) = self.inbox.recv() => self.answer_primary(request),
                _ = tick.tick() => {
                    let heard = self.peers.heard();
                    if let Some(peer) = gate::succeeded(epoch, &heard)
                        && !planted::is(Bug::TwoPrimaries)
                    {
                        tracing::warn!(epoch, peer = peer.name, theirs = peer.epoch, "succeeded: stopping at once");
                        return Ok(End::Succeeded);
                    }
                    // The first primary only: with a second one that starves them too, nothing comes to rest.
                    if planted::is(Bug::Asynchronous) && epoch == 1 {
                        self.starve_standbys().await;
                    }
                    looks = looks.wrapping_add(1);
                    if looks.is_multiple_of(PUBLISH_EVERY) {
                        session = self.refresh(session.take(), epoch).await;
                    }
                }
            }
        }
    }

    async fn refresh(&self, session: Option<Session>, epoch: u64) -> Option<Session> {
        let mut session = match session {
            Some(session) => session,
            None => Session::open(&self.config.socket_dir).await.ok()?,
        };
        match self.publish_primary(&mut session, epoch).await {
            Ok(()) => Some(session),
            Err(error) => {
                tracing::warn!(%error, "the local session broke");
                None
            }
        }
    }

    fn answer_primary(&self, request: Request) {
        match request {
            Request::Grant(request, reply) => {
                self.reply(
                    reply,
                    &request.candidate,
                    Some(protocol::db::GrantRefusal::Primary),
                );
            }
            Request::Promote(reply) => {
                if reply.send(Ok(())).is_err() {
                    tracing::debug!("whoever asked for the promotion is gone");
                }
            }
        }
    }
}

/// What a primary does in the background: none of it keeps anybody from writing.
struct Upkeep {
    config: Config,
    secrets: Secrets,
    files: Files,
    peers: Peers,
}

impl Upkeep {
    async fn run(self, stop: CancellationToken) {
        let work = async {
            loop {
                if let Err(error) = self.work().await {
                    tracing::warn!(%error, "upkeep failed; trying again");
                }
                sleep(REGISTER_EVERY).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn work(&self) -> Result<(), session::Error> {
        let socket_dir: &PathBuf = &self.config.socket_dir;
        setup::ensure_roles(socket_dir, &self.secrets).await?;
        let mut connection = session::admin(socket_dir, "repmgr").await?;
        let single = self.peers.names().is_empty();
        if !single {
            let changed = repmgr::register(
                &mut connection,
                &self.config,
                &self.files,
                &self.peers.heard(),
            )
            .await?;
            tracing::debug!(changed, "registered");
        }
        // Until its first checkpoint, the control file of a promoted server names the old timeline, and a
        // rewind against it finds nothing to do.
        connection.execute("checkpoint").await?;
        loop {
            sleep(REGISTER_EVERY).await;
            if !single {
                repmgr::register(
                    &mut connection,
                    &self.config,
                    &self.files,
                    &self.peers.heard(),
                )
                .await?;
            }
        }
    }
}

//! The one task that acts for a node. It decides how to come up, then stays in a role until that ends, then
//! decides again. Granting and promoting both happen here, so they exclude each other.

mod misbehaviour;
mod primary;
mod recover;
mod standby;
mod takeover;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use protocol::db::{GrantAnswer, GrantRefusal, NodeState, Role, Takeover};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    children::Children,
    config::{Config, Secrets},
    data_dir::DataDir,
    decide::{self, Decision, Facts, Troubles, decide},
    durable::{Durable, Store},
    gate::{self, Standing},
    http,
    peers::Peers,
    postgres::{config::Files, files::DataFiles},
    repmgr,
    shared::{Request, Shared},
};

/// Between two looks around while there is nothing to do but wait.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// After something failed, before it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// The container is killed ten seconds after it is asked to stop.
const STOP_MAX: Duration = Duration::from_secs(9);

/// A node of a database cluster.
struct Node {
    config: Config,
    secrets: Secrets,
    peers: Peers,
    children: Children,
    files: Files,
    data: DataFiles,
    store: Store,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Request>,
    repmgrd: watch::Sender<repmgr::Wanted>,
    troubles: Troubles,
    /// Since when there is nobody to follow.
    looking_since: Instant,
    /// What the data directory said when it was last looked at.
    found: Option<DataDir>,
    said: Option<Decision>,
    stop: CancellationToken,
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// Something that a restart has to mend: the configuration cannot be written, or a signal handler not be set.
pub async fn run(
    config: Config,
    secrets: Secrets,
    store: Store,
    listener: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let files = Files::new(config.clone(), secrets.clone());
    files.write_static().context("writing the configuration")?;
    let children = Children::default();
    let peers = Peers::new(config.peers())?;
    let (shared, inbox) = Shared::new(unknown(&config, store.current()));
    let shared = Arc::new(shared);
    let (repmgrd, wanted) = watch::channel(repmgr::Wanted::default());
    let data = DataFiles::new(
        config.clone(),
        secrets.clone(),
        files.clone(),
        children.clone(),
    );

    let tasks = TaskTracker::new();
    // The helpers outlive the node's task, which still stops postgres.
    let helpers = CancellationToken::new();
    let service = http::router(Arc::clone(&shared), peers.clone())
        .into_make_service_with_connect_info::<SocketAddr>();
    let closing = helpers.clone().cancelled_owned();
    tasks.spawn(async move {
        axum::serve(listener, service)
            .with_graceful_shutdown(closing)
            .await
    });
    tasks.spawn(peers.clone().poll(helpers.clone()));
    if std::process::id() == 1 {
        tasks.spawn(children.clone().reap(helpers.clone()));
    }
    if !config.peers().is_empty() {
        let conf = files.repmgr();
        tasks.spawn(repmgr::supervise(
            config.clone(),
            conf,
            children.clone(),
            wanted,
            stop.clone(),
        ));
    }
    let node = Node {
        config,
        secrets,
        peers,
        children,
        files,
        data,
        store,
        shared,
        inbox,
        repmgrd,
        troubles: Troubles::default(),
        looking_since: Instant::now(),
        found: None,
        said: None,
        stop: stop.clone(),
    };
    let late = async {
        stop.cancelled().await;
        sleep(STOP_MAX).await;
    };
    tokio::select! {
        () = node.live() => {}
        () = late => tracing::error!("did not stop in time"),
    }
    helpers.cancel();
    Ok(())
}

fn unknown(config: &Config, durable: &Durable) -> NodeState {
    NodeState {
        name: config.node_name.clone(),
        node_id: config.node_id,
        role: Role::Starting,
        epoch: durable.epoch,
        has_data: crate::data_dir::exists(&config.data()),
        timeline: 0,
        lsn: protocol::db::Lsn(0),
        streaming: false,
        system_id: String::new(),
        data_epoch: 0,
        alone: false,
        following: None,
    }
}

impl Node {
    async fn live(mut self) {
        while !self.stop.is_cancelled() {
            if let Err(error) = self.step().await
                && !self.stop.is_cancelled()
            {
                tracing::error!(error = format!("{error:#}"), "failed; trying again");
                self.pause(RETRY_AFTER).await;
            }
        }
    }

    /// Decides once, and acts on it for as long as that lasts.
    async fn step(&mut self) -> anyhow::Result<()> {
        self.found = self
            .data
            .inspect()
            .await
            .context("looking at the data directory")?;
        self.publish_down();
        let names = self.peers.names().to_vec();
        let answered = self.peers.ask_all(&names).await;
        let facts = Facts {
            node_id: self.config.node_id,
            data: self.found.clone(),
            durable: self.store.current().clone(),
            troubles: self.troubles,
            waited: self.looking_since.elapsed(),
        };
        let decision = decide(
            &facts,
            &decide::Peers {
                count: names.len(),
                answered,
            },
        );
        self.say(&decision);
        match decision {
            Decision::Initialise { epoch } => self.initialise(epoch).await,
            Decision::StartPrimary { epoch } => self.start_primary(epoch).await,
            Decision::AskResume { epoch, peers } => self.ask_resume(epoch, &peers).await,
            Decision::Clone { primary } => self.clone_from(&primary).await,
            Decision::Rejoin { primary } => self.rejoin(&primary).await,
            Decision::StartStandby { follow } => self.standby(follow).await,
            Decision::Wait(_) => {
                self.shared.update(|state| state.role = Role::Waiting);
                self.pause(LOOK_EVERY).await;
                Ok(())
            }
        }
    }

    fn say(&mut self, decision: &Decision) {
        if self.said.as_ref() != Some(decision) {
            let Durable { epoch, led, dirty } = *self.store.current();
            tracing::info!(?decision, epoch, led, dirty, troubles = ?self.troubles, "decided");
            self.said = Some(decision.clone());
        }
    }

    /// What the node says of itself while its PostgreSQL is down.
    fn publish_down(&self) {
        let durable = self.store.current();
        self.shared.update(|state| {
            state.epoch = durable.epoch;
            state.streaming = false;
            state.following = None;
            state.has_data = self.found.is_some();
            if let Some(data) = &self.found {
                state.system_id.clone_from(&data.system_id);
                state.timeline = state.timeline.max(data.timeline);
                // A rewind that was cut short leaves files that look like a standby's.
                if !data.is_standby() || durable.led > 0 {
                    state.data_epoch = durable.led;
                }
            } else {
                state.data_epoch = 0;
                state.timeline = 0;
                state.lsn = protocol::db::Lsn(0);
                state.system_id.clear();
            }
            if state.role != Role::Waiting {
                state.role = Role::Starting;
            }
        });
    }

    /// Waits, and answers peers meanwhile: they may need this node's vote although its PostgreSQL is down.
    async fn pause(&mut self, rest: Duration) {
        let until = sleep(rest);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = &mut until => return,
                Some(request) = self.inbox.recv() => self.answer_down(request),
            }
        }
    }

    fn answer_down(&mut self, request: Request) {
        match request {
            Request::Grant(request, reply) => {
                if reply.is_closed() {
                    return;
                }
                let standing = self.standing_down();
                let epoch = self.store.current().epoch;
                let verdict = gate::consider(epoch, standing, &request);
                let refusal = verdict.and_then(|()| self.promise(request.epoch)).err();
                self.reply(reply, &request.candidate, refusal);
            }
            Request::Promote(reply) => refuse_promotion(reply, "PostgreSQL is not up on this node"),
        }
    }

    fn standing_down(&self) -> Standing {
        let durable = self.store.current();
        match &self.found {
            None => Standing::Empty,
            Some(_) if durable.dirty => Standing::Dirty { led: durable.led },
            Some(data) if data.is_standby() => Standing::Standby {
                streaming: false,
                position: None,
            },
            Some(_) => Standing::Stopped { led: durable.led },
        }
    }

    /// Gives this node's vote for an epoch, for good.
    fn promise(&mut self, epoch: u64) -> Result<(), GrantRefusal> {
        let next = Durable {
            epoch,
            ..self.store.current().clone()
        };
        self.store.save(next).map_err(|error| {
            tracing::error!(%error, epoch, "a promise could not be made durable");
            GrantRefusal::NotReady
        })?;
        self.shared.update(|state| state.epoch = epoch);
        Ok(())
    }

    fn reply(
        &self,
        reply: tokio::sync::oneshot::Sender<GrantAnswer>,
        candidate: &str,
        refusal: Option<GrantRefusal>,
    ) {
        let epoch = self.store.current().epoch;
        match refusal {
            None => tracing::info!(candidate, epoch, "granted"),
            Some(refusal) => tracing::info!(candidate, epoch, %refusal, "refused"),
        }
        let name = self.config.node_name.clone();
        if reply
            .send(GrantAnswer {
                name,
                epoch,
                refusal,
            })
            .is_err()
        {
            tracing::warn!(
                candidate,
                epoch,
                "the candidate did not wait for the answer"
            );
        }
    }

    /// Asks peers, one after another, until one grants.
    async fn collect_grant(&self, epoch: u64, peers: &[String], action: Takeover) -> bool {
        let request = protocol::db::GrantRequest {
            candidate: self.config.node_name.clone(),
            epoch,
            action,
        };
        for peer in peers {
            match self.peers.ask_grant(peer, &request).await {
                Ok(answer) => match answer.refusal {
                    None => {
                        tracing::info!(peer, epoch, ?action, "granted by a peer");
                        return true;
                    }
                    Some(refusal) => tracing::info!(peer, epoch, %refusal, "a peer refuses"),
                },
                Err(error) => tracing::warn!(peer, epoch, %error, "a peer does not answer"),
            }
        }
        false
    }

    fn want_repmgrd(&self, running: bool) {
        self.repmgrd.send_modify(|wanted| {
            wanted.running = running;
            wanted.generation += 1;
        });
    }
}

fn refuse_promotion(reply: tokio::sync::oneshot::Sender<Result<(), String>>, reason: &str) {
    tracing::info!(reason, "promotion refused");
    if reply.send(Err(reason.to_owned())).is_err() {
        tracing::debug!("whoever asked for the promotion is gone");
    }
}

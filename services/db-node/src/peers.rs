//! The other nodes of the cluster: what they say of themselves, and asking them for a grant.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use protocol::db::{DB_NODE_PORT, GrantAnswer, GrantRequest, NodeState, POSTGRES_PORT};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

const POLL_EVERY: Duration = Duration::from_millis(250);
const STATE_MAX: Duration = Duration::from_millis(400);
const GRANT_MAX: Duration = Duration::from_millis(1600);
/// An account older than this says nothing about now.
const FRESH: Duration = Duration::from_millis(900);
/// A primary that leaves a probe without an answer for so long has failed it.
const PROBE_MAX: Duration = Duration::from_millis(400);
/// PostgreSQL's `SSLRequest`: answered with one byte by a server that is alive, before any password.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A handle on the peers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Peers {
    names: Arc<[String]>,
    client: reqwest::Client,
    heard: Arc<Mutex<BTreeMap<String, (NodeState, Instant)>>>,
}

impl Peers {
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(names: Vec<String>) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_millis(300))
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(5))
            .build()?;
        Ok(Self {
            names: names.into(),
            client,
            heard: Arc::default(),
        })
    }

    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Polls the peers until `stop`, so that [`Peers::heard`] has something to tell.
    pub async fn poll(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(POLL_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.ask_all(&self.names).await;
        }
    }

    /// The accounts of those that answered a moment ago.
    #[must_use]
    pub fn heard(&self) -> Vec<NodeState> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = heard.values().filter(|(_, at)| at.elapsed() < FRESH);
        fresh.map(|(state, _)| state.clone()).collect()
    }

    /// The highest epoch that any peer ever told of; 0 before the first answer.
    #[must_use]
    pub fn highest_epoch(&self) -> u64 {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let epochs = heard.values().map(|(state, _)| state.epoch);
        epochs.max().unwrap_or(0)
    }

    /// Asks these peers for their accounts now; returns those that answer.
    pub async fn ask_all(&self, names: &[String]) -> Vec<NodeState> {
        let mut asks = JoinSet::new();
        for name in names {
            asks.spawn(state_of(self.client.clone(), name.clone()));
        }
        let answered: Vec<NodeState> = asks.join_all().await.into_iter().flatten().collect();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        for state in &answered {
            heard.insert(state.name.clone(), (state.clone(), Instant::now()));
        }
        answered
    }

    /// Asks one peer for a grant. No answer is no grant.
    ///
    /// # Errors
    /// The peer did not answer in time, or not with an answer.
    pub async fn ask_grant(
        &self,
        peer: &str,
        request: &GrantRequest,
    ) -> reqwest::Result<GrantAnswer> {
        let url = format!("http://{peer}:{DB_NODE_PORT}/grant");
        let answer = self
            .client
            .post(url)
            .timeout(GRANT_MAX)
            .json(request)
            .send()
            .await?;
        answer.error_for_status()?.json().await
    }
}

async fn state_of(client: reqwest::Client, name: String) -> Option<NodeState> {
    let url = format!("http://{name}:{DB_NODE_PORT}/state");
    let state: reqwest::Result<NodeState> = async {
        client
            .get(url)
            .timeout(STATE_MAX)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await
    }
    .await;
    match state {
        Ok(state) if state.name == name => Some(state),
        Ok(state) => {
            tracing::warn!(
                asked = name,
                answered = state.name,
                "another node answers to this name"
            );
            None
        }
        Err(error) => {
            tracing::debug!(peer = name, %error, "peer does not answer");
            None
        }
    }
}

/// Whether a PostgreSQL server answers at `host`, by protocol.
pub async fn postgres_answers(host: String) -> bool {
    let probe = async {
        let mut stream = TcpStream::connect((host.as_str(), POSTGRES_PORT)).await?;
        stream.write_all(&SSL_REQUEST).await?;
        stream.read_u8().await
    };
    matches!(timeout(PROBE_MAX, probe).await, Ok(Ok(_)))
}

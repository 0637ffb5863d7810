//! Which node is the primary: the nodes say so themselves, the highest epoch is believed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use protocol::db::{NodeState, Role};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::leadership::{Leader, Leadership, Node};

const REQUEST_TIMEOUT: Duration = Duration::from_millis(300);
const POLL_CALM: Duration = Duration::from_millis(250);
const POLL_URGENT: Duration = Duration::from_millis(50);
/// How long after a hint the nodes are asked more often.
const URGENT_FOR: Duration = Duration::from_secs(3);
/// Closing a pool says goodbye on each connection; to a dead address that may hang.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// The way to one primary, for as long as it is the primary.
#[derive(Debug)]
pub struct Route {
    /// The node's name.
    pub primary: String,
    /// The epoch in which it leads. A node that resumes leads in a new one.
    pub epoch: u64,
    pub pool: PgPool,
    pub(super) freshness: Freshness,
}

/// What shows that a read on a route is fresh.
#[derive(Debug)]
pub(super) enum Freshness {
    /// There is no other node that could lead.
    OnlyNode,
    /// Another node confirms it.
    Confirmed(Leadership),
    /// A write that has to be replicated comes after the read. The sessions are pgpool's, which may still lead to a
    /// primary of an older epoch than the route says.
    Barrier,
}

impl Route {
    pub(super) fn fixed(pool: PgPool) -> Self {
        Self {
            primary: pool.connect_options().get_host().to_owned(),
            epoch: 0,
            pool,
            freshness: Freshness::OnlyNode,
        }
    }
}

/// How to connect once the primary is known.
pub(super) struct Target {
    pub(super) options: PgConnectOptions,
    /// Go through this host, whoever is the primary.
    pub(super) pool_host: Option<String>,
}

/// Makes the routes.
struct Choosing {
    target: Target,
    nodes: Vec<Node>,
    client: reqwest::Client,
    suspect: Arc<Notify>,
}

impl Choosing {
    fn route(&self, leader: &NodeState) -> Route {
        let host = self.target.pool_host.as_ref().unwrap_or(&leader.name);
        Route {
            primary: leader.name.clone(),
            epoch: leader.epoch,
            pool: super::pool(self.target.options.clone().host(host)),
            freshness: self.freshness(leader),
        }
    }

    fn freshness(&self, leader: &NodeState) -> Freshness {
        let others = self.nodes.iter().filter(|node| node.name != leader.name);
        let others: Vec<Node> = others.cloned().collect();
        if others.is_empty() {
            return Freshness::OnlyNode;
        }
        if self.target.pool_host.is_some() {
            return Freshness::Barrier;
        }
        let leader = Leader {
            name: leader.name.clone(),
            epoch: leader.epoch,
        };
        let (client, suspect) = (self.client.clone(), self.suspect.clone());
        Freshness::Confirmed(Leadership::of(leader, others, client, suspect))
    }

    /// Moves the route when a node leads in a higher epoch. The last route is kept while nobody leads.
    async fn choose(
        self,
        mut states: mpsc::Receiver<NodeState>,
        routes: watch::Sender<Option<Arc<Route>>>,
    ) {
        while let Some(state) = states.recv().await {
            let current = routes.borrow().clone();
            if !supersedes(&state, current.as_deref()) {
                continue;
            }
            let route = self.route(&state);
            tracing::info!(
                primary = route.primary,
                epoch = route.epoch,
                "the database has a primary"
            );
            metrics::counter!("webshop_db_route_changes_total").increment(1);
            routes.send_replace(Some(Arc::new(route)));
            if let Some(old) = current {
                tokio::spawn(tokio::time::timeout(CLOSE_MAX, async move {
                    old.pool.close().await;
                }));
            }
        }
    }
}

/// Asks every node for its state until `stop`, each by a task of its own: a dead node delays nobody.
pub(super) fn watch(
    nodes: Vec<Node>,
    target: Target,
    suspect: &Arc<Notify>,
    stop: &CancellationToken,
) -> anyhow::Result<watch::Receiver<Option<Arc<Route>>>> {
    let client = reqwest::Client::builder()
        .timeout(REQUEST_TIMEOUT)
        .connect_timeout(REQUEST_TIMEOUT)
        .no_proxy()
        .build()
        .context("build the client that asks database nodes for their state")?;
    let (states, received) = mpsc::channel(nodes.len().max(1));
    for node in &nodes {
        let poller = Poller {
            client: client.clone(),
            url: node.url.clone(),
            suspect: suspect.clone(),
            states: states.clone(),
        };
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(poller.run()).await });
    }
    let (routes, watched) = watch::channel(None);
    let choosing = Choosing {
        target,
        nodes,
        client,
        suspect: suspect.clone(),
    };
    tokio::spawn(choosing.choose(received, routes));
    Ok(watched)
}

struct Poller {
    client: reqwest::Client,
    url: String,
    suspect: Arc<Notify>,
    states: mpsc::Sender<NodeState>,
}

impl Poller {
    async fn run(self) {
        let mut urgent_until = Instant::now() + URGENT_FOR;
        loop {
            match self.ask().await {
                Ok(state) => {
                    if self.states.send(state).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::debug!(url = self.url, %error, "a database node does not answer");
                    urgent_until = Instant::now() + URGENT_FOR;
                }
            }
            let pause = if Instant::now() < urgent_until {
                POLL_URGENT
            } else {
                POLL_CALM
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.suspect.notified() => {
                    urgent_until = Instant::now() + URGENT_FOR;
                    tokio::time::sleep(POLL_URGENT / 5).await;
                }
            }
        }
    }

    async fn ask(&self) -> reqwest::Result<NodeState> {
        let response = self.client.get(&self.url).send().await?;
        response.error_for_status()?.json().await
    }
}

/// A node replaces the current route if it leads in a higher epoch. An epoch has one leader, so a
/// second claim to the same one is not believed.
fn supersedes(state: &NodeState, current: Option<&Route>) -> bool {
    state.role == Role::Primary && current.is_none_or(|route| state.epoch > route.epoch)
}

#[cfg(test)]
mod tests {
    use protocol::db::Lsn;

    use super::*;

    fn node(role: Role, epoch: u64) -> NodeState {
        NodeState {
            name: "stock-db-1".into(),
            node_id: 1,
            role,
            epoch,
            has_data: true,
            timeline: 1,
            lsn: Lsn(0),
            streaming: false,
            system_id: String::new(),
            data_epoch: epoch,
            alone: false,
            following: None,
        }
    }

    #[tokio::test]
    async fn only_a_primary_of_a_higher_epoch_takes_over() {
        let pool = super::super::pool(PgConnectOptions::new_without_pgpass());
        let current = Route {
            primary: "stock-db-0".into(),
            epoch: 4,
            pool,
            freshness: Freshness::OnlyNode,
        };
        assert!(supersedes(&node(Role::Primary, 1), None));
        assert!(supersedes(&node(Role::Primary, 5), Some(&current)));
        assert!(!supersedes(&node(Role::Primary, 4), Some(&current)));
        assert!(!supersedes(&node(Role::Primary, 3), Some(&current)));
        assert!(!supersedes(&node(Role::Promoting, 5), Some(&current)));
        assert!(!supersedes(&node(Role::Standby, 9), None));
    }
}

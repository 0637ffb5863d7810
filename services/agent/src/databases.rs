//! Roles and replication of the database clusters.

use std::time::Duration;

use futures_util::future::join_all;
use protocol::{
    agent::{Cluster, Node, Probe, Replication, Standby},
    db::{DB_NODE_PORT, NodeState},
};
use tokio::time::timeout;

use crate::{
    config::{ClusterNodes, Config},
    error::{Error, one_line},
    sql,
};

/// A node that answers at all answers in milliseconds; a dead one's address may vanish silently.
const STATE_TIMEOUT: Duration = Duration::from_millis(1000);
/// A commit waits for a standby: without one it waits for ever.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Asks every node of every cluster for its state, all at once.
pub async fn clusters(config: &Config, http: &reqwest::Client) -> Vec<Cluster> {
    join_all(config.clusters.0.iter().map(|c| cluster(c, http))).await
}

/// Asks every node of one cluster.
pub async fn cluster(nodes: &ClusterNodes, http: &reqwest::Client) -> Cluster {
    Cluster {
        name: nodes.name.clone(),
        nodes: join_all(nodes.nodes.iter().map(|name| node(name, http))).await,
    }
}

async fn node(name: &str, http: &reqwest::Client) -> Node {
    let (state, error) = match state(name, http).await {
        Ok(state) => (Some(state), None),
        Err(error) => (None, Some(one_line(&error))),
    };
    Node {
        name: name.to_owned(),
        state,
        error,
    }
}

async fn state(name: &str, http: &reqwest::Client) -> Result<NodeState, reqwest::Error> {
    http.get(format!("http://{name}:{DB_NODE_PORT}/state"))
        .timeout(STATE_TIMEOUT)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await
}

/// The primary of the highest epoch.
pub async fn primary(nodes: &ClusterNodes, http: &reqwest::Client) -> Result<NodeState, Error> {
    let cluster = cluster(nodes, http).await;
    cluster
        .primaries()
        .first()
        .map(|state| (*state).clone())
        .ok_or_else(|| Error::NoPrimary {
            cluster: nodes.name.clone(),
            detail: cluster
                .nodes
                .iter()
                .map(|node| match (&node.state, &node.error) {
                    (Some(state), _) => format!("{} is {:?}", node.name, state.role),
                    (None, Some(error)) => format!("{} does not answer ({error})", node.name),
                    (None, None) => format!("{} does not answer", node.name),
                })
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// Name, state, sync state, replayed position, bytes behind.
type StandbyColumns = (
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
);

/// What every primary knows of its standbys.
pub async fn replication(config: &Config, http: &reqwest::Client) -> Vec<Replication> {
    join_all(config.clusters.0.iter().map(|nodes| async {
        match standbys(config, nodes, http).await {
            Ok((primary, standbys)) => Replication {
                cluster: nodes.name.clone(),
                primary: Some(primary),
                standbys,
                error: None,
            },
            Err(error) => Replication {
                cluster: nodes.name.clone(),
                primary: None,
                standbys: Vec::new(),
                error: Some(one_line(&error)),
            },
        }
    }))
    .await
}

async fn standbys(
    config: &Config,
    nodes: &ClusterNodes,
    http: &reqwest::Client,
) -> Result<(String, Vec<Standby>), Error> {
    let primary = primary(nodes, http).await?.name;
    let mut connection = sql::connect_as_repmgr(config, &primary).await?;
    let rows: Vec<StandbyColumns> = sqlx::query_as(
        "select application_name, state, sync_state, replay_lsn::text, \
                pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)::bigint \
         from pg_stat_replication order by application_name",
    )
    .fetch_all(&mut connection)
    .await
    .map_err(sql::failed(&primary, "cannot read pg_stat_replication"))?;
    let standbys = rows
        .into_iter()
        .map(|(name, state, sync_state, replay_lsn, lag)| Standby {
            name,
            state: state.unwrap_or_default(),
            sync_state: sync_state.unwrap_or_default(),
            replay_lsn: replay_lsn.and_then(|lsn| lsn.parse().ok()),
            lag_bytes: lag.and_then(|lag| u64::try_from(lag).ok()).unwrap_or(0),
        })
        .collect();
    Ok((primary, standbys))
}

/// Commits a record that a standby must have before the commit returns: the proof that the cluster takes
/// writes again.
pub async fn probe_write(
    config: &Config,
    cluster: &str,
    http: &reqwest::Client,
) -> Result<Probe, Error> {
    let nodes = config
        .clusters
        .find(cluster)
        .ok_or_else(|| Error::UnknownCluster(cluster.to_owned()))?;
    let primary = primary(nodes, http).await?;
    let mut connection = sql::connect(config, &primary.name).await?;
    let write =
        sqlx::query("select pg_logical_emit_message(true, 'probe', '')").execute(&mut connection);
    match timeout(PROBE_TIMEOUT, write).await {
        Ok(Ok(_done)) => Ok(Probe {
            node: primary.name,
            timeline: primary.timeline,
        }),
        Ok(Err(source)) => Err(sql::failed(&primary.name, "the probe write failed")(source)),
        Err(_elapsed) => Err(Error::Timeout {
            node: primary.name,
            seconds: PROBE_TIMEOUT.as_secs(),
        }),
    }
}

//! repmgr beside us: its metadata tell the truth, and its daemon is a second, slower detector.
//!
//! repmgrd exits whenever its upstream is missing, so it is run in a loop. What it would promote goes through
//! `db-node promote`, and so through the same gate as everything else.

use std::{process::Stdio, time::Duration};

use protocol::db::NodeState;
use sqlx::{Executor as _, PgConnection};
use tokio::{process::Command, sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    children::{self, Children},
    config::Config,
    postgres::{config::Files, conninfo, quoting::Unquotable, session::Error},
};

const RESTART_MIN: Duration = Duration::from_secs(2);
const RESTART_MAX: Duration = Duration::from_secs(15);
/// A daemon that ran for so long was well.
const WELL: Duration = Duration::from_secs(30);

/// Switches repmgrd on for a role, or off. Each new generation restarts it, so that it reads the metadata anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    pub running: bool,
    pub generation: u64,
}

/// Runs repmgrd as long as it is wanted, until `stop`.
pub async fn supervise(
    config: Config,
    repmgr_conf: std::path::PathBuf,
    children: Children,
    mut wanted: watch::Receiver<Wanted>,
    stop: CancellationToken,
) {
    let run = async {
        let mut rest = RESTART_MIN;
        loop {
            let now = *wanted.borrow_and_update();
            if now.running {
                // The metadata that it reads at its start follow a failover by a moment.
                sleep(rest).await;
                let started = tokio::time::Instant::now();
                run_once(&config, &repmgr_conf, &children, &mut wanted).await;
                rest = if started.elapsed() > WELL {
                    RESTART_MIN
                } else {
                    (rest * 2).min(RESTART_MAX)
                };
                if wanted.has_changed().unwrap_or(false) {
                    rest = RESTART_MIN;
                }
            } else if wanted.changed().await.is_err() {
                return;
            }
        }
    };
    stop.run_until_cancelled(run).await;
}

async fn run_once(
    config: &Config,
    repmgr_conf: &std::path::Path,
    children: &Children,
    wanted: &mut watch::Receiver<Wanted>,
) {
    let mut command = Command::new(config.pg_bin.join("repmgrd"));
    command
        .arg("-f")
        .arg(repmgr_conf)
        .args(["--daemonize=false", "--no-pid-file"]);
    let mut child = match children.spawn(command.stdin(Stdio::null())) {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!(%error, "repmgrd cannot be started");
            return;
        }
    };
    let pid = child.id();
    tokio::select! {
        status = child.wait() => tracing::debug!(?status, "repmgrd ended"),
        _ = wanted.changed() => {
            if let Some(pid) = pid.and_then(|id| i32::try_from(id).ok()) {
                children::send(pid, nix::sys::signal::Signal::SIGTERM);
            }
            if tokio::time::timeout(Duration::from_secs(2), child.wait()).await.is_err()
                && let Err(error) = child.kill().await
            {
                tracing::warn!(%error, "repmgrd cannot be killed");
            }
        }
    }
    children.forget(pid);
}

/// One statement that changes nothing when nothing has changed. The new primary registers all nodes: the
/// topology is fixed. A node is active while it is primary or streams from it; one that merely does not answer
/// stays what it was, except that there is no second active primary.
const REGISTER: &str = "
    with seen as (
        select n.id, n.name, n.conninfo, n.config_file, n.id = $5 as me,
            exists (select from pg_stat_replication r where r.application_name = n.name
                and r.state = 'streaming') as attached
        from unnest($1::int[], $2::text[], $3::text[], $4::text[]) as n (id, name, conninfo, config_file)
    )
    insert into repmgr.nodes as old
        (node_id, upstream_node_id, active, node_name, type, location, priority, conninfo, repluser, config_file)
    select id, case when not me then $5 end, me or attached, name,
        case when me then 'primary' else 'standby' end, 'default', 100, conninfo, 'repmgr', config_file
    from seen order by not me
    on conflict (node_id) do update set
        upstream_node_id = excluded.upstream_node_id,
        type = case when excluded.active then excluded.type else old.type end,
        active = excluded.active or (old.active and old.type = 'standby'),
        node_name = excluded.node_name, conninfo = excluded.conninfo, config_file = excluded.config_file
    where (old.upstream_node_id, old.conninfo, old.node_name)
            is distinct from (excluded.upstream_node_id, excluded.conninfo, excluded.node_name)
        or (excluded.active and (not old.active or old.type <> excluded.type))
        or (not excluded.active and old.active and old.type = 'primary')";

/// Makes repmgr's metadata say what is: this node leads, and who streams from it.
///
/// # Errors
/// The primary's own session is broken.
pub async fn register(
    connection: &mut PgConnection,
    config: &Config,
    files: &Files,
    peers: &[NodeState],
) -> Result<u64, Error> {
    let me = (i32::from(config.node_id) + 1, config.node_name.clone());
    let mut nodes: Vec<(i32, String)> = peers
        .iter()
        .map(|peer| (i32::from(peer.node_id) + 1, peer.name.clone()))
        .collect();
    nodes.retain(|node| node.0 != me.0);
    nodes.push(me.clone());
    let ids: Vec<i32> = nodes.iter().map(|node| node.0).collect();
    let names: Vec<String> = nodes.iter().map(|node| node.1.clone()).collect();
    let conninfos: Result<Vec<String>, Unquotable> = names
        .iter()
        .map(|name| conninfo(name, &files.passfile(), "repmgr"))
        .collect();
    let conninfos = conninfos?;
    let config_files = vec![files.repmgr().display().to_string(); nodes.len()];
    let query = sqlx::query(REGISTER)
        .bind(ids)
        .bind(names)
        .bind(conninfos)
        .bind(config_files)
        .bind(me.0);
    Ok(connection.execute(query).await?.rows_affected())
}

//! Configuration files, in a directory of their own. Static ones are written at each start; `dynamic.conf`
//! says whom this node follows and whether it takes writes, and changes with its role.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use planted::Bug;

use super::quoting::{Unquotable, identifier, setting};
use crate::config::{Config, Secrets};

/// Replaces a file in one step, for the server never to read half of it. Not synced: every start writes these
/// files anew, from what is durable.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, content)?;
    fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    fs::rename(&new, path)
}

/// Whom a node feeds, and whether it takes writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stance {
    /// In recovery, streaming from this primary of this epoch.
    Following { primary: String, epoch: u64 },
    /// In recovery, or leading an epoch whose beginning is not in the log yet.
    Apart,
    /// Leading, open for writes.
    Leading,
}

/// The configuration files of this node.
#[derive(Debug, Clone)]
pub struct Files {
    config: Config,
    secrets: Secrets,
}

impl Files {
    #[must_use]
    pub fn new(config: Config, secrets: Secrets) -> Self {
        Self { config, secrets }
    }

    #[must_use]
    pub fn main(&self) -> PathBuf {
        self.config.conf().join("postgresql.conf")
    }

    /// The password file for everything but the walreceiver.
    #[must_use]
    pub fn passfile(&self) -> PathBuf {
        self.config.conf().join("pgpass")
    }

    #[must_use]
    pub fn repmgr(&self) -> PathBuf {
        self.config.conf().join("repmgr.conf")
    }

    /// Writes everything that does not change while the node runs.
    ///
    /// # Errors
    /// A file cannot be written, or a name or path of the node's own settings not be quoted.
    pub fn write_static(&self) -> io::Result<()> {
        let conf = self.config.conf();
        fs::create_dir_all(&conf)?;
        fs::set_permissions(&conf, Permissions::from_mode(0o700))?;
        fs::create_dir_all(&self.config.socket_dir)?;
        replace(&self.main(), self.postgresql_conf()?.as_bytes())?;
        replace(&conf.join("pg_hba.conf"), HBA.as_bytes())?;
        replace(&conf.join("pg_ident.conf"), IDENT.as_bytes())?;
        self.write_passfile(&self.passfile())?;
        replace(&self.repmgr(), self.repmgr_conf()?.as_bytes())
    }

    /// Writes whom this node follows. The server has to be told to read it.
    ///
    /// The walreceiver's password is in a file named after the epoch, and the files of other epochs are
    /// deleted *first*: a walreceiver that starts with settings from before finds no password, so from here
    /// on no new connection to an older primary comes about, whenever the server reads its configuration.
    ///
    /// # Errors
    /// A file cannot be written or removed, or the primary's name not be quoted: nothing has changed then.
    pub fn write_stance(&self, stance: &Stance) -> io::Result<()> {
        let dynamic_conf = self.dynamic_conf(stance)?;
        let keep = match stance {
            Stance::Following { epoch, .. } => Some(self.walreceiver_passfile(*epoch)),
            Stance::Apart | Stance::Leading => None,
        };
        for entry in fs::read_dir(self.config.conf())? {
            let path = entry?.path();
            let is_passfile = path
                .extension()
                .is_some_and(|extension| extension == "walpass");
            if is_passfile && Some(&path) != keep.as_ref() {
                fs::remove_file(&path)?;
            }
        }
        if let Some(passfile) = &keep {
            self.write_passfile(passfile)?;
        }
        replace(
            &self.config.conf().join("dynamic.conf"),
            dynamic_conf.as_bytes(),
        )
    }

    fn walreceiver_passfile(&self, epoch: u64) -> PathBuf {
        self.config.conf().join(format!("epoch-{epoch}.walpass"))
    }

    fn write_passfile(&self, path: &Path) -> io::Result<()> {
        replace(
            path,
            format!("*:*:*:repmgr:{}\n", self.secrets.repmgr).as_bytes(),
        )
    }

    fn dynamic_conf(&self, stance: &Stance) -> Result<String, Unquotable> {
        let (conninfo, read_only) = match stance {
            Stance::Following { primary, epoch } => {
                let passfile = self.walreceiver_passfile(*epoch);
                let conninfo = super::conninfo(primary, &passfile, &self.config.node_name)?;
                (format!("{conninfo} target_session_attrs=primary"), "on")
            }
            Stance::Apart => (String::new(), "on"),
            Stance::Leading => (String::new(), "off"),
        };
        let conninfo = setting(&conninfo)?;
        Ok(format!(
            "primary_conninfo = {conninfo}\ndefault_transaction_read_only = {read_only}\n"
        ))
    }

    fn synchronous_standbys(&self) -> String {
        let peers = self.config.peers();
        let waits = !planted::is(Bug::Asynchronous) && !planted::is(Bug::TwoPrimaries);
        if peers.is_empty() || !waits {
            return String::new();
        }
        let quoted: Vec<String> = peers.iter().map(|peer| identifier(peer)).collect();
        format!("ANY 1 ({})", quoted.join(","))
    }

    fn postgresql_conf(&self) -> Result<String, Unquotable> {
        let Config {
            node_name,
            socket_dir,
            ..
        } = &self.config;
        let (data, conf) = (self.config.data(), self.config.conf());
        Ok(format!(
            "data_directory = {data}\nhba_file = {hba}\nident_file = {ident}\n\
             cluster_name = {node_name}\nunix_socket_directories = {socket}\n\
             synchronous_standby_names = {standbys}\n{STATIC}include 'dynamic.conf'\n",
            data = path(&data)?,
            hba = path(&conf.join("pg_hba.conf"))?,
            ident = path(&conf.join("pg_ident.conf"))?,
            node_name = setting(node_name)?,
            socket = path(socket_dir)?,
            standbys = setting(&self.synchronous_standbys())?,
        ))
    }

    fn repmgr_conf(&self) -> Result<String, Unquotable> {
        let Config {
            node_name,
            node_id,
            pg_bin,
            ..
        } = &self.config;
        Ok(format!(
            "node_id={id}\nnode_name={node_name}\nconninfo={conninfo}\ndata_directory={data}\n\
             config_directory={conf}\npg_bindir={bin}\npassfile={passfile}\n{REPMGR}\
             promote_command='/usr/local/bin/db-node promote'\nfollow_command='/bin/true'\n",
            // repmgr counts from one.
            id = u32::from(*node_id) + 1,
            conninfo = setting(&super::conninfo(node_name, &self.passfile(), "repmgr")?)?,
            node_name = setting(node_name)?,
            data = path(&self.config.data())?,
            conf = path(&self.config.conf())?,
            bin = path(pg_bin)?,
            passfile = path(&self.passfile())?,
        ))
    }
}

fn path(path: &Path) -> Result<String, Unquotable> {
    setting(&path.to_string_lossy())
}

const HBA: &str = "\
local all         all               peer map=node
host  all         postgres all      reject
host  replication repmgr   all      scram-sha-256
host  all         all      all      scram-sha-256
";

const IDENT: &str = "node postgres postgres\nnode postgres repmgr\nnode postgres webshop\n";

/// `monitor_interval_secs`, `reconnect_attempts` and `reconnect_interval` belong together: where the attempts are over
/// within two intervals, the siblings still count the primary as seen, and cancel the failover for good. At each
/// interval every daemon opens sessions with its own node and with the primary, which is half of what an idle
/// PostgreSQL does; so the second detector is a slow one.
const REPMGR: &str = "\
failover='automatic'
monitor_interval_secs=3
connection_check_type='query'
async_query_timeout=2
reconnect_attempts=4
reconnect_interval=2
election_rerun_interval=2
primary_visibility_consensus=true
standby_disconnect_on_failover=false
promote_check_timeout=10
primary_notification_timeout=10
repmgrd_standby_startup_timeout=5
child_nodes_check_interval=5
use_replication_slots=false
log_level='WARNING'
log_status_interval=0
";

/// For nine nodes on two cores: little memory, few wake-ups, no parallel workers.
const STATIC: &str = "\
listen_addresses = '*'
port = 5432
max_connections = 120
shared_buffers = 64MB
huge_pages = off
dynamic_shared_memory_type = posix
work_mem = 4MB
maintenance_work_mem = 32MB
effective_cache_size = 256MB
max_worker_processes = 4
max_parallel_workers = 0
max_parallel_workers_per_gather = 0
max_parallel_maintenance_workers = 0
max_locks_per_transaction = 64
max_pred_locks_per_transaction = 256
max_pred_locks_per_page = 16
max_pred_locks_per_relation = -4
jit = off
random_page_cost = 1.1
shared_preload_libraries = 'repmgr'
allow_alter_system = off
restart_after_crash = off
password_encryption = 'scram-sha-256'
authentication_timeout = 10s

wal_level = replica
wal_log_hints = on
wal_compression = lz4
wal_keep_size = 512MB
min_wal_size = 96MB
max_wal_size = 1GB
checkpoint_timeout = 5min
synchronous_commit = on
max_wal_senders = 10
max_replication_slots = 4
wal_sender_timeout = 3s
hot_standby = on
hot_standby_feedback = on
max_standby_streaming_delay = 2s
# a receiver pings after half of this, and the watcher counts on hearing the answer
wal_receiver_timeout = 1500ms
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 100ms

tcp_keepalives_idle = 2
tcp_keepalives_interval = 1
tcp_keepalives_count = 2
tcp_user_timeout = 3000
client_connection_check_interval = 1s

autovacuum_max_workers = 2
autovacuum_naptime = 30s
# it takes a quarter of what it would, for longer: at the highest rates any haste of it makes a queue
autovacuum_vacuum_cost_limit = 50
bgwriter_delay = 1s
wal_writer_delay = 500ms
log_min_messages = warning
log_checkpoints = off
log_line_prefix = '%m [%p] %q%u@%d '
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
";

#[cfg(test)]
mod tests;

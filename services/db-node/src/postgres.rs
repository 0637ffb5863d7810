//! PostgreSQL on this node: its configuration, its process, its local session, and what is done to its files.

pub mod config;
pub mod files;
pub mod quoting;
pub mod server;
pub mod session;
pub mod setup;
pub mod timeline;

use std::path::Path;

use quoting::{Unquotable, conninfo_value};

/// How the walreceiver, `pg_rewind`, `pg_basebackup` and repmgr reach a node as its replication role: always over the
/// network, where `pg_hba.conf` asks for SCRAM. A server that asks for anything else is not one of ours, and gets
/// neither the password nor any trust.
///
/// # Errors
/// A value has a control character.
pub fn conninfo(host: &str, passfile: &Path, application: &str) -> Result<String, Unquotable> {
    // `tcp_user_timeout` bounds the SYN as well: a dead address fails after 0.9 s, not after two.
    Ok(format!(
        "host={} port=5432 user=repmgr dbname=repmgr application_name={} \
         passfile={} require_auth=scram-sha-256 sslmode=disable gssencmode=disable connect_timeout=2 \
         tcp_user_timeout=900 keepalives_idle=2 keepalives_interval=1 keepalives_count=2",
        conninfo_value(host)?,
        conninfo_value(application)?,
        conninfo_value(&passfile.to_string_lossy())?,
    ))
}

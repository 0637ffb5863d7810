//! PostgreSQL on this node: its configuration, its process, its local session, and what is done to its files.

pub mod config;
pub mod files;
pub mod server;
pub mod session;
pub mod setup;
pub mod timeline;

/// How the walreceiver, `pg_rewind` and repmgr reach a node as its replication role.
#[must_use]
pub fn conninfo(host: &str, passfile: &std::path::Path, application: &str) -> String {
    // `tcp_user_timeout` bounds the SYN as well: a dead address fails after 0.9 s, not after two.
    format!(
        "host={host} port=5432 user=repmgr dbname=repmgr application_name={application} \
         passfile={} sslmode=disable gssencmode=disable connect_timeout=2 tcp_user_timeout=900 \
         keepalives_idle=2 keepalives_interval=1 keepalives_count=2",
        passfile.display()
    )
}

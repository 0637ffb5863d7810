//! Configuration: the environment that the stack gives a node, and the paths inside its container.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;

/// The settings of one node.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// The node's DNS name
    #[arg(long, env = "NODE_NAME")]
    pub node_name: String,
    /// 0, 1 or 2; node 0 initialises an empty cluster
    #[arg(long, env = "NODE_ID")]
    pub node_id: u8,
    /// The other two nodes; none: a single node without failover
    #[arg(long, env = "PEERS", value_delimiter = ',', default_value = "")]
    peers: Vec<String>,
    #[arg(
        long,
        env = "DB_PASSWORD_FILE",
        default_value = "/run/secrets/db_password"
    )]
    db_password_file: PathBuf,
    #[arg(
        long,
        env = "REPMGR_PASSWORD_FILE",
        default_value = "/run/secrets/repmgr_password"
    )]
    repmgr_password_file: PathBuf,
    /// The volume
    #[arg(long, env = "DB_NODE_ROOT", default_value = "/var/lib/webshop")]
    pub root: PathBuf,
    /// Where PostgreSQL's programs are
    #[arg(long, env = "PG_BIN", default_value = "/usr/lib/postgresql/17/bin")]
    pub pg_bin: PathBuf,
    /// Where PostgreSQL puts its socket
    #[arg(long, env = "PG_SOCKET_DIR", default_value = "/run/postgresql")]
    pub socket_dir: PathBuf,
}

impl Config {
    /// The other nodes of the cluster, none for a cluster of one.
    #[must_use]
    pub fn peers(&self) -> Vec<String> {
        let named = self.peers.iter().map(|peer| peer.trim());
        named
            .filter(|peer| !peer.is_empty())
            .map(str::to_owned)
            .collect()
    }

    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Where a clone or a new cluster is put together before it is renamed into place.
    #[must_use]
    pub fn data_new(&self) -> PathBuf {
        self.root.join("data.new")
    }

    #[must_use]
    pub fn data_old(&self) -> PathBuf {
        self.root.join("data.old")
    }

    #[must_use]
    pub fn ha(&self) -> PathBuf {
        self.root.join("ha")
    }

    /// Configuration lives outside the data directory: a rewind would overwrite it there.
    #[must_use]
    pub fn conf(&self) -> PathBuf {
        self.root.join("conf")
    }

    /// Reads the secrets.
    ///
    /// # Errors
    /// One is missing, or holds what could not stand in a configuration file unquoted.
    pub fn secrets(&self) -> io::Result<Secrets> {
        Ok(Secrets {
            db: secret(&self.db_password_file)?,
            repmgr: secret(&self.repmgr_password_file)?,
        })
    }
}

/// The passwords of the cluster's two roles.
#[derive(Clone)]
pub struct Secrets {
    pub db: String,
    pub repmgr: String,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

fn secret(path: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let message = format!(
            "{}: a password is made of letters and digits",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        config: Config,
    }

    fn parse(peers: &str) -> Config {
        Line::parse_from(["x", "--node-name", "a", "--node-id", "0", "--peers", peers]).config
    }

    #[test]
    fn no_peers_make_a_cluster_of_one() {
        assert_eq!(parse("").peers(), Vec::<String>::new());
        assert_eq!(parse("b, c").peers(), ["b", "c"]);
    }

    #[test]
    fn a_password_that_would_need_quoting_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, good) in [
            ("abc123\n", true),
            ("a'b", false),
            ("", false),
            ("a b", false),
        ] {
            std::fs::write(file.path(), text).unwrap();
            assert_eq!(secret(file.path()).is_ok(), good, "{text:?}");
        }
    }
}

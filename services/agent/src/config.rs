//! Where everything is, from the environment that the stack file sets.

use std::{path::PathBuf, str::FromStr};

/// The agent's environment.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// `order=order-db-0,order-db-1;stock=stock-db-0`
    #[arg(long, env)]
    pub clusters: Clusters,
    /// Bootstrap brokers, `kafka-0:9092,kafka-1:9092`.
    #[arg(long, env)]
    pub kafka_brokers: String,
    #[arg(long, env, default_value = "redis://redis:6379")]
    pub redis_url: String,
    /// The shop's own services.
    #[arg(
        long,
        env,
        value_delimiter = ',',
        default_value = "order,payment,stock"
    )]
    pub services: Vec<String>,
    /// The password of the role `webshop`.
    #[arg(long, env, default_value = "/run/secrets/db_password")]
    pub db_password_file: PathBuf,
    /// The password of the role `repmgr`, which alone sees `pg_stat_replication` in full.
    #[arg(long, env, default_value = "/run/secrets/repmgr_password")]
    pub repmgr_password_file: PathBuf,
}

/// The database clusters and their nodes, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters(pub Vec<ClusterNodes>);

/// The nodes of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterNodes {
    pub name: String,
    pub nodes: Vec<String>,
}

/// `CLUSTERS` is not `name=node,node;…`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not NAME=NODE,NODE")]
pub struct BadClusters(String);

impl FromStr for Clusters {
    type Err = BadClusters;

    fn from_str(text: &str) -> Result<Self, BadClusters> {
        text.split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| {
                let bad = || BadClusters(part.to_owned());
                let (name, nodes) = part.split_once('=').ok_or_else(bad)?;
                let nodes: Vec<String> = nodes
                    .split(',')
                    .map(str::trim)
                    .filter(|node| !node.is_empty())
                    .map(str::to_owned)
                    .collect();
                if name.trim().is_empty() || nodes.is_empty() {
                    return Err(bad());
                }
                Ok(ClusterNodes {
                    name: name.trim().to_owned(),
                    nodes,
                })
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }
}

impl Clusters {
    /// The cluster of that name.
    pub fn find(&self, name: &str) -> Option<&ClusterNodes> {
        self.0.iter().find(|cluster| cluster.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_keep_their_order() {
        let clusters: Clusters = "order=order-db-0,order-db-1; stock=stock-db-0;"
            .parse()
            .unwrap();
        let names: Vec<_> = clusters.0.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["order", "stock"]);
        assert_eq!(clusters.0[0].nodes, ["order-db-0", "order-db-1"]);
        assert_eq!(clusters.find("stock").unwrap().nodes, ["stock-db-0"]);
    }

    #[test]
    fn a_cluster_without_nodes_is_refused() {
        assert!("order=".parse::<Clusters>().is_err());
        assert!("order".parse::<Clusters>().is_err());
    }
}

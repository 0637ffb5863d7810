//! Every replica of the shop's own services, by DNS.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use protocol::{agent::ServiceReplica, http::SERVICE_PORT};
use tokio::{net::lookup_host, time::timeout};

use crate::{config::Config, error::one_line};

const TIMEOUT: Duration = Duration::from_secs(2);

/// Resolves every service and asks each address for its health.
pub async fn replicas(config: &Config, http: &reqwest::Client) -> Vec<ServiceReplica> {
    join_all(config.services.iter().map(|name| service(name, http)))
        .await
        .into_iter()
        .flatten()
        .collect()
}

/// Where the replicas of a service are; nowhere where DNS knows none.
pub async fn addresses(name: &str) -> Vec<SocketAddr> {
    let looked_up = timeout(TIMEOUT, lookup_host((name, SERVICE_PORT))).await;
    let mut addresses: Vec<SocketAddr> = match looked_up {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    addresses.sort();
    addresses.dedup();
    addresses
}

async fn service(name: &str, http: &reqwest::Client) -> Vec<ServiceReplica> {
    let addresses = addresses(name).await;
    join_all(addresses.into_iter().map(|address| async move {
        let error = health(address, http).await.err();
        ServiceReplica {
            service: name.to_owned(),
            address: address.ip().to_string(),
            healthy: error.is_none(),
            error: error.map(|error| one_line(&error)),
        }
    }))
    .await
}

async fn health(address: SocketAddr, http: &reqwest::Client) -> Result<(), reqwest::Error> {
    http.get(format!("http://{address}/health"))
        .timeout(TIMEOUT)
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}

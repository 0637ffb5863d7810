//! Whether the gateway's port is free, asked before anything is made.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use bollard::query_parameters::{ListContainersOptions, ListServicesOptions};

use super::NAMESPACE_LABEL;
use crate::cluster::Cluster;
use crate::error::{Error, Result};

/// Refuses a port that something else has.
pub(crate) async fn require_free(cluster: &Cluster, port: u16) -> Result<()> {
    if let Some(service) = service_on(cluster, port).await? {
        return Err(Error::PortTaken {
            port,
            by: format!(" by the service {service}"),
        });
    }
    let container = container_on(cluster, port).await?;
    let taken = container.is_some()
        || (cluster.engine.is_local()
            && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
                .is_err_and(|error| error.kind() == ErrorKind::AddrInUse));
    if taken {
        return Err(Error::PortTaken {
            port,
            by: container.map_or_else(String::new, |name| format!(" by the container {name}")),
        });
    }
    Ok(())
}

/// A service of another stack that publishes the port, whether or not its tasks run just now.
async fn service_on(cluster: &Cluster, port: u16) -> Result<Option<String>> {
    if !cluster.engine.is_manager().await? {
        return Ok(None);
    }
    let services = cluster
        .engine
        .docker()
        .list_services(None::<ListServicesOptions>)
        .await
        .map_err(|error| Error::docker("list the services", error))?;
    let other = services.into_iter().find_map(|service| {
        let spec = service.spec?;
        let ports = spec.endpoint_spec?.ports.unwrap_or_default();
        let publishes = ports
            .iter()
            .any(|published| published.published_port == Some(i64::from(port)));
        let mine =
            spec.labels?.get(NAMESPACE_LABEL).map(String::as_str) == Some(cluster.stack.as_str());
        (publishes && !mine).then_some(spec.name?)
    });
    Ok(other)
}

/// A container that publishes the port and is not of this stack.
async fn container_on(cluster: &Cluster, port: u16) -> Result<Option<String>> {
    let containers = cluster
        .engine
        .docker()
        .list_containers(None::<ListContainersOptions>)
        .await
        .map_err(|error| Error::docker("list the containers", error))?;
    let other = containers.into_iter().find(|container| {
        let mine = container
            .labels
            .as_ref()
            .and_then(|labels| labels.get(NAMESPACE_LABEL))
            .is_some_and(|stack| stack == cluster.stack.as_str());
        let publishes = container
            .ports
            .iter()
            .flatten()
            .any(|published| published.public_port == Some(port));
        publishes && !mine
    });
    Ok(other.map(|container| {
        container
            .names
            .and_then(|names| names.into_iter().next())
            .map(|name| name.trim_start_matches('/').to_owned())
            .or(container.id)
            .unwrap_or_default()
    }))
}

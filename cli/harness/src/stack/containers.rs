//! The engine's containers, whatever their state.

use std::collections::HashMap;

use bollard::{models::ContainerSummary, query_parameters::ListContainersOptions};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
};

/// Those that the filters let through. `what` tells an error what could not be listed.
///
/// # Errors
/// The engine does not answer.
pub(crate) async fn containers(
    cluster: &Cluster,
    filters: HashMap<String, Vec<String>>,
    what: &str,
) -> Result<Vec<ContainerSummary>> {
    let options = ListContainersOptions {
        all: true,
        filters: Some(filters),
        ..ListContainersOptions::default()
    };
    let listed = cluster.engine.docker().list_containers(Some(options)).await;
    listed.map_err(|error| Error::docker(format!("list {what}"), error))
}

//! The stack's volumes on the engine that we talk to.

use bollard::{models::Volume, query_parameters::ListVolumesOptions};

use super::{NAMESPACE_LABEL, label_filter};
use crate::{
    cluster::Cluster,
    error::{Error, Result},
};

/// All of them, in no order.
pub(super) async fn list(cluster: &Cluster) -> Result<Vec<Volume>> {
    let options = ListVolumesOptions {
        filters: Some(label_filter(NAMESPACE_LABEL, cluster.stack.as_str())),
    };
    let listed = cluster.engine.docker().list_volumes(Some(options)).await;
    let listed = listed.map_err(|error| Error::docker("list the volumes", error))?;
    Ok(listed.volumes.unwrap_or_default())
}

/// Their names, in order.
///
/// # Errors
/// The engine does not answer.
pub async fn volumes(cluster: &Cluster) -> Result<Vec<String>> {
    let listed = list(cluster).await?.into_iter();
    let mut names: Vec<String> = listed.map(|volume| volume.name).collect();
    names.sort();
    Ok(names)
}

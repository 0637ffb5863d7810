//! The databases' passwords: Swarm secrets, made once from the system's randomness and never shown.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::models::SecretSpec;
use bollard::query_parameters::ListSecretsOptions;
use rand::distr::{Alphanumeric, SampleString};

use super::STACK_LABEL;
use super::compose::File;
use super::spec::SecretReference;
use super::volumes::volumes;
use crate::cluster::Cluster;
use crate::error::{Error, Result};

const PASSWORD_LENGTH: usize = 32;

/// The ids of the secrets that exist, by their names.
pub(super) async fn existing(cluster: &Cluster) -> Result<BTreeMap<String, String>> {
    let secrets = cluster
        .engine
        .docker()
        .list_secrets(None::<ListSecretsOptions>)
        .await
        .map_err(|error| Error::docker("list the secrets", error))?;
    Ok(secrets
        .into_iter()
        .filter_map(|secret| Some((secret.spec?.name?, secret.id?)))
        .collect())
}

/// Refuses to go on with data that nobody has the passwords of any more.
pub(super) async fn require_for_volumes(
    cluster: &Cluster,
    file: &File,
    existing: &BTreeMap<String, String>,
) -> Result<()> {
    let missing = file
        .secrets
        .values()
        .any(|secret| !existing.contains_key(&secret.name));
    let volumes = volumes(cluster).await?;
    if missing && !volumes.is_empty() {
        return Err(Error::SecretsGone {
            stack: cluster.stack.to_string(),
            volumes: volumes.join(", "),
        });
    }
    Ok(())
}

/// Makes the secrets that are missing.
pub(super) async fn ensure(
    cluster: &Cluster,
    file: &File,
    mut existing: BTreeMap<String, String>,
) -> Result<BTreeMap<String, SecretReference>> {
    let mut references = BTreeMap::new();
    for (key, secret) in &file.secrets {
        let id = match existing.remove(&secret.name) {
            Some(id) => id,
            None => create(cluster, &secret.name).await?,
        };
        let name = secret.name.clone();
        references.insert(key.clone(), SecretReference { id, name });
    }
    Ok(references)
}

async fn create(cluster: &Cluster, name: &str) -> Result<String> {
    // The generator is seeded by the operating system and fit for secrets.
    let password = Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_LENGTH);
    let spec = SecretSpec {
        name: Some(name.to_owned()),
        // Not the namespace label: `docker stack rm` keeps the volumes and must keep what opens them.
        labels: Some(HashMap::from([(
            STACK_LABEL.to_owned(),
            cluster.stack.to_string(),
        )])),
        data: Some(STANDARD.encode(password)),
        ..SecretSpec::default()
    };
    let created = cluster
        .engine
        .docker()
        .create_secret(spec)
        .await
        .map_err(|error| Error::docker(format!("create the secret {name}"), error))?;
    Ok(created.id)
}

//! Brings a stack up: from nothing, from a half-dead one, or not at all where nothing is to be done.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{NetworkCreateRequest, Service, ServiceSpec};
use bollard::query_parameters::{ListNetworksOptions, ListServicesOptions};
use futures_util::future::LocalBoxFuture;

use super::compose::{File, Scalar};
use super::overview::Overview;
use super::spec::{Context, service_spec};
use super::variables::{Wishes, variables};
use super::{
    KIND_LABEL, NAMESPACE_LABEL, PROFILE_LABEL, as_found, disks, fingerprint, is_out_of_sequence,
    label_filter, last_run, port, remove, secrets, volumes,
};
use crate::cluster::Cluster;
use crate::converge;
use crate::error::{Error, Result};
use crate::event::{Change, Event};
use crate::fault;
use crate::image::{self, Images};
use crate::project::{Profile, Project};

const PORT_DEFAULT: u16 = 8000;
/// Names the bug that is planted in a process of a test image.
const PLANTED: &str = "WEBSHOP_PLANTED";
/// The kinds of services that can have one.
const PLANTABLE: [&str; 2] = ["service", "database"];
/// How long the tasks of a stack that was removed just before may take to go.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(120);
/// Somebody else may change a service between our look and our update.
const UPDATE_ATTEMPTS: usize = 5;

/// What `up` was asked for. What is `None` stays as the stack has it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub profile: Option<Profile>,
    pub port: Option<u16>,
    /// Replicas by service.
    pub scale: Vec<(String, u32)>,
    /// `direct` or `pgpool`.
    pub db_route: String,
    /// The bound of each volume that is made, in bytes; `None`: the machine's disk is the bound.
    pub volume_size: Option<u64>,
    /// Variables of the stack file that have no option of their own.
    pub environment: BTreeMap<String, String>,
    pub images: image::Options,
    /// The bug to plant, where the images can have one.
    pub planted: Option<String>,
    pub wait_timeout: Duration,
}

/// Builds what is missing, deploys, and waits until the shop answers.
///
/// Whatever can be refused is refused before anything is made.
///
/// # Errors
/// Any of [`Error`]; the stack is left as far as it came, and a second `up` goes on from there.
pub fn up<'a>(
    cluster: &'a Cluster,
    project: &'a Project,
    plan: &'a Plan,
) -> LocalBoxFuture<'a, Result<Overview>> {
    Box::pin(raise(cluster, project, plan))
}

async fn raise(cluster: &Cluster, project: &Project, plan: &Plan) -> Result<Overview> {
    let managed = cluster.engine.is_manager().await?;
    let existing = if managed {
        Overview::read(cluster).await?
    } else {
        Overview::default()
    };
    let profile = choose_profile(cluster, plan.profile, &existing).await?;
    let port = plan.port.or(existing.port()).unwrap_or(PORT_DEFAULT);
    let read = |images: &Images| {
        let wishes = Wishes {
            stack: &cluster.stack,
            port,
            db_route: &plan.db_route,
            images,
            environment: &plan.environment,
        };
        let mut file = File::read(&project.stack_file(profile), &variables(&wishes))?;
        scale(cluster, &mut file, &plan.scale)?;
        if let Some(bug) = &plan.planted {
            plant(&mut file, bug);
        }
        Ok::<File, Error>(file)
    };
    let draft = read(&Images::default())?;
    if existing.services.is_empty() {
        // `docker stack rm` only asks for the removal: what is still going has the port, and would take
        // the new stack's network with it.
        remove::down(cluster, false, LEFTOVERS_TIMEOUT).await?;
    }
    disks::require(cluster, plan.volume_size).await?;
    if existing.port() != Some(port) {
        port::require_free(cluster, port).await?;
    }
    let known = if managed {
        secrets::existing(cluster).await?
    } else {
        BTreeMap::new()
    };
    secrets::require_for_volumes(cluster, &draft, &known).await?;

    cluster.engine.ensure_swarm(&cluster.events).await?;
    let images = image::ensure(cluster, project, &plan.images).await?;
    let file = read(&images)?;
    let secrets = secrets::ensure(cluster, &file, known).await?;
    let networks = ensure_networks(cluster, &file).await?;
    let context = Context {
        stack: &cluster.stack,
        profile,
        networks: &networks,
        secrets: &secrets,
    };
    // What a killed `chaos` left behind would keep the stack from ever being whole.
    for healed in fault::clear(cluster).await? {
        cluster.events.note(healed);
    }
    disks::ensure(cluster, &file, profile, plan.volume_size).await?;
    ensure_services(cluster, &file, &context).await?;
    converge::wait(cluster, plan.wait_timeout).await
}

/// The two profiles keep different data in volumes of the same name: one never follows the other.
async fn choose_profile(
    cluster: &Cluster,
    wanted: Option<Profile>,
    existing: &Overview,
) -> Result<Profile> {
    let known = match existing.profile() {
        Some(profile) => Some(profile),
        None => profile_of_volumes(cluster).await?,
    };
    match (wanted, known) {
        (Some(wanted), Some(known)) if wanted != known => Err(Error::ProfileMismatch {
            stack: cluster.stack.to_string(),
            existing: known.name().to_owned(),
            wanted: wanted.name().to_owned(),
        }),
        (wanted, known) => Ok(wanted.or(known).unwrap_or_default()),
    }
}

async fn profile_of_volumes(cluster: &Cluster) -> Result<Option<Profile>> {
    let found = volumes::list(cluster).await?;
    let mut profiles = found
        .iter()
        .filter_map(|volume| Profile::from_name(volume.labels.get(PROFILE_LABEL)?));
    Ok(profiles.next())
}

/// Tells every task that runs an executable of ours which bug it has.
fn plant(file: &mut File, bug: &str) {
    for service in file.services.values_mut() {
        let kind = service.deploy.labels.get(KIND_LABEL);
        if kind.is_some_and(|kind| PLANTABLE.contains(&kind.0.as_str())) {
            let bug = Scalar(bug.to_owned());
            service.environment.insert(PLANTED.to_owned(), bug);
        }
    }
}

fn scale(cluster: &Cluster, file: &mut File, scale: &[(String, u32)]) -> Result<()> {
    for (name, replicas) in scale {
        file.scale(name, *replicas)
            .map_err(|known| Error::UnknownService {
                service: name.clone(),
                stack: cluster.stack.to_string(),
                known,
            })?;
    }
    Ok(())
}

/// Makes the networks that are missing; gives back the ids by their names in the file.
async fn ensure_networks(cluster: &Cluster, file: &File) -> Result<BTreeMap<String, String>> {
    let docker = cluster.engine.docker();
    let options = ListNetworksOptions {
        filters: Some(label_filter(NAMESPACE_LABEL, cluster.stack.as_str())),
    };
    let found: HashMap<String, String> = docker
        .list_networks(Some(options))
        .await
        .map_err(|error| Error::docker("list the networks", error))?
        .into_iter()
        .filter_map(|network| Some((network.name?, network.id?)))
        .collect();
    let mut ids = BTreeMap::new();
    for (name, network) in &file.networks {
        let scoped = cluster.stack.scoped(name);
        let id = match found.get(&scoped) {
            Some(id) => id.clone(),
            None => {
                let request = NetworkCreateRequest {
                    name: scoped.clone(),
                    driver: Some(network.driver.clone()),
                    labels: Some(HashMap::from([(
                        NAMESPACE_LABEL.to_owned(),
                        cluster.stack.to_string(),
                    )])),
                    ..NetworkCreateRequest::default()
                };
                docker
                    .create_network(request)
                    .await
                    .map_err(|error| Error::docker(format!("create the network {scoped}"), error))?
                    .id
            }
        };
        ids.insert(name.clone(), id);
    }
    Ok(ids)
}

/// Creates, updates or leaves alone each service, and removes those that the file has no more.
async fn ensure_services(cluster: &Cluster, file: &File, context: &Context<'_>) -> Result<()> {
    let mut found = services(cluster).await?;
    for (name, service) in &file.services {
        if cluster.cancel.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let wanted = service_spec(name, service, context);
        let change = match found.remove(&cluster.stack.scoped(name)) {
            None => create(cluster, name, wanted).await?,
            Some(current) => update(cluster, name, &wanted, current).await?,
        };
        cluster.events.emit(Event::Service {
            name: name.clone(),
            change,
        });
    }
    for scoped in found.into_keys() {
        cluster
            .engine
            .docker()
            .delete_service(&scoped)
            .await
            .map_err(|error| Error::docker(format!("remove the service {scoped}"), error))?;
        cluster.events.emit(Event::Service {
            name: cluster.stack.unscoped(&scoped).to_owned(),
            change: Change::Removed,
        });
    }
    Ok(())
}

async fn services(cluster: &Cluster) -> Result<BTreeMap<String, Service>> {
    let options = ListServicesOptions {
        filters: Some(label_filter(NAMESPACE_LABEL, cluster.stack.as_str())),
        status: None,
    };
    Ok(cluster
        .engine
        .docker()
        .list_services(Some(options))
        .await
        .map_err(|error| Error::docker("list the services", error))?
        .into_iter()
        .filter_map(|service| Some((service.spec.as_ref()?.name.clone()?, service)))
        .collect())
}

async fn create(cluster: &Cluster, name: &str, wanted: ServiceSpec) -> Result<Change> {
    // No credentials and no look-up: the image is on this engine, under a tag that never changes.
    cluster
        .engine
        .docker()
        .create_service(wanted, None)
        .await
        .map_err(|error| Error::docker(format!("create the service {name}"), error))?;
    Ok(Change::Created)
}

/// Updates a service whose specification is not the wanted one.
async fn update(
    cluster: &Cluster,
    name: &str,
    wanted: &ServiceSpec,
    mut current: Service,
) -> Result<Change> {
    let docker = cluster.engine.docker();
    let mut attempt = 1;
    loop {
        let found = current.spec.take().unwrap_or_default();
        if fingerprint::matches(wanted, &found) {
            return Ok(Change::Unchanged);
        }
        let mut spec = wanted.clone();
        last_run::carry(&found, &mut spec);
        // A counter that `docker service update --force` moves: keeping it restarts nothing needlessly.
        if let Some(template) = spec.task_template.as_mut() {
            template.force_update = found
                .task_template
                .and_then(|template| template.force_update);
        }
        let options = as_found(current.version);
        let id = current.id.clone().unwrap_or_default();
        match docker.update_service(&id, spec, options, None).await {
            Ok(_) => return Ok(Change::Updated),
            Err(error) if attempt == UPDATE_ATTEMPTS || !is_out_of_sequence(&error) => {
                return Err(Error::docker(format!("update the service {name}"), error));
            }
            Err(_) => attempt += 1,
        }
        current = docker
            .inspect_service(&id, None)
            .await
            .map_err(|error| Error::docker(format!("look at the service {name}"), error))?;
    }
}

//! The stack's images: each is tagged with a hash of everything that goes into it, and built by the
//! Engine API where that tag is missing.

mod base;
mod binaries;
mod build;
mod context;
mod host_ca;

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures_util::future::{LocalBoxFuture, try_join_all};
use tokio::sync::{OnceCell, Semaphore};

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::event::{Event, Progress};
use crate::project::Project;

use binaries::Binaries;
use context::Inputs;

/// Builds at the same time: more would only take the cores from each other.
const PARALLEL_BUILDS: usize = 2;
/// What all images and their builds take on the engine's disk, with a little to spare.
pub(crate) const SPACE_BYTES: u64 = 4 << 30;

/// One image of the stack.
#[derive(Debug)]
struct Image {
    /// The directory under `compose/`, and the name after `webshop/`.
    name: &'static str,
    /// The executables that are put into it.
    binaries: &'static [&'static str],
    /// The crates whose sources those are built from.
    sources: &'static [&'static str],
}

const IMAGES: [Image; 7] = [
    Image {
        name: "database",
        binaries: &["db-node"],
        sources: &["planted", "protocol", "db-node"],
    },
    Image {
        name: "fault",
        binaries: &[],
        sources: &[],
    },
    Image {
        name: "gateway",
        binaries: &[],
        sources: &[],
    },
    Image {
        name: "kafka",
        binaries: &[],
        sources: &[],
    },
    Image {
        name: "pgpool",
        binaries: &[],
        sources: &[],
    },
    Image {
        name: "redis",
        binaries: &[],
        sources: &[],
    },
    Image {
        name: "services",
        binaries: &["order", "payment", "stock", "agent"],
        sources: &[
            "planted",
            "protocol",
            "service-core",
            "order",
            "payment",
            "stock",
            "agent",
        ],
    },
];

/// How images are to be built.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Build all of them, whatever is there.
    pub rebuild: bool,
    /// `SSL_CERT_FILE`: a bundle of certificate authorities that goes before the system's.
    pub ca_bundle: Option<PathBuf>,
    pub flavour: Flavour,
}

/// Which build of our executables goes into images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Flavour {
    #[default]
    Release,
    /// With failpoints and bugs that can be planted: for tests of the shop and of its judge.
    Test,
}

impl Flavour {
    /// What an image with our executables is called.
    fn name_of(self, image: &Image) -> String {
        match self {
            Self::Test if !image.binaries.is_empty() => format!("{}{TEST_SUFFIX}", image.name),
            Self::Test | Self::Release => image.name.to_owned(),
        }
    }
}

/// Ends the names of images with planted code.
const TEST_SUFFIX: &str = "-test";

/// Whether an image with this reference has planted code.
#[must_use]
pub fn is_test_image(reference: &str) -> bool {
    let name = reference
        .rsplit_once(':')
        .map_or(reference, |(name, _)| name);
    name.ends_with(TEST_SUFFIX)
}

/// The reference of each image by its name, such as `kafka` → `webshop/kafka:0123456789ab`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images(BTreeMap<&'static str, String>);

impl Images {
    /// Names and references.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, reference)| (*name, reference.as_str()))
    }

    /// The reference of one image.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Makes sure that every image is there.
///
/// # Errors
/// [`Error::NoBase`], [`Error::Cargo`], [`Error::Build`], or what the engine says.
pub fn ensure<'a>(
    cluster: &'a Cluster,
    project: &'a Project,
    options: &'a Options,
) -> LocalBoxFuture<'a, Result<Images>> {
    Box::pin(build_missing(cluster, project, options))
}

async fn build_missing(cluster: &Cluster, project: &Project, options: &Options) -> Result<Images> {
    let base = base::ensure(cluster, project).await?;
    let authorities = host_ca::collect(options.ca_bundle.as_deref())?;
    let mut found = BTreeMap::new();
    let mut missing = Vec::new();
    for image in &IMAGES {
        let inputs = Inputs::read(project, image, &base, &authorities)?;
        let name = options.flavour.name_of(image);
        let reference = format!("webshop/{name}:{}", inputs.hash());
        if options.rebuild || !is_present(cluster, &reference).await? {
            missing.push((image, inputs, reference.clone()));
        } else {
            cluster.events.emit(Event::Build {
                name: image.name.to_owned(),
                progress: Progress::Present,
            });
        }
        found.insert(image.name, reference);
    }
    if !missing.is_empty() {
        cluster.engine.require_space(SPACE_BYTES).await?;
        build_all(cluster, project, options, &base.reference, missing).await?;
    }
    Ok(Images(found))
}

/// Builds side by side. The executables, which several images wait for, are built once.
async fn build_all(
    cluster: &Cluster,
    project: &Project,
    options: &Options,
    base: &str,
    missing: Vec<(&Image, Inputs, String)>,
) -> Result<()> {
    let slots = Semaphore::new(PARALLEL_BUILDS);
    let binaries = OnceCell::<Binaries>::new();
    let builds = missing.into_iter().map(|(image, inputs, reference)| {
        let (slots, binaries) = (&slots, &binaries);
        async move {
            let executables = if image.binaries.is_empty() {
                Vec::new()
            } else {
                binaries
                    .get_or_try_init(|| async {
                        let _slot = slots
                            .acquire()
                            .await
                            .map_err(|_closed| Error::Interrupted)?;
                        binaries::build(cluster, project, options.flavour).await
                    })
                    .await?
                    .read(image.binaries)?
            };
            let _slot = slots
                .acquire()
                .await
                .map_err(|_closed| Error::Interrupted)?;
            let name = options.flavour.name_of(image);
            let order = build::Order {
                name: &name,
                reference: &reference,
                base,
                nocache: options.rebuild,
            };
            build::run(cluster, &order, inputs.archive(&executables)?).await?;
            build::forget_old(cluster, &name, &reference).await
        }
    });
    tokio::select! {
        () = cluster.cancel.cancelled() => Err(Error::Interrupted),
        built = try_join_all(builds) => built.map(|_all| ()),
    }
}

/// The newest build of an image, by its name after `webshop/`.
///
/// # Errors
/// The engine does not answer.
pub(crate) async fn newest(cluster: &Cluster, name: &str) -> Result<Option<String>> {
    let images = build::of_name(cluster, name).await?;
    Ok(images
        .into_iter()
        .next()
        .and_then(|image| image.repo_tags.into_iter().next()))
}

async fn is_present(cluster: &Cluster, reference: &str) -> Result<bool> {
    match cluster.engine.docker().inspect_image(reference).await {
        Ok(_) => Ok(true),
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(false),
        Err(error) => Err(Error::docker(
            format!("look for the image {reference}"),
            error,
        )),
    }
}

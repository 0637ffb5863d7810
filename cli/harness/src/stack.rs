//! The stack: read from its file, deployed through the Engine API, looked at, and removed.
//!
//! Everything is named and labelled the way `docker stack deploy` does it.

pub mod compose;
mod containers;
pub mod deploy;
mod disks;
mod fingerprint;
mod interpolate;
pub(crate) mod last_run;
pub mod logs;
pub mod overview;
pub(crate) mod port;
pub mod remove;
mod secrets;
mod spec;
mod variables;
mod volumes;

use std::collections::HashMap;

use bollard::{models::ObjectVersion, query_parameters::UpdateServiceOptions};

pub(crate) use containers::containers;
pub use disks::{SIZE_MIN as VOLUME_SIZE_MIN, are_bound as volumes_are_bound};
pub use volumes::volumes;

/// More tasks of one service than this are a slip of the hand.
pub const SCALE_MAX: u32 = 100;

/// The stack that something belongs to.
pub const NAMESPACE_LABEL: &str = "com.docker.stack.namespace";
/// The image of a service as the stack file names it.
pub const IMAGE_LABEL: &str = "com.docker.stack.image";
/// The profile that the stack was made with.
pub const PROFILE_LABEL: &str = "webshop.profile";
/// What a service is: `gateway`, `service`, `database`, `pool`, `broker`, `redis`, `agent`.
pub const KIND_LABEL: &str = "webshop.kind";
/// Of the order, payment and stock services.
pub const SERVICE_KIND: &str = "service";
/// Which database a node belongs to: `order`, `payment`, `stock`.
pub const CLUSTER_LABEL: &str = "webshop.cluster";
/// On things of a stack that `docker stack rm` must leave: secrets, and the helpers of faults.
pub const STACK_LABEL: &str = "webshop.stack";
/// On the agent's service: the run that the stack served last.
const LAST_RUN_LABEL: &str = "webshop.last-run";
/// The fingerprint of the specification that a service was made from.
const SPEC_LABEL: &str = "webshop.spec";

/// The stack's only network.
pub const NETWORK: &str = "shop";
/// The service that publishes the stack's only port.
pub const GATEWAY: &str = "gateway";

/// Somebody else changed a service meanwhile: it is to be looked at and changed again.
fn is_out_of_sequence(error: &bollard::errors::Error) -> bool {
    error.to_string().contains("update out of sequence")
}

/// Changes a service only where it still is what was found.
pub(crate) fn as_found(version: Option<ObjectVersion>) -> UpdateServiceOptions {
    let version = version
        .and_then(|version| version.index)
        .unwrap_or_default();
    UpdateServiceOptions {
        version: i32::try_from(version).unwrap_or(i32::MAX),
        ..UpdateServiceOptions::default()
    }
}

/// An Engine API filter by one label.
pub fn label_filter(label: &str, value: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{label}={value}")])])
}

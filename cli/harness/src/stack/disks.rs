//! Volumes with a bound: each is a filesystem in a file of its own, on a loop device of the engine's machine, so that a full
//! one leaves the machine's disk alone. The files are on one more volume of the stack.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{HostConfig, Mount, MountType, VolumeCreateRequest};

use super::{NAMESPACE_LABEL, PROFILE_LABEL, compose::File, volumes};
use crate::{
    cluster::Cluster,
    error::{Error, Result},
    fault::helper::{Beside, Helper},
    project::Profile,
};

/// On a volume with a bound: the device that it is on.
const DEVICE_LABEL: &str = "webshop.device";
/// The volume that has the files.
const FILES: &str = "disks";
/// Where the helper has it.
const PLACE: &str = "/disks";
/// The least that a node's data need, in bytes: PostgreSQL keeps some hundred megabytes of log.
pub const SIZE_MIN: u64 = 512 << 20;
/// The kernel's loop devices and what hands them out.
const LOOP_DEVICES: [&str; 2] = ["b 7:* rwm", "c 10:237 rwm"];

/// Refuses a bound where there are volumes without one: a volume gets its bound when it is made.
///
/// # Errors
/// [`Error::VolumesUnbound`].
pub(super) async fn require(cluster: &Cluster, size: Option<u64>) -> Result<()> {
    let mut existing = devices(cluster).await?;
    existing.remove(&cluster.stack.scoped(FILES));
    if size.is_some() && existing.values().any(Option::is_none) {
        return Err(Error::VolumesUnbound {
            stack: cluster.stack.to_string(),
        });
    }
    Ok(())
}

/// Makes the volumes of a stack file that are missing, each of `size` bytes, and gives those that are there their devices
/// back. `None`: volumes stay as they are, and new ones have no bound.
///
/// # Errors
/// [`Error::Kernel`] where the kernel has no loop devices.
pub(super) async fn ensure(
    cluster: &Cluster,
    file: &File,
    profile: Profile,
    size: Option<u64>,
) -> Result<()> {
    let files = cluster.stack.scoped(FILES);
    let mut existing = devices(cluster).await?;
    let has_files = existing.remove(&files).is_some();
    if size.is_none() && existing.values().all(Option::is_none) {
        return Ok(());
    }
    let labels = HashMap::from([
        (NAMESPACE_LABEL.to_owned(), cluster.stack.to_string()),
        (PROFILE_LABEL.to_owned(), profile.name().to_owned()),
    ]);
    if !has_files {
        create(cluster, &files, labels.clone(), HashMap::new()).await?;
    }
    let helper = helper(cluster).await?;
    let made = async {
        for (name, device) in &existing {
            if let Some(device) = device {
                helper
                    .run(cluster, &attach_again(name, device), &[])
                    .await?;
            }
        }
        for name in file.volumes.keys().map(|name| cluster.stack.scoped(name)) {
            let (Some(size), false) = (size, existing.contains_key(&name)) else {
                continue;
            };
            let device = helper.run(cluster, &make(&name, size), &[]).await?;
            let device = device.trim().to_owned();
            let mut labels = labels.clone();
            labels.insert(DEVICE_LABEL.to_owned(), device.clone());
            let options = HashMap::from([
                ("type".to_owned(), "ext4".to_owned()),
                ("device".to_owned(), device),
            ]);
            create(cluster, &name, labels, options).await?;
        }
        Ok(())
    }
    .await;
    helper.remove(cluster).await?;
    made.map_err(kernel)
}

/// Whether every volume of the stack has a bound.
///
/// # Errors
/// The engine does not answer.
pub async fn are_bound(cluster: &Cluster) -> Result<bool> {
    let mut existing = devices(cluster).await?;
    Ok(existing.remove(&cluster.stack.scoped(FILES)).is_some()
        && existing.values().all(Option::is_some))
}

/// Gives the devices of the stack's volumes back to the kernel; nothing where none has a bound. Nothing may use them any more.
///
/// # Errors
/// A device is still in use.
pub(super) async fn release(cluster: &Cluster) -> Result<()> {
    let files = cluster.stack.scoped(FILES);
    if !devices(cluster).await?.contains_key(&files) {
        return Ok(());
    }
    let helper = helper(cluster).await?;
    let released = helper.run(cluster, &release_all(), &[]).await;
    helper.remove(cluster).await?;
    released.map(|_said| ()).map_err(kernel)
}

/// The stack's volumes, each with its device where it has a bound.
async fn devices(cluster: &Cluster) -> Result<BTreeMap<String, Option<String>>> {
    let found = volumes::list(cluster).await?.into_iter();
    Ok(found
        .map(|mut volume| (volume.name, volume.labels.remove(DEVICE_LABEL)))
        .collect())
}

async fn create(
    cluster: &Cluster,
    name: &str,
    labels: HashMap<String, String>,
    options: HashMap<String, String>,
) -> Result<()> {
    let request = VolumeCreateRequest {
        name: Some(name.to_owned()),
        driver: Some("local".to_owned()),
        driver_opts: Some(options),
        labels: Some(labels),
        ..VolumeCreateRequest::default()
    };
    let created = cluster.engine.docker().create_volume(request).await;
    created
        .map(|_volume| ())
        .map_err(|error| Error::docker(format!("create the volume {name}"), error))
}

/// A helper that has the files and may set loop devices up.
async fn helper(cluster: &Cluster) -> Result<Helper> {
    let beside = Beside {
        fault: "volumes",
        task: "the stack's volumes",
        container: "",
        undo: "true",
    };
    let host = HostConfig {
        network_mode: Some("none".to_owned()),
        mounts: Some(vec![Mount {
            typ: Some(MountType::VOLUME),
            source: Some(cluster.stack.scoped(FILES)),
            target: Some(PLACE.to_owned()),
            ..Mount::default()
        }]),
        binds: Some(vec!["/dev:/dev".to_owned()]),
        device_cgroup_rules: Some(LOOP_DEVICES.map(str::to_owned).to_vec()),
        cap_add: Some(vec!["SYS_ADMIN".to_owned(), "DAC_OVERRIDE".to_owned()]),
        ..HostConfig::default()
    };
    Helper::of_faults(cluster, &beside, host).await
}

/// Without the directory that ext4 begins with, a volume is empty, and gets its owner from the image.
fn make(name: &str, size: u64) -> String {
    format!(
        "set -e\nfile={PLACE}/{name}.img\n\
         if [ ! -e $file ]; then\n\
         truncate -s {size} $file.new\n\
         mke2fs -q -t ext4 -m 0 $file.new\n\
         debugfs -w -R 'rmdir lost+found' $file.new 2>&-\n\
         mv $file.new $file\nfi\n\
         losetup -j $file -n -O NAME | grep . || losetup -f --show $file"
    )
}

/// After the machine was started anew no file has its device any more.
fn attach_again(name: &str, device: &str) -> String {
    format!("losetup {device} >&- 2>&- || losetup {device} {PLACE}/{name}.img")
}

fn release_all() -> String {
    format!(
        "for file in {PLACE}/*.img; do\n[ -e $file ] || continue\n\
         for device in $(losetup -j $file -n -O NAME); do losetup -d $device; done\n\
         [ -z \"$(losetup -j $file)\" ] || exit 1\ndone"
    )
}

fn kernel(error: Error) -> Error {
    match error {
        Error::Fault { reason } => Error::Kernel {
            verb: "volume-size",
            reason,
        },
        error => error,
    }
}

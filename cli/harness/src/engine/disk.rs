//! The room that the engine has left, as far as it can be seen from here.

use nix::sys::statvfs::statvfs;

use super::Engine;
use crate::error::{Error, Result};

impl Engine {
    /// Refuses to begin what would fill the disk half-way. Only an engine on this machine can be
    /// looked at; any other one says itself when it is full.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    pub async fn require_space(&self, bytes: u64) -> Result<()> {
        if !self.is_local() {
            return Ok(());
        }
        let info = self
            .docker()
            .info()
            .await
            .map_err(|error| Error::docker("ask the engine where it keeps its data", error))?;
        let Some(root) = info.docker_root_dir else {
            return Ok(());
        };
        let free = match statvfs(root.as_str()) {
            Ok(disk) => disk.blocks_available().saturating_mul(disk.fragment_size()),
            Err(error) => {
                // A socket that leads to another machine, or a directory that only root may see.
                tracing::debug!(%root, %error, "the engine's disk cannot be seen from here");
                return Ok(());
            }
        };
        if free < bytes {
            return Err(Error::NoSpace {
                action: format!(
                    "build the images: {root} has {} MiB left, {} MiB are needed",
                    free >> 20,
                    bytes >> 20
                ),
            });
        }
        Ok(())
    }
}

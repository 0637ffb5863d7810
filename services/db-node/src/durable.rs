//! What a node must not forget, on its volume, and the lock that keeps a second task off that volume.
//!
//! Every change is written to a new file, synced, renamed into place, and the directory synced: a grant is a
//! promise, and it is only given once a kill cannot take it back.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

const STATE: &str = "state.json";
const LOCK: &str = "lock";

/// What a node has promised and been.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Durable {
    /// The highest epoch it led, granted or followed. Each epoch has this node's vote at most once.
    pub epoch: u64,
    /// The epoch that its data was last led in by itself; 0 once it follows somebody else.
    pub led: u64,
    /// Its data is being rewound or replaced: not to be started, and not to be counted on.
    pub dirty: bool,
}

/// The durable state and the files it lives in.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    current: Durable,
    /// Held as long as the process lives.
    _lock: File,
}

impl Store {
    /// Takes the volume's lock and reads the state.
    /// `has_data` without a state means that promises may have been lost: such data is dirty.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] while an earlier task holds the lock; else the directory or the state
    /// cannot be used.
    pub fn open(dir: &Path, has_data: bool) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(LOCK))?;
        lock.try_lock()?;
        let current = match fs::read(dir.join(STATE)) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Durable {
                dirty: has_data,
                ..Durable::default()
            },
            Err(error) => return Err(error),
        };
        Ok(Self {
            dir: dir.to_owned(),
            current,
            _lock: lock,
        })
    }

    #[must_use]
    pub fn current(&self) -> &Durable {
        &self.current
    }

    /// Replaces the state. Once this returns, a kill cannot take it back.
    ///
    /// # Errors
    /// It could not be made durable; the state in memory stays the old one, and the file is one of the two.
    pub fn save(&mut self, next: Durable) -> io::Result<()> {
        if next == self.current {
            return Ok(());
        }
        replace(&self.dir.join(STATE), &serde_json::to_vec(&next)?)?;
        self.current = next;
        Ok(())
    }
}

/// Replaces a file so that after a kill it is either the old one or the new one, whole.
///
/// # Errors
/// Any of the steps failed.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    rename(&new, path)
}

/// Renames, and makes the rename durable.
///
/// # Errors
/// The rename or the sync failed.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    if let Some(parent) = to.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_outlives_its_process() {
        let dir = tempfile::tempdir().unwrap();
        let promise = Durable {
            epoch: 7,
            led: 3,
            dirty: true,
        };
        let mut store = Store::open(dir.path(), false).unwrap();
        store.save(promise.clone()).unwrap();
        drop(store);
        assert_eq!(Store::open(dir.path(), false).unwrap().current(), &promise);
    }

    #[test]
    fn data_without_its_promises_is_dirty() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Store::open(dir.path(), true).unwrap().current().dirty);
    }

    #[test]
    fn a_second_task_on_the_volume_is_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Store::open(dir.path(), false).unwrap();
        let second = Store::open(dir.path(), false);
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_state_that_cannot_be_read_is_an_error_and_not_a_fresh_start() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(STATE), b"{").unwrap();
        assert!(Store::open(dir.path(), false).is_err());
    }
}

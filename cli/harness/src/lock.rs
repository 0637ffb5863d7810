//! One load or fault run at a time on a stack. The system releases the lock when its holder dies, so
//! there are no stale ones.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What the lock's file says. It stays behind: it also tells which run was the stack's last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    /// What it does, e.g. `webshop chaos --kill stock-db-primary`.
    pub doing: String,
    /// The directory of its run.
    pub run: PathBuf,
}

/// Held until dropped.
#[derive(Debug)]
pub struct Lock {
    file: Flock<File>,
}

/// Where the lock of the stack with that marker is.
#[must_use]
pub fn path(stack_id: &str) -> PathBuf {
    std::env::temp_dir().join(format!("webshop-{stack_id}.lock"))
}

impl Lock {
    /// Takes the lock, or says who holds it.
    ///
    /// # Errors
    /// [`Error::Locked`], or the file cannot be made.
    pub fn take(path: &Path, stack: &str, holder: &Holder) -> Result<Self> {
        let action = || format!("lock {}", path.display());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)
            .map_err(|source| Error::io(action(), source))?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((file, nix::errno::Errno::EWOULDBLOCK)) => {
                return Err(Error::Locked {
                    stack: stack.to_owned(),
                    holder: told(file),
                });
            }
            Err((_, errno)) => return Err(Error::io(action(), errno.into())),
        };
        let mut lock = Self { file };
        lock.tell(holder)?;
        Ok(lock)
    }

    /// Writes down who holds it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn tell(&mut self, holder: &Holder) -> Result<()> {
        let text = serde_json::to_string(holder).map_err(Error::json)?;
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .map_err(|source| Error::io("write the lock", source))
    }
}

/// What the holder of the lock says of itself; `None` where nobody holds it.
#[must_use]
pub fn held_by(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_free) => None,
        Err((file, _held)) => Some(told(file)),
    }
}

/// Who held the lock last; `None` where nobody has.
#[must_use]
pub fn last(path: &Path) -> Option<Holder> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

fn told(mut file: File) -> String {
    let mut text = String::new();
    let holder = file
        .read_to_string(&mut text)
        .ok()
        .and_then(|_bytes| serde_json::from_str::<Holder>(&text).ok());
    match holder {
        Some(holder) => format!("process {} runs `{}`", holder.pid, holder.doing),
        // Between taking the lock and writing who did.
        None => "another process has just begun a run".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: u32) -> Holder {
        Holder {
            pid,
            doing: "webshop load".to_owned(),
            run: PathBuf::from("runs/x"),
        }
    }

    #[test]
    fn a_second_one_learns_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::take(&path, "webshop", &holder(4711)).unwrap();
        assert_eq!(
            held_by(&path).as_deref(),
            Some("process 4711 runs `webshop load`")
        );
        let refused = Lock::take(&path, "webshop", &holder(4712)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "stack `webshop` is in use: process 4711 runs `webshop load`"
        );
        drop(held);
        let _again = Lock::take(&path, "webshop", &holder(4712)).unwrap();
        assert_eq!(last(&path), Some(holder(4712)));
    }

    #[test]
    fn what_a_dead_holder_left_does_not_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, serde_json::to_string(&holder(1)).unwrap()).unwrap();
        assert!(Lock::take(&path, "webshop", &holder(2)).is_ok());
    }
}

//! One load or fault run at a time on a stack. The system releases the lock when its holder dies, so
//! there are no stale ones.
//!
//! The locks of a user are in a directory of their own that nobody else can write to: whoever could prepare a link or
//! a lock there could have a file of this user written to, or keep every run from beginning. Two users of one engine
//! do not see each other's locks; but the stack itself says which run it served last (`stack/last_run.rs`), so neither is
//! judged by the other's rows.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{ErrorKind, Read as _, Seek, Write},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{Flock, FlockArg, OFlag},
    unistd::{Uid, geteuid},
};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    printable,
};

/// What the lock's file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    /// What it does, e.g. `webshop chaos --kill stock-db-primary`.
    pub doing: String,
}

/// What a holder says of itself is not larger, in bytes.
const HOLDER_MAX: u64 = 1 << 16;

/// Held until dropped.
#[derive(Debug)]
pub struct Lock {
    file: Flock<File>,
}

/// Where the lock of the stack with that marker is: in `/run/webshop` for root, else in `$XDG_RUNTIME_DIR/webshop`,
/// `/run/user/UID/webshop` or `~/.local/state/webshop`, the first whose parent is there.
///
/// # Errors
/// There is no such place, or somebody else can write to it.
pub fn path(stack_id: &str) -> Result<PathBuf> {
    let directory = private(&places(geteuid()))?;
    let name = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let stack: String = stack_id.chars().map(name).collect();
    Ok(directory.join(format!("{stack}.lock")))
}

/// Where locks may be, the best first. The same for every session of a user, as far as that can be.
fn places(user: Uid) -> Vec<PathBuf> {
    if user.is_root() {
        return vec![PathBuf::from("/run")];
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let state = std::env::home_dir().map(|home| home.join(".local/state"));
    runtime
        .filter(|path| path.is_absolute())
        .into_iter()
        .chain([PathBuf::from(format!("/run/user/{user}"))])
        .chain(state)
        .collect()
}

/// The directory `webshop` in the first of these places that is there; made where it is missing.
fn private(places: &[PathBuf]) -> Result<PathBuf> {
    let place = places.iter().find(|place| place.is_dir());
    // A home need not have a place for state yet.
    let Some(place) = place.or(places.last()) else {
        return Err(Error::io(
            "find a place for the lock: neither XDG_RUNTIME_DIR nor HOME is set",
            ErrorKind::NotFound.into(),
        ));
    };
    let path = place.join("webshop");
    let failed = |source| Error::io(format!("make {} for the lock", path.display()), source);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .map_err(failed)?;
    let found = path.symlink_metadata().map_err(failed)?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(failed(std::io::Error::new(
            ErrorKind::PermissionDenied,
            "it is not a directory of this user's own, or others can write to it",
        )));
    }
    Ok(path)
}

/// Opens the lock's file: a regular one of this user, and no link.
fn open(path: &Path, options: &mut OpenOptions) -> std::io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = options.custom_flags(flags.bits()).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != geteuid().as_raw() {
        return Err(std::io::Error::new(
            ErrorKind::PermissionDenied,
            "it is not a file of this user's own",
        ));
    }
    Ok(file)
}

impl Lock {
    /// Takes the lock, or says who holds it.
    ///
    /// # Errors
    /// [`Error::Locked`], or the file cannot be made.
    pub fn take(path: &Path, stack: &str, holder: &Holder) -> Result<Self> {
        let action = || format!("lock {}", path.display());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = open(path, options.mode(0o600)).map_err(|source| Error::io(action(), source))?;
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
    fn tell(&mut self, holder: &Holder) -> Result<()> {
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
    let file = open(path, OpenOptions::new().read(true)).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_free) => None,
        Err((file, _held)) => Some(told(file)),
    }
}

/// `None` between taking the lock and writing who did.
fn holder(file: File) -> Option<Holder> {
    serde_json::from_reader(file.take(HOLDER_MAX)).ok()
}

fn told(file: File) -> String {
    match holder(file) {
        Some(holder) => printable::line(&format!("process {} runs `{}`", holder.pid, holder.doing)),
        None => "another process has just begun a run".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_as(pid: u32) -> Holder {
        Holder {
            pid,
            doing: "webshop load".to_owned(),
        }
    }

    #[test]
    fn a_second_one_learns_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::take(&path, "webshop", &held_as(4711)).unwrap();
        assert_eq!(
            held_by(&path).as_deref(),
            Some("process 4711 runs `webshop load`")
        );
        let refused = Lock::take(&path, "webshop", &held_as(4712)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "stack `webshop` is in use: process 4711 runs `webshop load`"
        );
        drop(held);
        let _again = Lock::take(&path, "webshop", &held_as(4712)).unwrap();
    }

    #[test]
    fn a_link_at_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let outside = dir.path().join("outside");
        std::fs::write(&outside, "precious").unwrap();
        std::os::unix::fs::symlink(&outside, &path).unwrap();
        assert!(Lock::take(&path, "webshop", &held_as(1)).is_err());
        assert_eq!(held_by(&path), None);
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "precious");
    }

    #[test]
    fn a_pipe_at_its_place_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Lock::take(&path, "webshop", &held_as(1)).is_err());
        assert_eq!(held_by(&path), None);
    }

    #[test]
    fn locks_are_in_a_directory_that_nobody_else_can_write_to() {
        let dir = tempfile::tempdir().unwrap();
        let (absent, place) = (dir.path().join("absent"), dir.path().to_owned());
        let made = private(&[absent, place.clone()]).unwrap();
        assert_eq!(made, place.join("webshop"));
        assert_eq!(made.metadata().unwrap().mode() & 0o777, 0o700);
        let path = made.join("x.lock");
        let _held = Lock::take(&path, "webshop", &held_as(1)).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&made, open_to_all).unwrap();
        assert!(private(std::slice::from_ref(&place)).is_err());
        std::fs::remove_dir_all(&made).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &made).unwrap();
        assert!(private(&[place]).is_err(), "a link is no directory");
    }

    #[test]
    fn the_places_are_the_users_own() {
        assert_eq!(places(Uid::from_raw(0)), [PathBuf::from("/run")]);
        let places = places(Uid::from_raw(4711));
        assert!(places.contains(&PathBuf::from("/run/user/4711")));
        assert!(!places.iter().any(|place| place.starts_with("/tmp")));
    }

    #[test]
    fn what_a_dead_holder_left_does_not_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, serde_json::to_string(&held_as(1)).unwrap()).unwrap();
        assert!(Lock::take(&path, "webshop", &held_as(2)).is_ok());
    }
}

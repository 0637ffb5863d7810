//! Writing files into directories that anybody may have prepared: beside, under a name that nobody has, then moved into
//! place. A file is whole or not there, and no link is followed.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// How many leftovers of programs that were killed may have the names that would be taken.
const TRIES_MAX: u32 = 1000;
/// How much is written at once, in bytes.
const WRITE_AT_ONCE: usize = 1 << 20;

/// Fills `dir/name` by `fill`.
///
/// # Errors
/// It cannot be written; then nothing is left of it, and what was there before stays.
pub(super) fn place(
    dir: &Path,
    name: &str,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
) -> Result<PathBuf> {
    let path = dir.join(name);
    let failed = |source| Error::io(format!("write {}", path.display()), source);
    let (fresh, file) = fresh(dir, name).map_err(failed)?;
    let mut file = BufWriter::with_capacity(WRITE_AT_ONCE, file);
    let placed = fill(&mut file)
        .and_then(|()| file.flush().map_err(failed))
        .and_then(|()| std::fs::rename(&fresh, &path).map_err(failed));
    if let Err(error) = placed {
        if let Err(left) = std::fs::remove_file(&fresh) {
            tracing::debug!(%left, "{} stays behind", fresh.display());
        }
        return Err(error);
    }
    Ok(path)
}

/// A new file. One that is there already, a link above all, is neither opened nor followed (`O_EXCL`).
fn fresh(dir: &Path, name: &str) -> std::io::Result<(PathBuf, File)> {
    let process = std::process::id();
    for n in 0..TRIES_MAX {
        let path = dir.join(format!(".{name}.{process}-{n}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    fn write(dir: &Path, text: &str) -> Result<PathBuf> {
        place(dir, "result.json", |file| {
            file.write_all(text.as_bytes())
                .map_err(|source| Error::io("write", source))
        })
    }

    #[test]
    fn no_link_that_lies_in_wait_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(outside.path(), "precious").unwrap();
        let process = std::process::id();
        for name in [
            ".result.json",
            &format!(".result.json.{process}-0"),
            "result.json",
        ] {
            std::os::unix::fs::symlink(outside.path(), dir.path().join(name)).unwrap();
        }
        write(dir.path(), "new").unwrap();
        assert_eq!(std::fs::read_to_string(outside.path()).unwrap(), "precious");
        let placed = dir.path().join("result.json");
        assert!(placed.symlink_metadata().unwrap().is_file());
        assert_eq!(std::fs::read_to_string(placed).unwrap(), "new");
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "old").unwrap();
        let failed = place(dir.path(), "result.json", |_file| {
            Err(Error::io("write", ErrorKind::StorageFull.into()))
        });
        assert!(failed.is_err());
        assert_eq!(names(dir.path()), ["result.json"]);
        std::fs::create_dir_all(dir.path().join("summary.md/in the way")).unwrap();
        assert!(place(dir.path(), "summary.md", |_file| Ok(())).is_err());
        assert_eq!(names(dir.path()), ["result.json", "summary.md"]);
    }
}

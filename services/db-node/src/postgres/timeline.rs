//! Numbers of timelines. PostgreSQL takes the next free one at a promotion, so two nodes that are promoted one
//! after the other without hearing of each other take the same, and a standby of the one attaches to the other:
//! it confirms commits that it can never replay. Here a promotion takes the epoch's number, which nobody else
//! has, by leaving a placeholder for each number in between.

use std::{fs, io, path::Path};

const PLACEHOLDER: &str = "# skipped: a timeline is numbered like the epoch that it begins with\n";

/// Makes the next promotion of the data in `data`, whose control file names timeline `from`, begin timeline `to`.
///
/// # Errors
/// A file cannot be written.
pub fn reserve(data: &Path, from: u32, to: u64) -> io::Result<()> {
    for number in u64::from(from) + 1..to {
        let path = data.join("pg_wal").join(format!("{number:08X}.history"));
        match fs::File::create_new(&path) {
            Ok(mut file) => io::Write::write_all(&mut file, PLACEHOLDER.as_bytes())?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes the placeholders of a promotion that never came: a server that starts would take the last of them
/// for the timeline to recover to.
///
/// # Errors
/// A file cannot be read or removed.
pub fn release(data: &Path) -> io::Result<()> {
    let mut histories = Vec::new();
    for entry in fs::read_dir(data.join("pg_wal"))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "history")
        {
            histories.push(path);
        }
    }
    histories.sort();
    for path in histories.into_iter().rev() {
        if fs::read(&path)? != PLACEHOLDER.as_bytes() {
            break;
        }
        fs::remove_file(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = "1\t0/5000000\tno recovery target specified\n";

    fn data(real: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("pg_wal")).unwrap();
        for name in real {
            fs::write(dir.path().join("pg_wal").join(name), REAL).unwrap();
        }
        dir
    }

    fn names(dir: &tempfile::TempDir) -> Vec<String> {
        let entries = fs::read_dir(dir.path().join("pg_wal")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn every_number_below_the_epoch_is_taken() {
        let dir = data(&["00000004.history"]);
        reserve(dir.path(), 3, 12).unwrap();
        assert_eq!(
            names(&dir).first().map(String::as_str),
            Some("00000004.history")
        );
        assert_eq!(
            names(&dir).last().map(String::as_str),
            Some("0000000B.history")
        );
        assert_eq!(names(&dir).len(), 8);
        let real = fs::read_to_string(dir.path().join("pg_wal/00000004.history")).unwrap();
        assert_eq!(real, REAL);
    }

    #[test]
    fn the_next_epoch_needs_no_placeholder() {
        let dir = data(&[]);
        reserve(dir.path(), 3, 4).unwrap();
        assert_eq!(names(&dir), Vec::<String>::new());
    }

    #[test]
    fn a_promotion_that_never_came_leaves_nothing() {
        let dir = data(&["00000003.history"]);
        reserve(dir.path(), 3, 7).unwrap();
        release(dir.path()).unwrap();
        assert_eq!(names(&dir), ["00000003.history"]);
    }

    #[test]
    fn a_promotion_that_came_keeps_its_placeholders() {
        let dir = data(&["00000007.history"]);
        reserve(dir.path(), 3, 7).unwrap();
        let before = names(&dir);
        release(dir.path()).unwrap();
        assert_eq!(names(&dir), before);
    }
}

//! Reading files that anybody may have made: only regular files are opened, without waiting for a writer, and nothing
//! larger than its bound is taken into memory.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, ErrorKind, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use nix::{errno::Errno, fcntl::OFlag};

/// How much is read at once, in bytes.
pub(super) const READ_AT_ONCE: usize = 1 << 20;

/// The file, where it is there, a regular one and no link to one.
///
/// # Errors
/// It is a link, a pipe, a device or a directory, or cannot be opened.
pub(super) fn open(path: &Path) -> io::Result<Option<File>> {
    match open_with(path, OFlag::O_NOFOLLOW) {
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            Err(invalid("it is a link".to_owned()))
        }
        opened => opened,
    }
}

fn open_with(path: &Path, flags: OFlag) -> io::Result<Option<File>> {
    // A pipe is opened at once and refused then, instead of waited for.
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(invalid("not a regular file".to_owned()));
    }
    Ok(Some(file))
}

/// The whole file; `None` where there is none.
///
/// # Errors
/// It has more than `bytes_max`, or as [`open`].
pub(super) fn read(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    open(path)?.map(|file| whole(file, bytes_max)).transpose()
}

/// As [`read`], of a file that somebody named: it may be a link.
///
/// # Errors
/// It has more than `bytes_max`, is no regular file, or cannot be opened.
pub(crate) fn read_named(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = open_with(path, OFlag::empty())?;
    file.map(|file| whole(file, bytes_max)).transpose()
}

fn whole(file: File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > bytes_max {
        return Err(too_large("the file", bytes_max));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // It may grow meanwhile: one byte more than is allowed is read, and refused.
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(too_large("the file", bytes_max));
    }
    Ok(bytes)
}

/// A file line by line.
#[derive(Debug)]
pub(super) struct Lines {
    text: io::Take<BufReader<File>>,
    line_max: u64,
    file_max: u64,
    line: Vec<u8>,
    read: u64,
}

impl Lines {
    /// `line_max` and `file_max` in bytes.
    pub(super) fn of(file: File, line_max: u64, file_max: u64) -> Self {
        Self {
            text: BufReader::with_capacity(READ_AT_ONCE, file).take(0),
            line_max,
            file_max,
            line: Vec::new(),
            read: 0,
        }
    }

    /// How large the file is now, in bytes.
    ///
    /// # Errors
    /// The system does not say.
    pub(super) fn file_bytes(&self) -> io::Result<u64> {
        Ok(self.text.get_ref().get_ref().metadata()?.len())
    }

    /// The next line with its end, which the last one may lack; `None` after that.
    ///
    /// # Errors
    /// A line or the file is too large, or cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        self.text.set_limit(self.line_max + 1);
        let length = self.text.read_until(b'\n', &mut self.line)? as u64;
        if length > self.line_max {
            return Err(too_large("a line", self.line_max));
        }
        self.read += length;
        if self.read > self.file_max {
            return Err(too_large("the file", self.file_max));
        }
        Ok((length > 0).then_some(self.line.as_slice()))
    }
}

fn too_large(what: &str, bytes_max: u64) -> io::Error {
    let most = if bytes_max.is_multiple_of(1 << 30) {
        format!("{} GiB", bytes_max >> 30)
    } else if bytes_max.is_multiple_of(1 << 20) {
        format!("{} MiB", bytes_max >> 20)
    } else {
        format!("{bytes_max} bytes")
    };
    invalid(format!("{what} is larger than {most}, which no run writes"))
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound_and_not_beyond() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert_eq!(read(&path, 4).unwrap(), None);
        std::fs::write(&path, "1234").unwrap();
        assert_eq!(read(&path, 4).unwrap().unwrap(), b"1234");
        let error = read(&path, 3).unwrap_err().to_string();
        assert_eq!(
            error,
            "the file is larger than 3 bytes, which no run writes"
        );
    }

    #[test]
    fn a_line_and_all_lines_together_have_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        std::fs::write(&path, "abc\nde\nf").unwrap();
        let lines =
            |line_max, file_max| Lines::of(open(&path).unwrap().unwrap(), line_max, file_max);
        let mut whole = lines(4, 8);
        let mut found = Vec::new();
        while let Some(line) = whole.next().unwrap() {
            found.push(line.to_vec());
        }
        assert_eq!(found, [&b"abc\n"[..], b"de\n", b"f"]);
        let error = lines(3, 8).next().unwrap_err().to_string();
        assert!(
            error.starts_with("a line is larger than 3 bytes"),
            "{error}"
        );
        let mut short = lines(4, 6);
        short.next().unwrap();
        let error = short.next().unwrap_err().to_string();
        assert!(
            error.starts_with("the file is larger than 6 bytes"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [&pipe, dir.path(), Path::new("/dev/zero")] {
            let error = open(path).unwrap_err().to_string();
            assert_eq!(error, "not a regular file", "{}", path.display());
        }
    }
}

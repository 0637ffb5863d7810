//! Judges a stored run with the program itself, while nobody reads what it prints.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use crate::error::{Error, Result};

const JUDGED_MAX: Duration = Duration::from_secs(60);

/// How a judge ended whose output nobody read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// The verdict's own code.
    pub expected: u8,
    /// `None`: a signal ended it.
    pub given: Option<i32>,
}

impl Unread {
    /// Whether what happened to its output changed nothing.
    #[must_use]
    pub fn is_right(self) -> bool {
        self.given == Some(i32::from(self.expected))
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.given {
            Some(code) => write!(f, "exit {code} with nobody to read it"),
            None => f.write_str("ended by a signal with nobody to read it"),
        }
    }
}

/// This very program. Its path may hold another one by now, or none: a build puts a new file there.
fn this_program() -> Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        return Ok(running);
    }
    std::env::current_exe().map_err(|error| Error::io("find this program", error))
}

/// Runs `webshop verify RUN --offline` with a stdout that is a pipe without a reader.
///
/// # Errors
/// It cannot be started, or does not end.
pub(super) async fn judge(run: &Path, expected: u8) -> Result<Unread> {
    let program = this_program()?;
    let (reader, writer) =
        std::io::pipe().map_err(|error| Error::io("open a pipe for the judge", error))?;
    drop(reader);
    let mut judge = Command::new(program);
    judge
        .args(["verify", "--offline"])
        .arg(run)
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let ended = timeout(JUDGED_MAX, judge.status()).await;
    let ended = ended.unwrap_or_else(|_elapsed| Err(std::io::ErrorKind::TimedOut.into()));
    let status = ended.map_err(|error| Error::io("judge a run that nobody reads", error))?;
    Ok(Unread {
        expected,
        given: status.code(),
    })
}

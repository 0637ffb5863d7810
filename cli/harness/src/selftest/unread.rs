//! Judges with the program itself, while nobody reads what it prints.

use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    project::Project,
    rundir::SCENARIO,
};

const JUDGED_MAX: Duration = Duration::from_secs(180);

/// How a judge ended whose output nobody read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Which judge, and what became of its output.
    pub judge: String,
    /// The verdict's own code.
    pub expected: u8,
    /// `None`: a signal ended it.
    pub given: Option<i32>,
}

impl Unread {
    /// Whether what happened to its output changed nothing.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.given == Some(i32::from(self.expected))
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judge = &self.judge;
        match self.given {
            Some(code) => write!(f, "exit {code} of {judge}"),
            None => write!(f, "{judge} was ended by a signal"),
        }
    }
}

/// What becomes of a judge's output.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// A pipe without a reader.
    Gone,
    /// A device that takes nothing.
    Full,
    /// Nobody looks, and everything is taken.
    Kept,
    /// There is no such stream at all.
    Absent,
}

impl Fate {
    fn stream(self) -> io::Result<Stdio> {
        match self {
            Self::Gone => {
                let (reader, writer) = io::pipe()?;
                drop(reader);
                Ok(writer.into())
            }
            Self::Full => Ok(File::options().write(true).open("/dev/full")?.into()),
            Self::Kept | Self::Absent => Ok(Stdio::null()),
        }
    }

    /// What a shell writes to have it so.
    fn closing(self, stream: &'static str) -> &'static str {
        match self {
            Self::Absent => stream,
            Self::Gone | Self::Full | Self::Kept => "",
        }
    }
}

/// Of stdout and stderr.
const FATES: [(&str, Fate, Fate); 5] = [
    ("nobody reading stdout", Fate::Gone, Fate::Kept),
    ("nobody reading stderr", Fate::Kept, Fate::Gone),
    ("nobody reading either", Fate::Gone, Fate::Gone),
    ("both closed", Fate::Absent, Fate::Absent),
    ("both full", Fate::Full, Fate::Full),
];

/// This very program. Its path may hold another one by now, or none: a build puts a new file there.
fn this_program() -> Result<PathBuf> {
    // Not `/proc/self`: a shell starts it.
    let running = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if running.exists() {
        return Ok(running);
    }
    std::env::current_exe().map_err(|error| Error::io("find this program", error))
}

/// Has every command that judges do so on a stack whose shop is wrong, and on a run of it, with every fate of its output.
/// Gives the first that did not end with the verdict's code, or else the last.
///
/// # Errors
/// One cannot be started, or does not end.
pub(super) async fn judge(
    cluster: &Cluster,
    project: &Project,
    run: &Path,
    expected: u8,
) -> Result<Option<Unread>> {
    let run_again = run.join(SCENARIO);
    let (run, run_again) = (run.display().to_string(), run_again.display().to_string());
    let judges: [&[&str]; 4] = [
        &["verify", &run, "--offline"],
        &[
            "chaos", "--kill", "redis", "--at", "2s", "--for", "3s", "--verify",
        ],
        &["bench", "--rate", "50/s", "--for", "4s"],
        &["run", &run_again],
    ];
    let mut last = None;
    for arguments in judges {
        for (fate, stdout, stderr) in FATES {
            // Only a shell can start a program whose streams are closed.
            let (out, err) = (stdout.closing(" 1>&-"), stderr.closing(" 2>&-"));
            let mut judge = Command::new("/bin/sh");
            judge
                .args(["-c", &format!("exec \"$0\" \"$@\"{out}{err}")])
                .arg(this_program()?)
                .args(["--stack", cluster.stack.as_str(), "--project-dir"])
                .arg(project.root())
                .args(arguments)
                .stdin(Stdio::null())
                .kill_on_drop(true);
            let unread = Unread {
                judge: format!("webshop {} with {fate}", arguments[0]),
                expected,
                given: ended(judge, stdout, stderr)
                    .await
                    .map_err(|error| Error::io("judge while nobody reads", error))?,
            };
            cluster.events.note(unread.to_string());
            if !unread.is_right() {
                return Ok(Some(unread));
            }
            last = Some(unread);
        }
    }
    Ok(last)
}

async fn ended(mut judge: Command, stdout: Fate, stderr: Fate) -> io::Result<Option<i32>> {
    judge.stdout(stdout.stream()?).stderr(stderr.stream()?);
    let mut judge = judge.spawn()?;
    let ended = timeout(JUDGED_MAX, judge.wait()).await;
    let status = ended.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))?;
    Ok(status.code())
}

//! What is done to the data directory while the server is down: initialise, copy, rewind.

use std::{
    fs, io,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use sqlx::{Connection as _, Executor as _, Row as _};
use tokio::{process::Command, time::Instant};

use super::{
    config::Files,
    session::{self, remote},
};
use crate::{
    children::Children,
    config::{Config, Secrets},
    data_dir::{self, DataDir, STANDBY_SIGNAL},
    durable::rename,
};

/// A cluster of a few gigabytes is copied well within this.
const COPY_MAX: Duration = Duration::from_secs(900);
const TOOL_MAX: Duration = Duration::from_secs(120);
/// `pg_rewind` prints a lot; its end tells what went wrong.
const TOLD_MAX: usize = 2000;

/// What a rewind came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewind {
    Done,
    /// As far as `pg_rewind` can see, the data is on the primary's branch. It goes by timelines' numbers.
    NotNeeded,
}

/// Why work on the data directory failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("files of the data directory")]
    Io(#[from] io::Error),
    #[error("{program} failed: {told}")]
    Tool { program: &'static str, told: String },
    #[error("{program} took too long")]
    Timeout { program: &'static str },
    #[error("the primary to follow")]
    Primary(#[from] session::Error),
    #[error("the primary's history lacks epoch {0}, which this node led")]
    Unknown(u64),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Primary(error.into())
    }
}

/// The data directory of this node and the programs that work on it.
#[derive(Debug, Clone)]
pub struct DataFiles {
    config: Config,
    secrets: Secrets,
    files: Files,
    children: Children,
}

impl DataFiles {
    #[must_use]
    pub fn new(config: Config, secrets: Secrets, files: Files, children: Children) -> Self {
        Self {
            config,
            secrets,
            files,
            children,
        }
    }

    /// Reads the control file; `None` where there is no data.
    ///
    /// # Errors
    /// `pg_controldata` cannot be run.
    pub async fn inspect(&self) -> Result<Option<DataDir>, Error> {
        let data = self.config.data();
        if !data_dir::exists(&data) {
            return Ok(None);
        }
        let mut command = self.program("pg_controldata");
        let output = self
            .output("pg_controldata", command.arg(&data), TOOL_MAX)
            .await?;
        let printed = String::from_utf8_lossy(&output.stdout);
        Ok(Some(DataDir::parse(
            &printed,
            data.join(STANDBY_SIGNAL).exists(),
        )))
    }

    /// Removes what an interrupted copy left.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn tidy(&self) -> io::Result<()> {
        remove(&self.config.data_new())?;
        remove(&self.config.data_old())
    }

    /// Makes a new cluster beside the data directory; [`DataFiles::install`] puts it into place.
    ///
    /// # Errors
    /// `initdb` failed.
    pub async fn initialise(&self) -> Result<(), Error> {
        self.tidy()?;
        let mut command = self.program("initdb");
        command.arg("-D").arg(self.config.data_new()).args([
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
            // In MiB. A new segment is filled with zeros and synced while all commits wait, on each node: short and often
            // instead of half a second every few. A promotion copies one, too.
            "--wal-segsize=2",
            "--auth-local=peer",
            "--auth-host=scram-sha-256",
            "--no-instructions",
        ]);
        self.run("initdb", &mut command, TOOL_MAX).await?;
        Ok(())
    }

    /// Copies a primary beside the data directory, as a standby.
    ///
    /// # Errors
    /// The copy failed.
    pub async fn copy(&self, primary: &str) -> Result<(), Error> {
        self.tidy()?;
        let new = self.config.data_new();
        let mut command = self.program("pg_basebackup");
        command
            .arg("-D")
            .arg(&new)
            .args(["-X", "stream", "-c", "fast", "--no-manifest"]);
        command
            .arg("-d")
            .arg(self.conninfo(primary, "pg_basebackup")?);
        self.run("pg_basebackup", &mut command, COPY_MAX).await?;
        Ok(make_standby(&new)?)
    }

    /// Renames the new data directory into the old one's place.
    ///
    /// # Errors
    /// A rename failed; [`DataFiles::tidy`] clears up after a kill in between.
    pub fn install(&self) -> io::Result<()> {
        let (data, new, old) = (
            self.config.data(),
            self.config.data_new(),
            self.config.data_old(),
        );
        if data.exists() {
            rename(&data, &old)?;
        }
        rename(&new, &data)?;
        remove(&old)
    }

    /// Turns the data into that of a standby of `primary`, giving up what only this node has. After an error
    /// the data is neither the one nor the other.
    ///
    /// # Errors
    /// `pg_rewind` failed.
    pub async fn rewind(&self, primary: &str) -> Result<Rewind, Error> {
        let data = self.config.data();
        // Recovery in single-user mode, which pg_rewind runs first, refuses to be a standby.
        remove_file(&data.join(STANDBY_SIGNAL))?;
        remove_file(&data.join("postmaster.pid"))?;
        let mut command = self.program("pg_rewind");
        command.arg("-D").arg(&data);
        command
            .arg("--source-server")
            .arg(self.conninfo(primary, "pg_rewind")?);
        command.arg("--config-file").arg(self.files.main());
        let told = self.run("pg_rewind", &mut command, COPY_MAX).await?;
        make_standby(&data)?;
        Ok(if told.contains("no rewind required") {
            Rewind::NotNeeded
        } else {
            Rewind::Done
        })
    }

    /// Makes sure that the data comes up as a standby's, under this node's configuration alone.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn make_standby(&self) -> io::Result<()> {
        make_standby(&self.config.data())
    }

    /// Removes settings inside the data directory: a copy or a rewind brings the primary's with it.
    ///
    /// # Errors
    /// It cannot be emptied.
    pub fn clear_settings(&self) -> io::Result<()> {
        clear_settings(&self.config.data())
    }

    /// Prepares the primary for being rewound to, and makes sure that its history contains the epoch `led`.
    ///
    /// A primary's control file names its timeline only after a checkpoint, and `pg_rewind` believes the file.
    /// A timeline's number can be taken twice, so the epochs in the primary's data say whether it knows ours.
    ///
    /// # Errors
    /// The primary does not answer, or lacks the epoch: only a copy helps then.
    pub async fn check_source(&self, primary: &str, led: u64) -> Result<(), Error> {
        let mut connection = remote(primary, &self.secrets.repmgr).await?;
        connection.execute("checkpoint").await?;
        let row = sqlx::query("select exists (select from ha.epoch where epoch = $1) as known")
            .bind(i64::try_from(led).unwrap_or(i64::MAX))
            .fetch_one(&mut connection)
            .await?;
        let known: bool = row.try_get("known")?;
        connection.close().await?;
        if led == 0 || known {
            Ok(())
        } else {
            Err(Error::Unknown(led))
        }
    }

    fn conninfo(&self, host: &str, application: &str) -> io::Result<String> {
        Ok(super::conninfo(host, &self.files.passfile(), application)?)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.config.pg_bin.join(name));
        command
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    async fn run(
        &self,
        program: &'static str,
        command: &mut Command,
        max: Duration,
    ) -> Result<String, Error> {
        let started = Instant::now();
        let output = self.output(program, command, max).await?;
        let told = told(&output);
        if !output.status.success() {
            return Err(Error::Tool { program, told });
        }
        tracing::info!(program, ms = started.elapsed().as_millis(), told, "done");
        Ok(told)
    }

    async fn output(
        &self,
        program: &'static str,
        command: &mut Command,
        max: Duration,
    ) -> Result<Output, Error> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.children.spawn(command)?;
        let _ended = Ended(&self.children, child.id());
        let output = tokio::time::timeout(max, child.wait_with_output()).await;
        Ok(output.map_err(|_elapsed| Error::Timeout { program })??)
    }
}

/// Forgets a child at its end, also where nobody waits for that.
struct Ended<'a>(&'a Children, Option<u32>);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}

fn told(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = stderr.lines().rev().take(4).collect();
    let mut told: String = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
    if told.len() > TOLD_MAX {
        told = told.chars().take(TOLD_MAX).collect();
    }
    told
}

fn make_standby(data: &Path) -> io::Result<()> {
    let signal = fs::File::create(data.join(STANDBY_SIGNAL))?;
    signal.sync_all()?;
    fs::File::open(data)?.sync_all()?;
    clear_settings(data)
}

fn clear_settings(data: &Path) -> io::Result<()> {
    fs::write(data.join("postgresql.auto.conf"), "")?;
    remove_file(&data.join("recovery.signal"))
}

fn remove(dir: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_dir_all(dir))
}

fn remove_file(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

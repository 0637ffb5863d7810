//! The postmaster as a child process.

use std::{io, path::Path, process::ExitStatus, time::Duration};

use nix::sys::signal::Signal;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{
    children::{self, Children},
    config::Config,
};

/// A fast shutdown that takes longer is cut short: Docker kills ten seconds after it asks.
const FAST_MAX: Duration = Duration::from_secs(7);
const IMMEDIATE_MAX: Duration = Duration::from_secs(6);
/// Processes of a postmaster that was killed see that within moments and end.
const ORPHANS_MAX: Duration = Duration::from_secs(3);

/// Where `postmaster.pid` holds the server's status.
const STATUS_LINE: usize = 7;

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// End sessions, send all WAL, checkpoint.
    Fast,
    /// Now. Recovery follows at the next start.
    Immediate,
}

/// A running postmaster.
#[derive(Debug)]
pub struct Server {
    child: Child,
    children: Children,
    pid: i32,
    data: std::path::PathBuf,
}

impl Server {
    /// Starts the postmaster after clearing away what an earlier one left.
    ///
    /// # Errors
    /// The program cannot be started.
    pub async fn start(config: &Config, children: &Children, main: &Path) -> io::Result<Self> {
        end_orphans().await;
        clear_leftovers(config)?;
        let mut command = Command::new(config.pg_bin.join("postgres"));
        command
            .arg("-c")
            .arg(format!("config_file={}", main.display()));
        // Its own process group: a Ctrl-C or a stop of the container goes through this process.
        command.process_group(0).stdin(std::process::Stdio::null());
        let child = children.spawn(&mut command)?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.ok_or_else(|| io::Error::other("the postmaster ended at once"))?;
        tracing::info!(pid, "postgres started");
        Ok(Self {
            child,
            children: children.clone(),
            pid,
            data: config.data(),
        })
    }

    /// Has the server read its configuration again.
    pub fn reload(&self) {
        children::send(self.pid, Signal::SIGHUP);
    }

    /// Whether the postmaster says that it takes sessions; asking by connecting would fill its log.
    #[must_use]
    pub fn takes_sessions(&self) -> bool {
        let Ok(text) = std::fs::read_to_string(self.data.join("postmaster.pid")) else {
            return false;
        };
        matches!(
            text.lines().nth(STATUS_LINE).map(str::trim),
            Some("ready" | "standby")
        )
    }

    /// Waits for the postmaster to end by itself. Cancel safe.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Stops the server, harder and harder.
    pub async fn stop(mut self, how: Stop) {
        let steps: &[(Signal, Duration)] = match how {
            Stop::Fast => &[
                (Signal::SIGINT, FAST_MAX),
                (Signal::SIGQUIT, Duration::from_secs(1)),
                (Signal::SIGKILL, IMMEDIATE_MAX),
            ],
            Stop::Immediate => &[
                (Signal::SIGQUIT, IMMEDIATE_MAX),
                (Signal::SIGKILL, IMMEDIATE_MAX),
            ],
        };
        let started = Instant::now();
        for (signal, patience) in steps {
            children::send(self.pid, *signal);
            if timeout(*patience, self.child.wait()).await.is_ok() {
                tracing::info!(%signal, ms = started.elapsed().as_millis(), "postgres stopped");
                return;
            }
        }
        tracing::error!(pid = self.pid, "postgres cannot be killed");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.children.forget(u32::try_from(self.pid).ok());
    }
}

/// Backends outlive a postmaster that was killed by a moment, and hold its shared memory.
async fn end_orphans() {
    let deadline = Instant::now() + ORPHANS_MAX;
    if std::process::id() != 1 {
        return;
    }
    loop {
        let left = children::orphans("postgres", None);
        if left.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in left {
            children::send(pid, Signal::SIGKILL);
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// The volume's lock is ours, so whatever wrote these is dead; a recycled pid would fool PostgreSQL's own check.
fn clear_leftovers(config: &Config) -> io::Result<()> {
    let socket = config.socket_dir.join(".s.PGSQL.5432");
    let lock = config.socket_dir.join(".s.PGSQL.5432.lock");
    for path in [config.data().join("postmaster.pid"), socket, lock] {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

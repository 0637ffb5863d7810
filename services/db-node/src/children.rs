//! Child processes of PID 1: those it starts, and the orphans that it inherits and has to bury.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// Orphans can also end while a signal is coalesced away.
const REAP_EVERY: Duration = Duration::from_secs(5);

/// The processes that somebody waits for, so that the reaper leaves them alone.
#[derive(Debug, Clone, Default)]
pub struct Children {
    own: Arc<Mutex<HashSet<i32>>>,
}

impl Children {
    /// Starts a process that the caller waits for. It is killed when dropped.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        // The lock spans the start, or a child that ends at once would be buried as an orphan.
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.kill_on_drop(true).spawn()?;
        if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
            own.insert(pid);
        }
        Ok(child)
    }

    /// Forgets a process that has been waited for.
    pub fn forget(&self, pid: Option<u32>) {
        if let Some(pid) = pid.and_then(|id| i32::try_from(id).ok()) {
            self.own
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&pid);
        }
    }

    /// Buries orphans until `stop`. For PID 1 only.
    ///
    /// # Errors
    /// The signal handler cannot be set up.
    pub async fn reap(self, stop: CancellationToken) -> io::Result<()> {
        let mut died = signal(SignalKind::child())?;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = died.recv() => {}
                () = tokio::time::sleep(REAP_EVERY) => {}
            }
            self.bury_orphans();
        }
    }

    fn bury_orphans(&self) {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        // One of our own at the head of the queue hides the rest until it has been waited for: next time.
        while let Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) =
            waitid(Id::All, peek)
        {
            if own.contains(&pid.as_raw()) || waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_err() {
                return;
            }
        }
    }
}

/// Sends a signal to a process of ours; one that is gone already is fine.
pub fn send(pid: i32, signal: Signal) {
    if let Err(error) = kill(Pid::from_raw(pid), signal) {
        tracing::debug!(pid, %signal, %error, "no such process to signal");
    }
}

/// The processes named `name` that were left to this process when their parent died.
#[must_use]
pub fn orphans(name: &str, but: Option<u32>) -> Vec<i32> {
    let me = std::process::id();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| Some(*pid) != but && is_child(*pid, me, name))
        .filter_map(|pid| i32::try_from(pid).ok())
        .collect()
}

fn is_child(pid: u32, parent: u32, name: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // `pid (comm) state ppid …`, where comm may hold blanks and brackets.
    let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else {
        return false;
    };
    let mut rest = stat[close + 1..].split_whitespace();
    let state = rest.next();
    let ppid = rest.next().and_then(|text| text.parse::<u32>().ok());
    &stat[open + 1..close] == name && state != Some("Z") && ppid == Some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_of_ours_is_left_to_its_waiter() {
        let children = Children::default();
        let mut child = children.spawn(Command::new("true").arg("x")).unwrap();
        let pid = child.id();
        children.bury_orphans();
        assert!(child.wait().await.unwrap().success());
        children.forget(pid);
        assert!(children.own.lock().unwrap().is_empty());
    }

    #[test]
    fn children_are_found_by_parent_and_name() {
        assert!(orphans("no such program", None).is_empty());
    }
}

//! The executables that images carry: built by the host's own cargo.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use super::Flavour;
use super::build::Tail;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::event::{Event, Progress};
use crate::project::Project;

const LOG_LINES_MAX: usize = 60;
const NAME: &str = "service binaries";

/// An executable, read.
#[derive(Debug)]
pub(super) struct Executable {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

/// Where cargo put each executable.
#[derive(Debug)]
pub(super) struct Binaries(BTreeMap<String, PathBuf>);

impl Binaries {
    /// Reads some of them.
    pub(super) fn read(&self, names: &[&str]) -> Result<Vec<Executable>> {
        names
            .iter()
            .map(|&name| {
                let path = self.0.get(name).ok_or_else(|| Error::Cargo {
                    log: format!("  | cargo built no executable called {name}"),
                })?;
                let content = std::fs::read(path)
                    .map_err(|source| Error::io(format!("read {}", path.display()), source))?;
                Ok(Executable {
                    name: name.to_owned(),
                    content,
                })
            })
            .collect()
    }
}

/// A line of `cargo --message-format=json`, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds every executable of the workspace. Always all of them: cargo unites the features of what it is asked
/// for, so that another selection would compile most dependencies anew.
pub(super) async fn build(
    cluster: &Cluster,
    project: &Project,
    flavour: Flavour,
) -> Result<Binaries> {
    let start = Instant::now();
    let tell = |progress| {
        cluster.events.emit(Event::Build {
            name: NAME.to_owned(),
            progress,
        });
    };
    tell(Progress::Started);
    let mut command = Command::new("cargo");
    command
        .args([
            "build",
            "--release",
            "--locked",
            "--workspace",
            "--bins",
            "--message-format=json-render-diagnostics",
        ])
        .args(features(flavour))
        .current_dir(project.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let failed = |source| Error::io("run cargo", source);
    let mut child = command.spawn().map_err(failed)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Both pipes are read at the same time: a full one would stop cargo.
    let (found, tail) = tokio::join!(artifacts(stdout, &tell), last_lines(stderr));
    let status = child.wait().await.map_err(failed)?;
    if status.success() {
        tell(Progress::Done {
            took: start.elapsed(),
        });
        Ok(Binaries(found.map_err(failed)?))
    } else {
        tell(Progress::Failed);
        Err(Error::Cargo {
            log: tail.map_err(failed)?.text(),
        })
    }
}

/// Both flavours stay in cargo's cache side by side; only the executables' names are the same.
fn features(flavour: Flavour) -> &'static [&'static str] {
    match flavour {
        Flavour::Release => &[],
        Flavour::Test => &["--features", "planted/on"],
    }
}

/// Reads what was built, one message a line, and shows each crate as it is done.
async fn artifacts(
    stdout: Option<impl AsyncRead + Unpin>,
    tell: &impl Fn(Progress),
) -> std::io::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let Some(stdout) = stdout else {
        return Ok(found);
    };
    let mut lines = BufReader::new(stdout).lines();
    let mut at = 0;
    while let Some(line) = lines.next_line().await? {
        let Ok(message) = serde_json::from_str::<Message>(&line) else {
            // Build scripts of other crates may write lines of their own.
            continue;
        };
        let Some(target) = message.target else {
            continue;
        };
        if message.reason == "compiler-artifact" {
            at += 1;
            if let Some(executable) = message.executable {
                found.insert(target.name.clone(), executable);
            }
            let text = target.name;
            tell(Progress::Step { at, of: 0, text });
        }
    }
    Ok(found)
}

async fn last_lines(stderr: Option<impl AsyncRead + Unpin>) -> std::io::Result<Tail> {
    let mut tail = Tail::new(LOG_LINES_MAX);
    if let Some(stderr) = stderr {
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await? {
            tail.push(&line);
        }
    }
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn executables_are_found_in_cargos_messages() {
        let output = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"serde","kind":["lib"]},"executable":null}"#,
            "\nwarning of a build script\n",
            r#"{"reason":"compiler-artifact","target":{"name":"order","kind":["bin"]},"executable":"/t/release/order"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n",
        );
        let found = artifacts(Some(output.as_bytes()), &|_| {}).await.unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("order".to_owned(), PathBuf::from("/t/release/order"))]
        );
    }
}

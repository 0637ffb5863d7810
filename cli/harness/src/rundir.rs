//! A run on disk: `runs/<time>-<name>/`, and `runs/latest` that points to the newest.

pub(crate) mod bounded;
mod placed;
mod recording;

use std::{
    fs::File,
    io::{BufWriter, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use checker::{
    Evidence, Initial, Judgement, Snapshot,
    snapshot::{SecondRead, SnapshotError},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, Result},
    printable,
    run::plan::Plan,
    timestamp::utc,
};

const LATEST: &str = "latest";
const PLAN: &str = "plan.json";
const RESULT: &str = "result.json";
/// How many final reads a run has when it has all of them.
pub(crate) const FINAL_READS: usize = 2;
/// What the YAML of a run's scenario is called.
pub const SCENARIO: &str = "scenario.yaml";
/// No plan, evidence or result is larger, and no events: thousands of faults fit, in bytes.
const DOCUMENT_MAX: u64 = 64 << 20;
/// No initial read or final read is larger, in bytes.
const TABLES_MAX: u64 = 4 << 30;
/// How many runs may begin in the same second.
const SAME_SECOND_MAX: u32 = 100;

/// One run's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the directory of a run that begins at `unix_s` and points `latest` to it.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn create(runs: &Path, name: &str, unix_s: u64) -> Result<Self> {
        let make = |path: &Path| format!("create {}", path.display());
        std::fs::create_dir_all(runs).map_err(|source| Error::io(make(runs), source))?;
        let stem = format!("{}-{}", timestamp(unix_s), file_name(name));
        let mut path = runs.join(&stem);
        for n in 2..=SAME_SECOND_MAX {
            match std::fs::create_dir(&path) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::AlreadyExists && n < SAME_SECOND_MAX => {
                    path = runs.join(format!("{stem}-{n}"));
                }
                Err(source) => return Err(Error::io(make(&path), source)),
            }
        }
        // As `open` finds it: the stack's lock tells by it which run was the last.
        let path = std::fs::canonicalize(&path).map_err(|source| Error::io(make(&path), source))?;
        let run = Self { path };
        run.point_latest(runs)?;
        Ok(run)
    }

    /// Makes the link anew and moves it into its place: whoever looks finds the old or the new run.
    fn point_latest(&self, runs: &Path) -> Result<()> {
        let link = runs.join(LATEST);
        let fresh = runs.join(format!(".{LATEST}-{}", std::process::id()));
        let failed = |source| Error::io(format!("point {} to the run", link.display()), source);
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        std::os::unix::fs::symlink(self.name(), &fresh).map_err(failed)?;
        std::fs::rename(&fresh, &link).map_err(failed)
    }

    /// Opens a run: the one at `wanted` (a path, or a name within `runs`), or the last one.
    ///
    /// # Errors
    /// [`Error::NoRun`] where there is none, [`Error::Run`] where the directory is not a run's.
    pub fn open(runs: &Path, wanted: Option<&Path>) -> Result<Self> {
        let path = match wanted {
            None => runs.join(LATEST),
            Some(path) if path.is_dir() => path.to_owned(),
            Some(name) => runs.join(name),
        };
        let found = match std::fs::canonicalize(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound && wanted.is_none() => {
                return Err(Error::NoRun {
                    dir: runs.to_owned(),
                });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(unfit(&path, "there is no such run"));
            }
            Err(error) => return Err(unfit(&path, &error.to_string())),
        };
        let run = Self { path: found };
        if !run.file(PLAN).is_file() {
            return Err(unfit(
                &path,
                &format!("not the directory of a run: it has no {PLAN}"),
            ));
        }
        Ok(run)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory's own name.
    #[must_use]
    pub fn name(&self) -> String {
        self.path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// `history.jsonl`.
    #[must_use]
    pub fn history_path(&self) -> PathBuf {
        self.file("history.jsonl")
    }

    /// `events.jsonl`.
    #[must_use]
    pub fn events_path(&self) -> PathBuf {
        self.file("events.jsonl")
    }

    /// What was meant to happen.
    ///
    /// # Errors
    /// [`Error::Run`]: it is not a plan, or not one of this version.
    pub fn plan(&self) -> Result<Plan> {
        let plan: Plan = self.read(PLAN)?;
        plan.check()
            .map_err(|reason| unfit(&self.file(PLAN), &reason))?;
        Ok(plan)
    }

    /// Writes `plan.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_plan(&self, plan: &Plan) -> Result<()> {
        self.write(PLAN, plan)
    }

    /// What stood in the databases before; `None` where the run did not come that far.
    ///
    /// # Errors
    /// [`Error::Run`]: the file is cut short or foreign.
    pub fn initial(&self) -> Result<Option<Initial>> {
        let path = self.file("initial.json");
        let Some(text) = whole(&path, TABLES_MAX)? else {
            return Ok(None);
        };
        let read = Initial::parse(&text).map_err(|error| unfit(&path, &told(&error)))?;
        Ok(Some(read))
    }

    /// Writes `initial.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_initial(&self, initial: &Initial) -> Result<()> {
        self.write("initial.json", initial)
    }

    /// What was seen besides the history; `None` where the run did not come that far.
    ///
    /// # Errors
    /// [`Error::Run`]: the file is cut short or foreign.
    pub fn evidence(&self) -> Result<Option<Evidence>> {
        self.read_if_there("evidence.json")
    }

    /// Writes `evidence.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_evidence(&self, evidence: &Evidence) -> Result<()> {
        self.write("evidence.json", evidence)
    }

    /// The final reads that are there, in their order: a PASS needs both.
    ///
    /// # Errors
    /// [`Error::Run`]: a file is cut short or foreign.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let paths = ["snapshot-1.json", "snapshot-2.json"].map(|name| self.file(name));
        let refuse = |path: &Path, error: &SnapshotError| unfit(path, &told(error));
        let Some(text) = whole(&paths[0], TABLES_MAX)? else {
            return Ok(Vec::new());
        };
        let second = match whole(&paths[1], TABLES_MAX)? {
            None => None,
            Some(later) => {
                let second = SecondRead::parse(&later, &text);
                Some(second.map_err(|error| refuse(&paths[1], &error))?)
            }
        };
        let first = Snapshot::parse(&text).map_err(|error| refuse(&paths[0], &error))?;
        let second = second.map(|second| second.after(&first));
        Ok([first].into_iter().chain(second).collect())
    }

    /// Writes `snapshot-1.json` and `snapshot-2.json`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_snapshots(&self, snapshots: &[Snapshot]) -> Result<()> {
        for (n, snapshot) in snapshots.iter().enumerate() {
            self.write(&format!("snapshot-{}.json", n + 1), snapshot)?;
        }
        Ok(())
    }

    /// Writes `result.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_result(&self, result: &Judgement) -> Result<()> {
        self.write(RESULT, result)
    }

    /// How it was judged; `None` where nobody has judged it.
    ///
    /// # Errors
    /// [`Error::Run`]: the file is cut short or foreign, of another version, or of another run than the plan.
    pub fn result(&self) -> Result<Option<Judgement>> {
        let Some(judgement) = self.read_if_there::<Judgement>(RESULT)? else {
            return Ok(None);
        };
        judgement
            .check()
            .map_err(|reason| unfit(&self.file(RESULT), &reason))?;
        let planned = self.plan()?.run;
        if judgement.run != planned {
            let reason = format!("its result is that of another run, {}", judgement.run);
            return Err(unfit(&self.file(RESULT), &reason));
        }
        Ok(Some(judgement))
    }

    /// Writes a text of this name.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_text(&self, name: &str, text: &str) -> Result<()> {
        self.write_bytes(name, text.as_bytes())
    }

    /// Whether the scenario that it played is beside it.
    #[must_use]
    pub fn has_scenario(&self) -> bool {
        self.file(SCENARIO).is_file()
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let found = self.read_if_there(name)?;
        found.ok_or_else(|| unfit(&self.file(name), "it is not there"))
    }

    fn read_if_there<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.file(name);
        let Some(bytes) = whole(&path, DOCUMENT_MAX)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| unfit(&path, &format!("cut short, or not this program's: {error}")))
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        self.place(name, |file| {
            serde_json::to_writer(file, value).map_err(Error::json)
        })
    }

    fn write_bytes(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.place(name, |file| {
            file.write_all(bytes)
                .map_err(|source| Error::io(format!("write {name}"), source))
        })
    }

    fn place(
        &self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
    ) -> Result<()> {
        placed::place(&self.path, name, fill).map(drop)
    }
}

/// Writes a text of this name into `runs`, which is made where it is not there, and says where it is.
///
/// # Errors
/// The file cannot be written.
pub fn write_beside(runs: &Path, name: &str, text: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(runs)
        .map_err(|source| Error::io(format!("create {}", runs.display()), source))?;
    placed::place(runs, name, |file| {
        file.write_all(text.as_bytes())
            .map_err(|source| Error::io(format!("write {name}"), source))
    })
}

fn whole(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>> {
    bounded::read(path, bytes_max).map_err(|error| unfit(path, &error.to_string()))
}

/// An error of the checker's readers, with what the parser said.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The reason may quote the file: it stays one line.
fn unfit(path: &Path, reason: &str) -> Error {
    Error::Run {
        path: path.to_owned(),
        reason: printable::line(reason),
    }
}

/// A run's name as a part of a file's name: letters, digits and `-`, at most 60 of them.
#[must_use]
pub fn file_name(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '-'
            }
        })
        .take(60)
        .collect()
}

/// `20250102-150405`, in UTC.
fn timestamp(unix_s: u64) -> String {
    utc(unix_s).replace(['-', ':'], "").replace(' ', "-")
}

#[cfg(test)]
mod tests;

//! A run on disk: `runs/<time>-<name>/`, and `runs/latest` that points to the newest.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
};

use checker::{
    Evidence, History, Initial, Judgement, Snapshot,
    history::{Header, HistoryError, Reader},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, Result},
    recorder::Happening,
    run::plan::Plan,
    timestamp::utc,
};

const LATEST: &str = "latest";
const PLAN: &str = "plan.json";
const RESULT: &str = "result.json";
/// How many final reads a run has when it has all of them.
pub(crate) const FINAL_READS: usize = 2;
/// How much of a history is read at once, in bytes.
const READ_AT_ONCE: usize = 1 << 20;
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
                return Err(unfit(&path, "there is no such run".to_owned()));
            }
            Err(error) => return Err(unfit(&path, error.to_string())),
        };
        let run = Self { path: found };
        if !run.file(PLAN).is_file() {
            return Err(unfit(
                &path,
                format!("not the directory of a run: it has no {PLAN}"),
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
            .map_err(|reason| unfit(&self.file(PLAN), reason))?;
        Ok(plan)
    }

    /// Writes `plan.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_plan(&self, plan: &Plan) -> Result<()> {
        self.write(PLAN, plan)
    }

    /// The history as far as it goes: up to its last whole line, and an empty one where the run did not come
    /// that far.
    ///
    /// # Errors
    /// [`Error::Run`] with the line that is none of a history's.
    pub fn history(&self) -> Result<History> {
        let path = self.history_path();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(History::empty(&self.name()));
            }
            Err(error) => return Err(unfit(&path, error.to_string())),
        };
        let mut text = BufReader::with_capacity(READ_AT_ONCE, file);
        let (mut reader, mut line) = (Reader::default(), Vec::new());
        let read = loop {
            line.clear();
            match text.read_until(b'\n', &mut line) {
                Ok(0) => break reader.finish(),
                Ok(_) => {}
                Err(error) => return Err(unfit(&path, error.to_string())),
            }
            if let Err(error) = reader.push(&line) {
                break Err(error);
            }
        };
        match read {
            Err(HistoryError::Empty) => Ok(History::empty(&self.name())),
            read => read.map_err(|error| unfit(&path, told(&error))),
        }
    }

    /// What stood in the databases before; `None` where the run did not come that far.
    ///
    /// # Errors
    /// [`Error::Run`]: the file is cut short or foreign.
    pub fn initial(&self) -> Result<Option<Initial>> {
        let path = self.file("initial.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unfit(&path, error.to_string())),
        };
        let read = Initial::parse(&text).map_err(|error| unfit(&path, told(&error)))?;
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
        let mut snapshots: Vec<Snapshot> = Vec::new();
        let mut earlier = Vec::new();
        for n in 1..=FINAL_READS {
            let path = self.file(&format!("snapshot-{n}.json"));
            let text = match std::fs::read(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(unfit(&path, error.to_string())),
            };
            let read = match snapshots.last() {
                None => Snapshot::parse(&text),
                Some(first) => Snapshot::parse_second(&text, &earlier, first),
            };
            snapshots.push(read.map_err(|error| unfit(&path, told(&error)))?);
            earlier = text;
        }
        Ok(snapshots)
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
    /// [`Error::Run`]: the file is cut short or foreign, or of another version.
    pub fn result(&self) -> Result<Option<Judgement>> {
        let Some(judgement) = self.read_if_there::<Judgement>(RESULT)? else {
            return Ok(None);
        };
        match judgement.check() {
            Ok(()) => Ok(Some(judgement)),
            Err(reason) => Err(unfit(&self.file(RESULT), reason)),
        }
    }

    /// The first line of the history; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Run`]: the file cannot be read.
    pub fn header(&self) -> Result<Option<Header>> {
        let path = self.history_path();
        let failed = |error: std::io::Error| unfit(&path, error.to_string());
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut line = String::new();
        BufReader::new(file).read_line(&mut line).map_err(failed)?;
        // A run that was killed in its first instant has half a line.
        Ok(serde_json::from_str(&line).ok())
    }

    /// What happened to the stack, as far as it was written; empty where nothing was.
    ///
    /// # Errors
    /// [`Error::Run`]: the file cannot be read, or a line is none of this program's.
    pub fn events(&self) -> Result<Vec<Happening>> {
        let path = self.events_path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unfit(&path, error.to_string())),
        };
        let mut events = Vec::new();
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            match serde_json::from_str(line) {
                Ok(event) => events.push(event),
                // Its writer was killed in the middle of the last line.
                Err(_) if !line.ends_with('\n') => {}
                Err(error) => return Err(unfit(&path, format!("line {number}: {error}"))),
            }
        }
        Ok(events)
    }

    /// Writes a text of this name.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_text(&self, name: &str, text: &str) -> Result<()> {
        self.write_bytes(name, text.as_bytes())
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.file(name);
        let bytes = std::fs::read(&path).map_err(|error| unfit(&path, error.to_string()))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| unfit(&path, format!("cut short, or not this program's: {error}")))
    }

    fn read_if_there<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        if self.file(name).exists() {
            self.read(name).map(Some)
        } else {
            Ok(None)
        }
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

    /// Writes beside and moves into place: a file is whole or not there.
    fn place(
        &self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
    ) -> Result<()> {
        let path = self.file(name);
        let fresh = self.file(&format!(".{name}"));
        let failed = |source| Error::io(format!("write {}", path.display()), source);
        let file = File::create(&fresh).map_err(failed)?;
        let mut file = BufWriter::with_capacity(READ_AT_ONCE, file);
        fill(&mut file)?;
        file.flush().map_err(failed)?;
        std::fs::rename(&fresh, &path).map_err(failed)
    }
}

/// An error of the checker's readers, with what the parser said.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn unfit(path: &Path, reason: String) -> Error {
    Error::Run {
        path: path.to_owned(),
        reason,
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
mod tests {
    use super::*;

    #[test]
    fn latest_points_to_the_newest_run() {
        let dir = tempfile::tempdir().unwrap();
        let runs = dir.path().join("runs");
        let first = RunDir::create(&runs, "kill stock/db", 0).unwrap();
        let second = RunDir::create(&runs, "kill stock/db", 0).unwrap();
        assert_eq!(first.name(), "19700101-000000-kill-stock-db");
        assert_eq!(second.name(), "19700101-000000-kill-stock-db-2");
        assert_eq!(
            std::fs::read_link(runs.join("latest")).unwrap(),
            Path::new("19700101-000000-kill-stock-db-2")
        );
        std::fs::write(second.file(PLAN), "{}").unwrap();
        let opened = RunDir::open(&runs, None).unwrap();
        assert_eq!(opened.name(), second.name());
    }

    #[test]
    fn without_a_run_there_is_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let error = RunDir::open(dir.path(), None).unwrap_err();
        assert!(matches!(error, Error::NoRun { .. }));
        assert!(error.hint().unwrap().contains("webshop chaos"));
    }

    #[test]
    fn a_foreign_or_cut_directory_is_refused_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let foreign = RunDir::open(dir.path(), Some(dir.path())).unwrap_err();
        assert!(
            foreign
                .to_string()
                .ends_with("not the directory of a run: it has no plan.json")
        );
        std::fs::write(dir.path().join(PLAN), "{\"format\":").unwrap();
        let run = RunDir::open(dir.path(), Some(dir.path())).unwrap();
        let cut = run.plan().unwrap_err().to_string();
        assert!(cut.contains("plan.json: cut short"), "{cut}");
    }

    fn run(dir: &tempfile::TempDir) -> RunDir {
        RunDir {
            path: dir.path().to_owned(),
        }
    }

    #[test]
    fn events_that_were_cut_short_are_read_as_far_as_they_go() {
        let dir = tempfile::tempdir().unwrap();
        let run = run(&dir);
        assert_eq!(run.events().unwrap(), []);
        let whole = r#"{"t":7,"kind":"role","subject":"stock-db-1","text":"primary"}"#;
        std::fs::write(run.events_path(), format!("{whole}\n{}", &whole[..20])).unwrap();
        let events = run.events().unwrap();
        assert_eq!((events.len(), events[0].at_us), (1, 7));
        std::fs::write(run.events_path(), format!("hello\n{whole}\n")).unwrap();
        let foreign = run.events().unwrap_err().to_string();
        assert!(foreign.contains("events.jsonl: line 1: "), "{foreign}");
    }

    #[test]
    fn a_result_that_is_not_this_programs_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let run = run(&dir);
        assert!(run.result().unwrap().is_none());
        let mut judgement = checker::sample::violation().judgement;
        run.write_result(&judgement).unwrap();
        assert_eq!(run.result().unwrap(), Some(judgement.clone()));
        judgement.exit_code = 0;
        run.write_result(&judgement).unwrap();
        let error = run.result().unwrap_err().to_string();
        assert!(error.ends_with("VIOLATION does not exit with 0"), "{error}");
        judgement.version = 2;
        run.write_result(&judgement).unwrap();
        let error = run.result().unwrap_err().to_string();
        assert!(
            error.ends_with("a result of version 2; this program reads version 1"),
            "{error}"
        );
    }
}

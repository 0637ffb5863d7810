//! The runs of a directory, a line each.

use std::{io::ErrorKind, path::Path};

use checker::Verdict;
use serde::Serialize;

use super::figures::Headline;
use crate::{
    error::{Error, Result},
    rundir::RunDir,
};

/// One run of the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its directory's name.
    pub run: String,
    /// `None` where the run did not come to its load.
    pub started_at_ms: Option<u64>,
    /// What was done, as the plan calls it.
    pub name: String,
    /// `None` where nobody has judged it.
    pub verdict: Option<Verdict>,
    /// Of a judged run.
    pub figures: Option<Headline>,
    /// Why it could not be read.
    pub unreadable: Option<String>,
}

/// One run. A result that cannot be read makes no entry a PASS: it has no verdict then.
#[must_use]
pub fn entry(dir: &RunDir) -> Entry {
    let mut entry = Entry {
        run: dir.name(),
        started_at_ms: None,
        name: String::new(),
        verdict: None,
        figures: None,
        unreadable: None,
    };
    if let Err(error) = fill(&mut entry, dir) {
        (entry.verdict, entry.figures) = (None, None);
        entry.unreadable = Some(error.to_string());
    }
    entry
}

fn fill(entry: &mut Entry, dir: &RunDir) -> Result<()> {
    entry.name = dir.plan()?.name;
    entry.started_at_ms = dir.header()?.map(|header| header.started_at_ms);
    if let Some(judgement) = dir.result()? {
        entry.verdict = Some(judgement.verdict);
        entry.figures = Some(Headline::of(&judgement));
    }
    Ok(())
}

/// Every run in a directory, the oldest first. Empty where there is no such directory.
///
/// # Errors
/// The directory cannot be read. A run that cannot is in the list, with the reason.
pub fn entries(runs: &Path) -> Result<Vec<Entry>> {
    let failed = |source| Error::io(format!("list {}", runs.display()), source);
    let listed = match std::fs::read_dir(runs) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut entries = Vec::new();
    for found in listed {
        let found = found.map_err(failed)?;
        // `latest` is a link to one of the others.
        if found.file_type().map_err(failed)?.is_dir()
            && let Ok(dir) = RunDir::open(runs, Some(&found.path()))
        {
            entries.push(entry(&dir));
        }
    }
    entries.sort_by(|one, other| one.run.cmp(&other.run));
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn runs_are_listed_from_the_oldest_and_latest_only_once() {
        let runs = tempfile::tempdir().unwrap();
        assert_eq!(entries(&runs.path().join("none")).unwrap(), []);
        let judged = RunDir::create(runs.path(), "kill", 100).unwrap();
        judged.write_plan(&testing::plan()).unwrap();
        judged
            .write_result(&testing::violation().judgement)
            .unwrap();
        let early = RunDir::create(runs.path(), "load", 0).unwrap();
        early.write_plan(&testing::plan()).unwrap();
        std::fs::create_dir(runs.path().join("other")).unwrap();
        let found = entries(runs.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|entry| entry.run.as_str()).collect();
        assert_eq!(names, ["19700101-000000-load", "19700101-000140-kill"]);
        assert_eq!(found[0].verdict, None);
        assert_eq!(found[1].verdict, Some(Verdict::Violation));
        assert!(found[1].figures.unwrap().violations > 0);
    }

    #[test]
    fn a_run_that_cannot_be_read_is_listed_without_a_verdict() {
        let runs = tempfile::tempdir().unwrap();
        let dir = RunDir::create(runs.path(), "kill", 100).unwrap();
        dir.write_plan(&testing::plan()).unwrap();
        let mut judgement = testing::violation().judgement;
        judgement.verdict = Verdict::Pass;
        dir.write_result(&judgement).unwrap();
        let found = entries(runs.path()).unwrap();
        assert_eq!(found[0].verdict, None);
        let why = found[0].unreadable.as_deref().unwrap();
        assert!(why.ends_with("PASS does not exit with 1"), "{why}");
    }
}

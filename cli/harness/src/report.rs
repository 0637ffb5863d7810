//! What a judged run looks like to those who were not there: JUnit for machines, Markdown for a pull
//! request, annotations for a CI log, and one HTML file for a colleague.
//!
//! Pure but for [`Reported::load`], [`Reported::of`] and [`write()`]: a run in, text out.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use checker::{Evidence, History, Judgement, Verdict, snapshot::DatabaseView};

use crate::{
    cluster::StackName,
    error::{Error, Result},
    printable,
    recorder::Happening,
    run::{
        plan::Plan,
        recorded::{self, Judged},
    },
    rundir::{RunDir, SCENARIO},
};

mod annotations;
pub mod figures;
mod html;
mod index;
mod junit;
mod markdown;
mod quantity;
mod story;

pub use annotations::annotations;
pub use html::html;
pub use index::{Entry, entries, entry};
pub use junit::{Broken, junit, junit_of};
pub use markdown::summary;
pub(crate) use quantity::round_ms;
pub use quantity::{count, ms, percent};

/// What `result.json` keeps to, as a JSON Schema.
pub const RESULT_SCHEMA: &str = include_str!("report/result.schema.json");
/// How many violations are told whole.
pub const TOLD_MAX: usize = 10;

/// The files that [`write()`] makes, in the run's directory.
pub const JUNIT: &str = "junit.xml";
pub const SUMMARY: &str = "summary.md";
pub const HTML: &str = "report.html";
/// What a report says where [`Reported::again_command`] has nothing to say.
const NOT_REPEATABLE: &str =
    "It cannot be repeated exactly: the program that made it kept no scenario.yaml.";

/// A judged run with everything that its reports show.
#[derive(Debug, Clone)]
pub struct Reported {
    /// What names the run on a command line.
    pub run: PathBuf,
    pub plan: Plan,
    pub judgement: Judgement,
    pub evidence: Evidence,
    pub history: History,
    /// Empty where nothing was recorded.
    pub events: Vec<Happening>,
    /// The databases at the last final read; empty where there was none.
    pub databases: Vec<DatabaseView>,
    /// Whether the scenario that it played is kept beside it. Older programs kept none.
    pub has_scenario: bool,
    /// What a scenario with known gaps makes of the verdict, and why.
    pub outcome: Option<(Verdict, Vec<String>)>,
}

impl Reported {
    /// Reads a judged run.
    ///
    /// # Errors
    /// [`Error::NotJudged`], or [`Error::Run`] where a file is cut short, foreign or of another run.
    pub fn load(dir: &RunDir) -> Result<Self> {
        let plan = dir.plan()?;
        let Some(judgement) = dir.result()? else {
            return Err(Error::NotJudged { run: dir.name() });
        };
        let history = dir.history()?;
        if judgement.run != history.header.run {
            return Err(Error::Run {
                path: dir.path().to_owned(),
                reason: format!("its result is that of another run, {}", judgement.run),
            });
        }
        let databases = dir.snapshots()?.pop().map(|last| last.databases);
        let judged = Judged {
            judgement,
            evidence: recorded::evidence(dir, &plan)?,
            plan,
            history,
            databases: databases.unwrap_or_default(),
            unwritten: None,
        };
        Self::of(dir, judged)
    }

    /// A run that was judged just now: nothing large is read again.
    ///
    /// # Errors
    /// [`Error::Run`]: its events are foreign.
    pub fn of(dir: &RunDir, judged: Judged) -> Result<Self> {
        Ok(Self {
            run: from_here(dir.path()),
            judgement: judged.judgement,
            evidence: judged.evidence,
            plan: judged.plan,
            history: judged.history,
            events: dir.events()?,
            databases: judged.databases,
            has_scenario: dir.has_scenario(),
            outcome: None,
        })
    }

    /// The run's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.history.header.run
    }

    /// What the run comes to: its verdict, unless a scenario expected another one.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let outcome = self.outcome.as_ref();
        outcome.map_or(self.judgement.verdict, |(verdict, _)| *verdict)
    }

    /// Why, a line each.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let more = self.outcome.iter().flat_map(|(_, reasons)| reasons);
        let reasons = self.judgement.reasons.iter().chain(more);
        reasons.map(|reason| printable::line(reason)).collect()
    }

    /// Whether its violations are those that its scenario knows of.
    #[must_use]
    pub fn is_excused(&self) -> bool {
        self.verdict() == Verdict::Pass && self.judgement.verdict == Verdict::Violation
    }

    /// Judges the run again.
    #[must_use]
    pub fn verify_command(&self) -> String {
        format!("webshop verify {}", word(&self.run))
    }

    /// Makes a run like it: the same scenario from the same seed. `None` where the scenario was not kept.
    #[must_use]
    pub fn again_command(&self) -> Option<String> {
        if !self.has_scenario {
            return None;
        }
        let scenario = word(&self.run.join(SCENARIO));
        let mut command = format!("webshop run {scenario} --seed {}", self.plan.seed);
        let stack = &self.plan.stack.name;
        if stack != StackName::DEFAULT {
            command += &format!(" --stack {}", word(Path::new(stack)));
        }
        Some(command)
    }
}

/// A run's directory as it is found from where the program was started.
fn from_here(run: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(std::fs::canonicalize);
    let below = here.ok().and_then(|here| run.strip_prefix(here).ok());
    below.unwrap_or(run).to_owned()
}

/// A path as one word of a shell, whatever is in it.
fn word(path: &Path) -> String {
    let path = path.display().to_string();
    let quoted = shlex::Quoter::new().allow_nul(true).quote(&path);
    // It fails on a NUL alone, which is allowed here, and which no path can have.
    quoted.map_or_else(|_nul| path.clone(), Into::into)
}

/// Writes [`JUNIT`], [`SUMMARY`] and [`HTML`] into the run's directory. Says where the last one is.
///
/// # Errors
/// A file cannot be written.
pub fn write(dir: &RunDir, reported: &Reported) -> Result<PathBuf> {
    let one = std::slice::from_ref(reported);
    dir.write_text(JUNIT, &junit(one))?;
    dir.write_text(SUMMARY, &summary(one))?;
    dir.write_text(HTML, &html(reported))?;
    Ok(dir.path().join(HTML))
}

/// Adds a summary to those that a CI job collected already.
///
/// # Errors
/// The file cannot be written.
pub fn append_summary(path: &Path, reported: &[Reported]) -> Result<()> {
    let failed = |source| Error::io(format!("add to {}", path.display()), source);
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(failed)?;
    file.write_all(summary(reported).as_bytes()).map_err(failed)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

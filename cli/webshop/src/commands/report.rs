//! `webshop report`, and what `verify` leaves for those who were not there.

use std::path::{Path, PathBuf};

use anyhow::bail;
use harness::error::Error;
use harness::printable;
use harness::report::{self, Broken, Reported};
use harness::run::recorded::Judged;
use harness::rundir::{self, RunDir};

use crate::cli::{ReportArgs, ReportFormat};
use crate::exit::Exit;
use crate::session::Session;

/// What shows a file in this system's way.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

/// Writes or prints reports.
pub(crate) async fn run(args: ReportArgs, session: Session) -> anyhow::Result<Exit> {
    if args.schema {
        session.printer.document(report::RESULT_SCHEMA.trim_end())?;
        return Ok(Exit::Pass);
    }
    let dirs = open(&session, &args.runs)?;
    if let Some(format) = args.format {
        print(&session, &dirs, format)?;
        return Ok(Exit::Pass);
    }
    for dir in &dirs {
        let page = write(&session, dir, &Reported::load(dir)?)?;
        if args.open {
            show(&page).await?;
        }
    }
    Ok(Exit::Pass)
}

fn open(session: &Session, wanted: &[PathBuf]) -> harness::Result<Vec<RunDir>> {
    let runs = session.runs();
    if wanted.is_empty() {
        return Ok(vec![RunDir::open(&runs, None)?]);
    }
    let wanted = wanted.iter();
    wanted.map(|run| RunDir::open(&runs, Some(run))).collect()
}

fn print(session: &Session, dirs: &[RunDir], format: ReportFormat) -> anyhow::Result<()> {
    let reported: Vec<Reported> = dirs
        .iter()
        .map(Reported::load)
        .collect::<harness::Result<_>>()?;
    let text = match (format, reported.as_slice()) {
        (ReportFormat::Html, [one]) => report::html(one),
        (ReportFormat::Html, _) => bail!("an HTML report is of one run"),
        (ReportFormat::Junit, all) => report::junit(all),
        (ReportFormat::Markdown, all) => report::summary(all),
    };
    session.printer.document(text.trim_end())?;
    Ok(())
}

/// Writes the files and says so.
fn write(session: &Session, dir: &RunDir, reported: &Reported) -> harness::Result<PathBuf> {
    let page = report::write(dir, reported)?;
    session.printer.note(&format!(
        "{} (beside it: result.json, {}, {})",
        printable::line(&page.display().to_string()),
        report::JUNIT,
        report::SUMMARY
    ));
    Ok(page)
}

/// The reports of a run that was just judged; in a job of GitHub's, its page and the change show them too. What cannot
/// be written is warned of: the verdict stands without it.
pub(super) fn publish(session: &Session, dir: &RunDir, mut judged: Judged) {
    if let Some(error) = judged.unwritten.take() {
        warn(session, &error);
    }
    let reported = match Reported::of(dir, judged) {
        Ok(reported) => reported,
        Err(error) => return warn(session, &error),
    };
    if let Err(error) = write(session, dir, &reported) {
        warn(session, &error);
    }
    if !session.global.is_github_job() {
        return;
    }
    let reported = std::slice::from_ref(&reported);
    for line in report::annotations(reported) {
        session.printer.annotation(&line);
    }
    if let Some(path) = session.global.step_summary()
        && let Err(error) = report::append_summary(path, reported)
    {
        warn(session, &error);
    }
}

/// One JUnit file and one summary of many runs, beside the runs. What cannot be written is warned of.
pub(super) fn publish_all(session: &Session, reported: &[Reported], broken: &[Broken]) {
    let runs = session.runs();
    for (name, text) in [
        (report::JUNIT, report::junit_of(reported, broken)),
        (report::SUMMARY, report::summary(reported)),
    ] {
        match rundir::write_beside(&runs, name, &text) {
            Ok(path) => session
                .printer
                .note(&printable::line(&path.display().to_string())),
            Err(error) => warn(session, &error),
        }
    }
}

/// Says that who reads the reports would read old ones, or none.
pub(super) fn warn(session: &Session, error: &Error) {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let told = format!("{error}{}", cause.unwrap_or_default());
    session.printer.warning(&format!(
        "the reports are not complete, the verdict stands: {}",
        printable::line(&told)
    ));
}

async fn show(page: &Path) -> harness::Result<()> {
    let failed = |source| Error::io(format!("show {} with {OPENER}", page.display()), source);
    let status = tokio::process::Command::new(OPENER)
        .arg(page)
        .status()
        .await
        .map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(failed(std::io::Error::other(status.to_string())))
}

//! `webshop report`, and what `verify` leaves for those who were not there.

use std::path::{Path, PathBuf};

use anyhow::bail;
use harness::error::Error;
use harness::report::{self, Broken, Reported};
use harness::run::recorded::Judged;
use harness::rundir::RunDir;

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
        session.printer.line(report::RESULT_SCHEMA.trim_end())?;
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
    session.printer.line(text.trim_end())?;
    Ok(())
}

/// Writes the files and says so.
fn write(session: &Session, dir: &RunDir, reported: &Reported) -> harness::Result<PathBuf> {
    let page = report::write(dir, reported)?;
    session.printer.note(&format!(
        "{} (beside it: result.json, {}, {})",
        page.display(),
        report::JUNIT,
        report::SUMMARY
    ));
    Ok(page)
}

/// The reports of a run that was just judged; in a job of GitHub's, its page and the change show them too.
pub(super) fn publish(session: &Session, dir: &RunDir, judged: Judged) -> harness::Result<()> {
    let reported = Reported::of(dir, judged)?;
    write(session, dir, &reported)?;
    if !session.global.is_github_job() {
        return Ok(());
    }
    let reported = std::slice::from_ref(&reported);
    for line in report::annotations(reported) {
        session.printer.note(&line);
    }
    match session.global.step_summary() {
        Some(path) => report::append_summary(path, reported),
        None => Ok(()),
    }
}

/// One JUnit file and one summary of many runs, beside the runs.
pub(super) fn publish_all(
    session: &Session,
    reported: &[Reported],
    broken: &[Broken],
) -> harness::Result<()> {
    let runs = session.runs();
    std::fs::create_dir_all(&runs)
        .map_err(|source| Error::io(format!("create {}", runs.display()), source))?;
    for (name, text) in [
        (report::JUNIT, report::junit_of(reported, broken)),
        (report::SUMMARY, report::summary(reported)),
    ] {
        let path = runs.join(name);
        std::fs::write(&path, text)
            .map_err(|source| Error::io(format!("write {}", path.display()), source))?;
        session.printer.note(&path.display().to_string());
    }
    Ok(())
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

//! `webshop verify`.

use checker::verdict::{CheckReport, Judgement, Status, Verdict};
use harness::Cluster;
use harness::run::verify::{self, Options, Verified};
use harness::rundir::RunDir;
use owo_colors::OwoColorize;

use super::report;
use crate::cli::VerifyArgs;
use crate::exit::Exit;
use crate::session::Session;

/// Violations that are told whole; the result file has the others.
const TOLD_MAX: usize = 10;

/// Judges a run.
pub(crate) async fn run(args: VerifyArgs, session: Session) -> anyhow::Result<Exit> {
    // The run first: without one there is nothing to ask an engine for.
    let dir = RunDir::open(&session.runs(), args.run.as_deref())?;
    if !args.again
        && let Some(verified) = verify::stored(&dir)?
    {
        return show(&session, &dir, &verified);
    }
    dir.plan()?;
    let options = Options {
        settle: args.settle_timeout,
        ..Options::default()
    };
    let cluster = session.cluster().await?;
    judge(&session, &cluster, &dir, options).await
}

/// Settles, reads, judges and tells.
pub(crate) async fn judge(
    session: &Session,
    cluster: &Cluster,
    dir: &RunDir,
    options: Options,
) -> anyhow::Result<Exit> {
    let verified = verify::verify(cluster, dir, options).await?;
    show(session, dir, &verified)
}

fn show(session: &Session, dir: &RunDir, verified: &Verified) -> anyhow::Result<Exit> {
    let judgement = &verified.judgement;
    if verified.from_stored_reads {
        session
            .printer
            .note("judged by the final reads that were taken before; --again takes new ones");
    }
    for line in lines(judgement) {
        session.printer.line(&line)?;
    }
    let verdict = match report::publish(session, dir) {
        Ok(()) => judgement.verdict,
        // The verdict stands, but who reads the reports would read old ones, or none.
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
            session
                .printer
                .error(&format!("the reports are not written: {error}{cause}"));
            judgement.verdict.worst(Verdict::Harness)
        }
    };
    Ok(exit(verdict))
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Violation => Exit::Violation,
        Verdict::Unknown => Exit::Unknown,
        Verdict::Slo => Exit::Slo,
        Verdict::Harness => Exit::Harness,
    }
}

fn lines(judgement: &Judgement) -> Vec<String> {
    let mut lines: Vec<String> = judgement.checks.iter().map(check_line).collect();
    lines.push(String::new());
    lines.extend(total_lines(judgement));
    for violation in judgement.violations.iter().take(TOLD_MAX) {
        lines.push(String::new());
        lines.push(violation.text.clone());
    }
    let untold = judgement.violations.len().saturating_sub(TOLD_MAX);
    if untold > 0 {
        lines.push(String::new());
        lines.push(format!("and {untold} more in result.json"));
    }
    lines.push(String::new());
    lines.extend(judgement.reasons.iter().map(|reason| format!("- {reason}")));
    lines.push(verdict_line(judgement.verdict));
    lines
}

fn check_line(check: &CheckReport) -> String {
    let counted = check.counted;
    let name = check.name.name();
    match check.status {
        Status::Held => format!("{} {name:<14} {counted} checked", "✓".green()),
        Status::Violated => format!(
            "{} {name:<14} {} violations in {counted}",
            "✗".red().bold(),
            check.violations
        ),
        Status::Suspected => format!(
            "{} {name:<14} {} suspected in {counted}",
            "?".yellow(),
            check.violations
        ),
        Status::Undecided => format!("{} {name:<14} undecided", "?".yellow()),
    }
}

fn total_lines(judgement: &Judgement) -> Vec<String> {
    let totals = &judgement.totals;
    vec![
        format!(
            "orders     {}: {} ok, {} failed, {} unknown of which {} are done",
            totals.orders,
            totals.orders_ok,
            totals.orders_fail,
            totals.orders_info,
            totals.orders_info_done
        ),
        format!(
            "lost       {} acknowledged orders",
            totals.lost_acknowledged
        ),
        format!(
            "moved      {} credits charged, {} pieces taken",
            totals.money_charged, totals.stock_taken
        ),
    ]
}

fn verdict_line(verdict: Verdict) -> String {
    match verdict {
        Verdict::Pass => format!("{}", verdict.to_string().green().bold()),
        Verdict::Violation | Verdict::Harness => format!("{}", verdict.to_string().red().bold()),
        Verdict::Unknown | Verdict::Slo => format!("{}", verdict.to_string().yellow().bold()),
    }
}

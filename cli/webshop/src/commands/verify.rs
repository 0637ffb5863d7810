//! `webshop verify`.

mod story;
pub(super) mod verdict;

use checker::verdict::Verdict;
use harness::Cluster;
use harness::run::recorded::{self, Judged};
use harness::run::verify::{self, Options};
use harness::rundir::RunDir;
use protocol::OrderId;

use super::report;
use crate::cli::{Format, VerifyArgs};
use crate::exit::Exit;
use crate::session::Session;

/// Judges a run.
pub(crate) async fn run(args: VerifyArgs, session: Session) -> anyhow::Result<Exit> {
    // The run first: without one there is nothing to ask an engine for.
    let dir = RunDir::open(&session.runs(), args.run.as_deref())?;
    if let Some(order) = args.order {
        return tell(&session, &dir, order, args.format);
    }
    if args.offline {
        return show(&session, &dir, recorded::offline(&dir)?, args.format);
    }
    if !args.again
        && let Some(judged) = recorded::stored(&dir)?
    {
        session
            .printer
            .note("judged by the final reads that were taken before; --again takes new ones");
        return show(&session, &dir, judged, args.format);
    }
    let mut options = Options::from(dir.plan()?.settle);
    options.settle = args.settle_timeout.unwrap_or(options.settle);
    let cluster = session.cluster().await?;
    let judged = verify::verify(&cluster, &dir, options).await?;
    show(&session, &dir, judged, args.format)
}

/// Settles, reads, judges and tells.
pub(crate) async fn judge(
    session: &Session,
    cluster: &Cluster,
    dir: &RunDir,
    options: Options,
) -> anyhow::Result<Exit> {
    let judged = verify::verify(cluster, dir, options).await?;
    show(session, dir, judged, Format::Text)
}

fn tell(session: &Session, dir: &RunDir, order: OrderId, format: Format) -> anyhow::Result<Exit> {
    let story = recorded::story_of(dir, order)?;
    match format {
        Format::Json => session.printer.json(&story)?,
        Format::Text => session.printer.block(&story::text(&story)),
    }
    Ok(exit(story.verdict))
}

/// Tells it, leaves the reports, and ends with the verdict, whatever becomes of what is told and left.
fn show(session: &Session, dir: &RunDir, judged: Judged, format: Format) -> anyhow::Result<Exit> {
    match format {
        Format::Json => session.printer.json(&judged.judgement)?,
        Format::Text => session.printer.block(&verdict::text(&judged.judgement)),
    }
    let verdict = judged.judgement.verdict;
    report::publish(session, dir, judged);
    Ok(exit(verdict))
}

pub(crate) fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Violation => Exit::Violation,
        Verdict::Unknown => Exit::Unknown,
        Verdict::Slo => Exit::Slo,
        Verdict::Harness => Exit::Harness,
    }
}

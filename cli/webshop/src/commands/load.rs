//! `webshop load`.

use std::time::Duration;

use harness::load::{Data, Figures, Offered, Profile};
use harness::recorder::unix_ms;
use harness::run::{self, Report, plan::LoadPlan};
use harness::units::human;

use crate::cli::{LoadArgs, ShapeArgs};
use crate::exit::Exit;
use crate::session::Session;

/// Loads the shop and records the run.
pub(crate) async fn run(args: LoadArgs, session: Session) -> anyhow::Result<Exit> {
    let cluster = session.cluster().await?;
    let plan = plan(&args.shape, args.length, Duration::ZERO);
    let name = args.shape.name.unwrap_or_else(|| "load".to_owned());
    let command = format!("webshop load --rate {}/s", args.shape.rate);
    let prepared = run::prepare(&cluster, &name, &command, Some(plan), Vec::new()).await?;
    let report = prepared.run(&session.runs()).await?;
    show(&session, &report)?;
    for error in &report.evidence.harness_errors {
        session.printer.warning(error);
    }
    Ok(if report.evidence.harness_errors.is_empty() {
        Exit::Pass
    } else {
        Exit::Harness
    })
}

/// The load that the options ask for; `overtime` is how much longer it may have to go on.
pub(crate) fn plan(shape: &ShapeArgs, length: Duration, overtime: Duration) -> LoadPlan {
    let profile = Profile {
        rate: shape.rate,
        mix: shape.mix.clone(),
        // No seed asked for: any will do, and the plan keeps it.
        seed: shape.seed.unwrap_or_else(unix_ms),
        request_timeout_ms: millis(shape.request_timeout),
        retries: shape.retries,
    };
    LoadPlan {
        data: Data::for_load(&profile, length + overtime),
        profile,
        length_ms: millis(length),
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Prints what the load met.
pub(crate) fn show(session: &Session, report: &Report) -> anyhow::Result<()> {
    let printer = &session.printer;
    if let Some((offered, figures)) = &report.load {
        for line in lines(offered, figures) {
            printer.line(&line)?;
        }
    }
    printer.line(&format!("run        {}", report.dir.path().display()))?;
    Ok(())
}

fn lines(offered: &Offered, figures: &Figures) -> Vec<String> {
    #[allow(
        clippy::cast_precision_loss,
        reason = "a count of operations for people"
    )]
    let rate = offered.operations as f64 / offered.span.as_secs_f64().max(0.001);
    let mut lines = vec![
        format!(
            "load       {} operations in {}, {rate:.1}/s",
            offered.operations,
            human(offered.span)
        ),
        format!(
            "outcomes   {} ok, {} failed ({} rejected, {} never sent), {} unknown, {} answers 5xx",
            figures.ok,
            figures.fail,
            figures.rejected,
            figures.never_sent,
            figures.info,
            figures.server_errors
        ),
    ];
    for (name, counts) in &figures.operations {
        lines.push(format!(
            "  {name:<12} {} ok, {} failed, {} unknown",
            counts.ok, counts.fail, counts.info
        ));
    }
    lines.push(format!(
        "latency    p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, max {:.1} ms",
        figures.p50_ms, figures.p90_ms, figures.p99_ms, figures.p999_ms, figures.max_ms
    ));
    lines
}

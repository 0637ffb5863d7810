//! `webshop load`.

use harness::load::{Figures, Offered};
use harness::printable;
use harness::recorder::unix_ms;
use harness::run::{self, Report};
use harness::scenario::quantity::{Rate, Span};
use harness::scenario::step::Step;
use harness::scenario::{Load, Scenario};
use harness::units::human;

use super::chaos;
use crate::cli::{LoadArgs, ShapeArgs};
use crate::exit::Exit;
use crate::session::Session;

/// Loads the shop and records the run.
pub(crate) async fn run(args: LoadArgs, session: Session) -> anyhow::Result<Exit> {
    let scenario = scenario(&args);
    chaos::fit(&scenario)?;
    let cluster = session.cluster().await?;
    // No seed asked for: any will do, and the plan keeps it.
    let seed = args.shape.seed.unwrap_or_else(unix_ms);
    let command = format!("webshop load --rate {}/s", args.shape.rate);
    let prepared = run::prepare(&cluster, scenario.shape(seed, &command)).await?;
    let report = prepared.run(&session.runs()).await?;
    show(&session, &report);
    for error in &report.evidence.harness_errors {
        session.printer.warning(&printable::line(error));
    }
    tell_unjudged(&session, &report);
    Ok(if report.evidence.harness_errors.is_empty() {
        Exit::Pass
    } else {
        Exit::Harness
    })
}

/// The scenario that the options amount to.
pub(super) fn scenario(args: &LoadArgs) -> Scenario {
    let name = args.shape.name.clone().unwrap_or_else(|| "load".to_owned());
    let timeline = vec![Step::stretch(args.length)];
    Scenario::of(name, args.shape.seed, shape(&args.shape), timeline)
}

/// The load that the options ask for.
pub(crate) fn shape(args: &ShapeArgs) -> Load {
    Load {
        rate: Rate(args.rate),
        mix: args.mix.clone(),
        request_timeout: Span(args.request_timeout),
        retries: args.retries.into(),
    }
}

/// The last line of a run that ends without a verdict.
pub(crate) fn tell_unjudged(session: &Session, report: &Report) {
    session.printer.line(&format!(
        "verdict    none, nothing was judged: webshop verify {}",
        printable::line(&report.dir.name())
    ));
}

/// Prints what the load met.
pub(crate) fn show(session: &Session, report: &Report) {
    let printer = &session.printer;
    if let Some((offered, figures)) = &report.load {
        for line in lines(offered, figures) {
            printer.line(&line);
        }
    }
    let path = printable::line(&report.dir.path().display().to_string());
    printer.line(&format!("run        {path}"));
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

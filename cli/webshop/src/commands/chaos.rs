//! `webshop chaos`.

mod random;
mod steps;

use std::time::Duration;

use checker::Evidence;
use checker::availability::{self, Recovery};
use checker::evidence::{FaultEvidence, SplitBrain};
use harness::error::Error;
use harness::fault;
use harness::printable;
use harness::recorder::unix_ms;
use harness::run::plan::FaultPlan;
use harness::run::{self, Preview, Report};
use harness::rundir::file_name;
use harness::scenario::Scenario;
use harness::scenario::quantity::Span;
use harness::scenario::step::Step;
use harness::target::Victim;

use super::{load, targets, verify};
use crate::cli::{ChaosArgs, ChaosCommand};
use crate::exit::Exit;
use crate::session::Session;

/// Breaks something, or heals everything.
pub(crate) async fn run(args: Box<ChaosArgs>, session: Session) -> anyhow::Result<Exit> {
    if let Some(ChaosCommand::Clear) = args.command {
        return clear(&session).await;
    }
    let scenario = scenario(&args);
    fit(&scenario)?;
    if args.print_scenario {
        session.printer.document(scenario.to_yaml()?.trim_end())?;
        return Ok(Exit::Pass);
    }
    let cluster = session.cluster().await?;
    let seed = args.shape.seed.unwrap_or_else(unix_ms);
    let shape = scenario.shape(
        seed,
        &format!("webshop chaos {}", steps::typed(&args.faults)),
    );
    if args.dry_run {
        return match run::preview(&cluster, &shape).await {
            Err(error @ Error::SplitBrain { .. }) => Ok(split(&session, &error)),
            previews => {
                session.printer.block(&would_hit(&previews?, &args));
                Ok(Exit::Pass)
            }
        };
    }
    let prepared = match run::prepare(&cluster, shape).await {
        Err(error @ Error::SplitBrain { .. }) => return Ok(split(&session, &error)),
        prepared => prepared?,
    };
    session.printer.note(&hits(prepared.faults(), &args));
    let report = prepared.run(&session.runs()).await?;
    show(&session, &report)?;
    if args.verify {
        let settle = report.dir.plan()?.settle;
        return verify::judge(&session, &cluster, &report.dir, settle.into()).await;
    }
    load::tell_unjudged(&session, &report);
    Ok(exit(&report.evidence))
}

fn split(session: &Session, error: &Error) -> Exit {
    session.printer.error(&printable::lines(&error.to_string()));
    split_exit(error)
}

/// One look may meet a node in the middle of its change of roles.
fn split_exit(error: &Error) -> Exit {
    if error.is_split_brain() {
        Exit::Violation
    } else {
        Exit::Unknown
    }
}

/// Refuses what no scenario file may say: the run could not be repeated from its own.
pub(super) fn fit(scenario: &Scenario) -> harness::Result<()> {
    let mistakes = scenario.validate_alone();
    if mistakes.is_empty() {
        return Ok(());
    }
    Err(Error::Scenario {
        file: "the command line".into(),
        mistakes,
    })
}

/// The scenario that the options amount to.
fn scenario(args: &ChaosArgs) -> Scenario {
    let called = args.shape.name.clone();
    let scenario = Scenario::of(
        called.unwrap_or_else(|| file_name(&steps::typed(&args.faults).replace("--", ""))),
        args.shape.seed,
        load::shape(&args.shape),
        if args.faults.random {
            random::timeline(args.length, args.every)
        } else {
            timeline(args)
        },
    );
    Scenario {
        direct_writes: args.direct_writes,
        no_load: args.no_load,
        ..scenario
    }
}

fn timeline(args: &ChaosArgs) -> Vec<Step> {
    let mut timeline = Vec::new();
    for round in 0..args.repeat {
        let after = if round == 0 { args.at } else { Duration::ZERO };
        let mut faults = steps::of(args);
        if let Some(first) = faults.first_mut() {
            first.after = Span(after);
        }
        timeline.extend(faults);
        let last = round + 1 == args.repeat;
        timeline.push(Step::stretch(if last { args.length } else { args.every }));
    }
    timeline
}

/// For a dry run: besides what would be hit, what was not tried.
fn would_hit(previews: &[Preview], args: &ChaosArgs) -> String {
    let faults = previews
        .iter()
        .map(|preview| (&preview.fault, preview.victims.as_slice()));
    let mut lines = vec![hits(faults, args)];
    let mut unprobed: Vec<&str> = previews
        .iter()
        .filter(|preview| fault::is_probed(&preview.fault.action))
        .map(|preview| preview.fault.action.verb())
        .collect();
    unprobed.sort_unstable();
    unprobed.dedup();
    if !unprobed.is_empty() {
        lines.push(format!(
            "not tried: whether this kernel can do {} (`webshop doctor` tries it)",
            unprobed.join(", ")
        ));
    }
    lines.join("\n")
}

/// What each fault would hit now, a line each.
fn hits<'a>(
    faults: impl Iterator<Item = (&'a FaultPlan, &'a [Victim])>,
    args: &ChaosArgs,
) -> String {
    let when = if args.no_load {
        "now, without load".to_owned()
    } else {
        format!(
            "{} into a load of {}/s",
            harness::units::human(args.at),
            args.shape.rate
        )
    };
    let lines: Vec<String> = faults
        .map(|(fault, victims)| {
            let victims: Vec<String> = victims.iter().map(targets::describe).collect();
            printable::line(&format!(
                "{} -> {}, {when}",
                fault.name(),
                victims.join(", ")
            ))
        })
        .collect();
    lines.join("\n")
}

/// Without a verdict the exit code says no more than whether the fault is proved.
fn exit(evidence: &Evidence) -> Exit {
    let mut split_brains = evidence.split_brains.iter();
    if split_brains.any(SplitBrain::is_agreed) {
        Exit::Violation
    } else if !evidence.harness_errors.is_empty() {
        Exit::Harness
    } else if evidence.faults.iter().all(FaultEvidence::took_effect) {
        Exit::Pass
    } else {
        Exit::Unknown
    }
}

pub(crate) fn show(session: &Session, report: &Report) -> anyhow::Result<()> {
    for fault in &report.evidence.faults {
        session.printer.line(&printable::line(&fault_line(fault)));
    }
    if report.load.is_some() {
        let measured = availability::measure(&report.dir.history()?, &report.evidence);
        for recovery in &measured.recoveries {
            session.printer.line(&recovery_line(recovery));
        }
        session.printer.line(&format!(
            "checkouts  longest gap {}, {} answered 5xx",
            ms(Some(measured.longest_gap_ms)),
            measured.checkout_server_errors
        ));
    }
    load::show(session, report);
    for error in &report.evidence.harness_errors {
        session.printer.warning(&printable::line(error));
    }
    Ok(())
}

fn fault_line(fault: &FaultEvidence) -> String {
    let mut text = format!("fault      {} ({}): ", fault.name, fault.target);
    match (fault.effective_us, fault.injected_us) {
        (Some(at_us), _) => {
            text += &format!("{} at {}", fault.seen.join(", "), ms(Some(at_us / 1000)));
        }
        (None, Some(_)) => text += "injected, but no effect was seen",
        (None, None) => text += "not injected",
    }
    if !fault.missing.is_empty() {
        text += &format!("; not seen: {}", fault.missing.join(", "));
    }
    if let (Some(effective), Some(healed)) = (fault.effective_us, fault.healed_us) {
        text += &format!(
            "; back after {}",
            ms(Some(healed.saturating_sub(effective) / 1000))
        );
    }
    text
}

fn recovery_line(recovery: &Recovery) -> String {
    let recovered = match recovery.recovery_ms {
        Some(_) => ms(recovery.recovery_ms),
        None => format!("> {}", ms(Some(recovery.watched_ms))),
    };
    format!(
        "recovery   first ok checkout {}, writable {}, recovered {recovered}, {} operations lost",
        ms(recovery.first_ok_checkout_ms),
        ms(recovery.writable_ms),
        recovery.lost_operations
    )
}

fn ms(value: Option<u64>) -> String {
    value.map_or("-".to_owned(), |ms| {
        harness::units::human(Duration::from_millis(ms))
    })
}

async fn clear(session: &Session) -> anyhow::Result<Exit> {
    let cluster = session.cluster().await?;
    let done = fault::clear(&cluster).await?;
    if done.is_empty() {
        session.printer.line("no faults");
    }
    for line in done {
        session.printer.line(&printable::line(&line));
    }
    Ok(Exit::Pass)
}

#[cfg(test)]
mod tests;

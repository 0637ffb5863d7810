//! A judgement on a terminal: every check, the headline, what is wrong by its causes, and the verdict.

use checker::verdict::{Cause, CheckReport, Judgement, Status, Verdict};
use harness::printable;
use owo_colors::OwoColorize;

/// Violations that are told whole; the result file has the others.
const TOLD_MAX: usize = 10;
/// Causes that are told; the result file has the others.
const CAUSES_MAX: usize = 20;

pub(crate) fn text(judgement: &Judgement) -> String {
    let mut lines: Vec<String> = judgement.checks.iter().map(check_line).collect();
    lines.push(String::new());
    lines.extend(total_lines(judgement));
    lines.extend(violation_lines(judgement));
    lines.push(String::new());
    let reasons = judgement.reasons.iter();
    lines.extend(reasons.map(|reason| format!("- {}", printable::line(reason))));
    lines.push(verdict_line(judgement.verdict));
    lines.join("\n")
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

/// The first few whole, under their causes; of the others how many there are.
fn violation_lines(judgement: &Judgement) -> Vec<String> {
    let mut lines = Vec::new();
    let mut told = 0;
    for (at, cause) in judgement.causes.iter().take(CAUSES_MAX).enumerate() {
        lines.push(String::new());
        if cause.violations > 1 {
            lines.push(cause_line(cause));
        }
        let own = judgement.violations.iter().filter(|v| v.cause == at);
        let before = told;
        for violation in own.take(TOLD_MAX - told) {
            let suspected = if violation.suspected {
                "suspected: "
            } else {
                ""
            };
            lines.push(format!("{suspected}{}", printable::line(&violation.text)));
            told += 1;
        }
        let untold = cause.violations - (told - before) as u64;
        match (untold, told - before) {
            (0, _) => {}
            (1, 0) => lines.push(format!("{}, in result.json", cause_line(cause))),
            (_, 0) => lines.push(format!("all {untold} of them in result.json")),
            _ => lines.push(format!("and {untold} more like this in result.json")),
        }
    }
    let untold = judgement.causes.len().saturating_sub(CAUSES_MAX);
    if untold > 0 {
        lines.push(String::new());
        lines.push(format!("and {untold} other kinds in result.json"));
    }
    lines
}

/// `46 × LOST_ACK, suspected: nothing of it is left; near kill stock-db-primary (stock-db-0) at 10.000 s`
fn cause_line(cause: &Cause) -> String {
    let suspected = if cause.suspected { ", suspected" } else { "" };
    let near = match &cause.fault {
        Some(fault) => format!("; near {fault}"),
        None => String::new(),
    };
    let (count, label, shape) = (cause.violations, cause.label, &cause.shape);
    printable::line(&format!("{count} × {label}{suspected}: {shape}{near}"))
}

/// The verdict in its colour.
pub(crate) fn verdict_line(verdict: Verdict) -> String {
    match verdict {
        Verdict::Pass => format!("{}", verdict.to_string().green().bold()),
        Verdict::Violation | Verdict::Harness => format!("{}", verdict.to_string().red().bold()),
        Verdict::Unknown | Verdict::Slo => format!("{}", verdict.to_string().yellow().bold()),
    }
}

#[cfg(test)]
mod tests;

//! `webshop history`.

use std::path::PathBuf;

use checker::Verdict;
use harness::error::Error;
use harness::printable;
use harness::report::figures::Headline;
use harness::report::{self, Entry};
use harness::rundir::RunDir;
use harness::timestamp::utc;
use owo_colors::OwoColorize;
use serde_json::{Map, Value, json};

use crate::cli::{Format, HistoryArgs};
use crate::exit::Exit;
use crate::session::Session;
use crate::table;

/// Lists the runs, or sets two side by side.
pub(crate) fn run(args: &HistoryArgs, session: &Session) -> anyhow::Result<Exit> {
    if let Some([one, other]) = args.compare.as_deref() {
        compare(session, one, other, args.format)?;
        return Ok(Exit::Pass);
    }
    let runs = session.runs();
    let entries = report::entries(&runs)?;
    if entries.is_empty() && args.format == Format::Text {
        return Err(Error::NoRun { dir: runs }.into());
    }
    match args.format {
        Format::Json => session.printer.json(&entries)?,
        Format::Text => session.printer.block(&listing(&entries)),
    }
    for entry in &entries {
        if let Some(reason) = &entry.unreadable {
            session.printer.warning(&printable::line(reason));
        }
    }
    Ok(Exit::Pass)
}

fn listing(entries: &[Entry]) -> String {
    let header = [
        "STARTED (UTC)",
        "RUN",
        "VERDICT",
        "SERVED/S",
        "P99",
        "RECOVERED",
    ];
    table::draw(&header, &entries.iter().map(row).collect::<Vec<_>>())
}

fn row(entry: &Entry) -> Vec<String> {
    let figure = |of: fn(&Headline) -> String| entry.figures.as_ref().map_or("-".to_owned(), of);
    vec![
        entry
            .started_at_ms
            .map_or("-".to_owned(), |ms| utc(ms / 1000)),
        printable::line(&entry.run),
        verdict(entry),
        figure(|figures| format!("{:.1}", figures.served_per_s)),
        figure(|figures| report::ms(figures.p99_ms)),
        figure(recovered),
    ]
}

fn verdict(entry: &Entry) -> String {
    match (entry.verdict, &entry.unreadable) {
        (None, Some(_)) => "unreadable".red().to_string(),
        (None, None) => "not judged".dimmed().to_string(),
        (Some(Verdict::Pass), _) => Verdict::Pass.green().to_string(),
        (Some(verdict @ (Verdict::Violation | Verdict::Harness)), _) => verdict.red().to_string(),
        (Some(verdict @ (Verdict::Unknown | Verdict::Slo)), _) => verdict.yellow().to_string(),
    }
}

fn recovered(figures: &Headline) -> String {
    let recovery = figures.recovery;
    recovery.map_or("-".to_owned(), |recovery| recovery.to_string())
}

/// A row of a comparison: its name, its value where it has one, and how a value is written.
type Figure = (
    &'static str,
    fn(&Headline) -> Option<f64>,
    fn(f64) -> String,
);

const FIGURES: [Figure; 11] = [
    ("served_ratio", |f| Some(f.served_ratio), report::percent),
    ("served_per_s", |f| Some(f.served_per_s), per_second),
    ("checkouts_per_s", |f| Some(f.checkouts_per_s), per_second),
    ("p50_ms", |f| Some(f.p50_ms), report::ms),
    ("p99_ms", |f| Some(f.p99_ms), report::ms),
    ("longest_gap_ms", |f| some(f.longest_gap_ms), report::ms),
    (
        "recovery_ms",
        |f| f.recovery?.recovery_ms.and_then(some),
        report::ms,
    ),
    ("lost_operations", |f| some(f.lost_operations), whole),
    (
        "checkout_server_errors",
        |f| some(f.checkout_server_errors),
        whole,
    ),
    ("lost_acknowledged", |f| some(f.lost_acknowledged), whole),
    ("violations", |f| some(f.violations), whole),
];

#[allow(
    clippy::cast_precision_loss,
    reason = "a count of one run fits a float exactly"
)]
#[allow(
    clippy::unnecessary_wraps,
    reason = "a figure may be missing, and these never are"
)]
fn some(count: u64) -> Option<f64> {
    Some(count as f64)
}

fn per_second(value: f64) -> String {
    format!("{value:.1}/s")
}

/// A difference of two shares.
fn points(share: f64) -> String {
    format!("{:.2} points", share * 100.0)
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn compare(
    session: &Session,
    one: &PathBuf,
    other: &PathBuf,
    format: Format,
) -> anyhow::Result<()> {
    let read = |wanted: &PathBuf| -> harness::Result<(Entry, Headline)> {
        let dir = RunDir::open(&session.runs(), Some(wanted))?;
        let judgement = dir
            .result()?
            .ok_or_else(|| Error::NotJudged { run: dir.name() })?;
        Ok((report::entry(&dir), Headline::of(&judgement)))
    };
    let (one, other) = (read(one)?, read(other)?);
    match format {
        Format::Json => session.printer.json(&json!({
            "a": one.0,
            "b": other.0,
            "differences": differences(&one.1, &other.1),
        }))?,
        Format::Text => session.printer.block(&side_by_side(&one, &other)),
    }
    Ok(())
}

/// What the second has more than the first; `null` where one of them has no such figure.
fn differences(one: &Headline, other: &Headline) -> Value {
    let difference = |of: fn(&Headline) -> Option<f64>| Some(of(other)? - of(one)?);
    let figures = FIGURES
        .iter()
        .map(|(name, of, _)| ((*name).to_owned(), json!(difference(*of))));
    Value::Object(figures.collect::<Map<_, _>>())
}

fn side_by_side(one: &(Entry, Headline), other: &(Entry, Headline)) -> String {
    let mut rows = vec![vec![
        "verdict".to_owned(),
        verdict(&one.0),
        verdict(&other.0),
        String::new(),
    ]];
    for (name, of, written) in &FIGURES {
        let (a, b) = (of(&one.1), of(&other.1));
        let cell = |value: Option<f64>, figures: &Headline| match value {
            Some(value) => written(value),
            None => recovered(figures),
        };
        rows.push(vec![
            (*name).to_owned(),
            cell(a, &one.1),
            cell(b, &other.1),
            // What is rounded down as a share would be off as a difference of two.
            if *name == "served_ratio" {
                change(a, b, points)
            } else {
                change(a, b, *written)
            },
        ]);
    }
    let (a, b) = (printable::line(&one.0.run), printable::line(&other.0.run));
    table::draw(&["", &a, &b, "DIFFERENCE"], &rows)
}

/// `+31.5 ms (+12 %)`.
fn change(one: Option<f64>, other: Option<f64>, written: fn(f64) -> String) -> String {
    let (Some(one), Some(other)) = (one, other) else {
        return "-".to_owned();
    };
    let difference = other - one;
    if difference == 0.0 {
        return "=".to_owned();
    }
    let sign = if difference < 0.0 { '-' } else { '+' };
    let size = written(difference.abs());
    if one == 0.0 {
        return format!("{sign}{size}");
    }
    format!("{sign}{size} ({:+.1} %)", difference / one * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_a_sign_and_a_share() {
        let ms = |one, other| change(one, other, report::ms);
        assert_eq!(ms(Some(200.0), Some(250.0)), "+50 ms (+25.0 %)");
        assert_eq!(ms(Some(200.0), Some(150.0)), "-50 ms (-25.0 %)");
        assert_eq!(ms(Some(0.0), Some(3.0)), "+3.0 ms");
        assert_eq!(ms(Some(3.0), Some(3.0)), "=");
        assert_eq!(ms(None, Some(3.0)), "-");
        let served = change(Some(0.916), Some(1.0), points);
        assert_eq!(served, "+8.40 points (+9.2 %)");
    }
}

//! What was measured, as tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use harness::bench::work::{GUARDED, Work};
use harness::bench::{Bench, Step, Sustained};
use harness::report::ms;
use harness::units::human;

use crate::commands::verify::verdict::verdict_line;
use crate::table;

/// One step in a line, as it ends.
pub(super) fn told(step: &Step) -> String {
    let how = if step.is_held() {
        "held".to_owned()
    } else {
        format!("too much: {}", step.missed.join(", "))
    };
    format!(
        "{:.1} checkouts/s ok, p50 {}, p99 {}: {how}",
        step.ok_per_s,
        ms(step.p50_ms),
        ms(step.p99_ms)
    )
}

/// Everything; beside an earlier measurement where there is one.
pub(super) fn text(bench: &Bench, earlier: Option<&Bench>) -> String {
    let mut text = String::new();
    if !bench.steps.is_empty() {
        let rows: Vec<Vec<String>> = bench.steps.iter().map(row).collect();
        let header = ["RATE", "OK/S", "P50", "P99", "P99.9", "SENT LATE", ""];
        text += &table::draw(&header, &rows);
        text += "\n\n";
    }
    let Some(now) = &bench.sustained else {
        return text + "no rate was sustained";
    };
    let before = earlier.and_then(|earlier| earlier.sustained.as_ref());
    text += &sustained(now, before, bench);
    let Some(took) = &now.work else {
        return text + "\nwhat it took is not known: the meters could not be read";
    };
    let took_before = before.and_then(|before| before.work.as_ref());
    text += &format!("\n{}\n", costs(took, took_before));
    text += &format!("\n{}\n", work(took, took_before));
    text += &format!("\n{}", batches(took));
    text
}

fn row(step: &Step) -> Vec<String> {
    vec![
        format!("{}/s", step.rate),
        format!("{:.1}", step.ok_per_s),
        ms(step.p50_ms),
        ms(step.p99_ms),
        ms(step.p999_ms),
        ms(step.late_ms),
        step.missed.join(", "),
    ]
}

fn sustained(now: &Sustained, before: Option<&Sustained>, bench: &Bench) -> String {
    let Sustained { step, .. } = now;
    let held = std::time::Duration::from_secs_f64(step.seconds);
    let mut text = format!(
        "{}: {}/s for {}, {:.1} checkouts/s ok, p50 {}, p99 {}, p99.9 {}\n{}  {}\n",
        if step.is_held() {
            "sustained"
        } else {
            "NOT SUSTAINED"
        },
        step.rate,
        human(held),
        step.ok_per_s,
        ms(step.p50_ms),
        ms(step.p99_ms),
        ms(step.p999_ms),
        verdict_line(now.verdict),
        now.run,
    );
    for reason in &step.missed {
        let _infallible = writeln!(text, "- {reason}");
    }
    if let Some(Sustained { step: before, .. }) = before {
        let _infallible = writeln!(
            text,
            "before: {}/s, {:.1} checkouts/s ok, p50 {}, p99 {}",
            before.rate,
            before.ok_per_s,
            ms(before.p50_ms),
            ms(before.p99_ms)
        );
    }
    let Some(work) = &now.work else {
        return text;
    };
    let used = work.cpu() / work.seconds.max(0.001);
    let _infallible = writeln!(text, "{used:.2} of {} processors were busy", bench.cores);
    if step.is_late() {
        let _infallible = writeln!(
            text,
            "the load generator gets too little of them: it sent {} late (99th percentile) and used {:.2}",
            ms(step.late_ms),
            work.generator_cpu / work.seconds.max(0.001)
        );
    }
    text
}

/// Processor time by service.
fn costs(now: &Work, before: Option<&Work>) -> String {
    let parts = |work: &Work| {
        let mut parts = work.cpu_by_part();
        parts.insert("(in all)".to_owned(), work.cpu());
        let per_thousand = parts
            .into_iter()
            .map(|(part, seconds)| (part, work.per_checkout(seconds * 1000.0)));
        per_thousand.collect()
    };
    compared(
        "CPU SECONDS PER THOUSAND CHECKOUTS",
        &parts(now),
        before.map(parts).as_ref(),
    )
}

/// What the parts of the stack did for each checkout.
fn work(now: &Work, before: Option<&Work>) -> String {
    let parts = |work: &Work| {
        let mut parts: BTreeMap<String, f64> = GUARDED
            .iter()
            .map(|(name, of)| ((*name).to_owned(), of(work)))
            .collect();
        for (kind, each) in [
            ("transactions", &work.commits),
            ("WAL bytes", &work.wal_bytes),
            ("Kafka records", &work.kafka_records),
            ("retries", &work.retries),
        ] {
            let each = each.iter();
            parts.extend(each.map(|(name, amount)| (format!("{kind} {name}"), *amount)));
        }
        let each = parts.into_iter();
        each.map(|(part, amount)| (part, work.per_checkout(amount)))
            .collect()
    };
    compared("WORK PER CHECKOUT", &parts(now), before.map(parts).as_ref())
}

fn compared(
    title: &str,
    now: &BTreeMap<String, f64>,
    before: Option<&BTreeMap<String, f64>>,
) -> String {
    let Some(before) = before else {
        let rows: Vec<Vec<String>> = now
            .iter()
            .map(|(name, amount)| vec![name.clone(), figure(*amount)])
            .collect();
        return table::draw(&[title, ""], &rows);
    };
    let names: BTreeSet<&String> = now.keys().chain(before.keys()).collect();
    let rows: Vec<Vec<String>> = names
        .into_iter()
        .map(|name| {
            let (now, before) = (now.get(name).copied(), before.get(name).copied());
            let cell = |amount: Option<f64>| amount.map_or("-".to_owned(), figure);
            let change = match (now, before) {
                (Some(now), Some(before)) if before > 0.0 => {
                    format!("{:+.0} %", (now / before - 1.0) * 100.0)
                }
                _ => String::new(),
            };
            vec![name.clone(), cell(now), cell(before), change]
        })
        .collect();
    table::draw(&[title, "NOW", "BEFORE", ""], &rows)
}

fn batches(work: &Work) -> String {
    let rows: Vec<Vec<String>> = work
        .batches
        .iter()
        .map(|(name, mean)| vec![name.clone(), format!("{mean:.1}")])
        .collect();
    table::draw(&["MESSAGES WORKED ON TOGETHER", ""], &rows)
}

/// Three digits, whatever the size.
fn figure(amount: f64) -> String {
    match amount {
        a if a >= 100.0 => format!("{a:.0}"),
        a if a >= 10.0 => format!("{a:.1}"),
        a if a >= 1.0 => format!("{a:.2}"),
        a => format!("{a:.3}"),
    }
}

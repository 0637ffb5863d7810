//! One run as one HTML file: no script, nothing from elsewhere, light and dark.

use checker::{Verdict, verdict::Status};
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::{
    Reported,
    figures::{Headline, Recovered},
    quantity::{count, ms, percent, some_ms},
};
use crate::{printable, timestamp::utc};

mod checks;
mod faults;
mod orders;
mod plots;
mod roles;
mod setting;
mod topology;
mod violations;

const CSS: &str = include_str!("html/report.css");

/// The whole page.
#[must_use]
pub fn html(run: &Reported) -> String {
    let verdict = run.judgement.verdict;
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // A server would else be asked for one.
                link rel="icon" href="data:,";
                title { (verdict) " · " (printable::line(&run.plan.name)) " · " (printable::line(run.name())) }
                style { (PreEscaped(CSS)) }
            }
            body {
                main {
                    (head(run))
                    (banner(run))
                    (tiles(&run.judgement))
                    (violations::section(run))
                    (plots::section(run))
                    (faults::section(run))
                    (orders::section(&run.judgement.totals))
                    (checks::section(run))
                    (topology::section(run))
                    (roles::section(run))
                    (setting::section(run))
                }
            }
        }
    };
    printable::page(&page.into_string())
}

fn head(run: &Reported) -> Markup {
    markup! {
        header.top {
            p.brand { "webshop" }
            h1 { (printable::line(&run.plan.name)) }
            p.muted {
                span.mono { (printable::line(run.name())) }
                " · " (utc(run.history.header.started_at_ms / 1000)) " UTC"
            }
        }
    }
}

/// A verdict's name as a class, which colours it.
fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Violation => "violation",
        Verdict::Unknown => "unknown",
        Verdict::Slo => "slo",
        Verdict::Harness => "harness",
    }
}

fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "Every check held, and there was enough evidence.",
        Verdict::Violation => "At least one check failed.",
        Verdict::Unknown => "Too little evidence: this run proves nothing.",
        Verdict::Slo => "Consistent, but over the budget for recovery or availability.",
        Verdict::Harness => "Docker or the stack could not do what was asked.",
    }
}

fn banner(run: &Reported) -> Markup {
    let verdict = run.judgement.verdict;
    markup! {
        section #verdict.banner.(class(verdict)) aria-label="Verdict" {
            p.verdict { (verdict) }
            p.meaning { (meaning(verdict)) }
            p.basis { (basis(run)) }
            @if !run.judgement.reasons.is_empty() {
                ul {
                    @for reason in &run.judgement.reasons { li { (printable::line(reason)) } }
                }
            }
        }
    }
}

/// What the verdict rests on.
fn basis(run: &Reported) -> String {
    let checks = &run.judgement.checks;
    let held = checks.iter().filter(|check| check.status == Status::Held);
    let mut parts = vec![
        format!("{} of {} checks held", held.count(), checks.len()),
        format!("{} orders", count(run.judgement.totals.orders)),
    ];
    let faults = &run.evidence.faults;
    if !faults.is_empty() {
        let seen = faults.iter().filter(|fault| fault.was_seen()).count();
        let short = faults.iter().filter(|fault| fault.cut_short().is_some());
        let short = match short.count() {
            0 => String::new(),
            short => format!(", {short} held too short"),
        };
        parts.push(format!(
            "{seen} of {} faults seen to take effect{short}",
            faults.len()
        ));
    }
    parts.join(" · ")
}

/// A figure of the first row.
struct Tile {
    name: &'static str,
    value: String,
    note: String,
    is_bad: bool,
}

fn tiles(judgement: &checker::Judgement) -> Markup {
    let headline = Headline::of(judgement);
    let tiles = tile_list(judgement, &headline);
    markup! {
        section #figures aria-label="Figures" {
            dl.tiles {
                @for tile in &tiles {
                    div.tile.bad[tile.is_bad] {
                        dt { (tile.name) }
                        dd.value { (tile.value) }
                        dd.note { (tile.note) }
                    }
                }
            }
        }
    }
}

fn tile_list(judgement: &checker::Judgement, headline: &Headline) -> [Tile; 8] {
    let tile = |name, value, note: &str| Tile {
        name,
        value,
        note: note.to_owned(),
        is_bad: false,
    };
    let availability = &judgement.availability;
    let served = format!(
        "{} of {} operations",
        count(availability.served),
        count(availability.offered)
    );
    let recovery = headline.recovery;
    [
        tile("Served", percent(headline.served_ratio), &served),
        tile(
            "Checkouts",
            format!("{:.1}/s", headline.checkouts_per_s),
            &format!("ok, over {} s of load", count(headline.load_s)),
        ),
        tile("Latency p50", ms(headline.p50_ms), "from when it was due"),
        tile(
            "Latency p99",
            ms(headline.p99_ms),
            &format!("worst {}", ms(availability.latency.max_ms)),
        ),
        tile(
            "Longest gap",
            some_ms(Some(headline.longest_gap_ms)),
            "without an ok checkout",
        ),
        tile(
            "Recovered",
            recovery.map_or("–".to_owned(), |recovered: Recovered| {
                recovered.to_string()
            }),
            recovery.map_or("no fault took effect", |_| "after the fault, at worst"),
        ),
        tile(
            "Answers 5xx",
            count(headline.checkout_server_errors),
            "to checkouts",
        ),
        Tile {
            is_bad: headline.lost_acknowledged > 0,
            ..tile(
                "Orders lost",
                count(headline.lost_acknowledged),
                "that were acknowledged",
            )
        },
    ]
}

/// A cell of a table that becomes a list of cards on a narrow screen.
fn cell(label: &str, value: impl maud::Render) -> Markup {
    markup! { td data-label=(label) { (value) } }
}

fn number(label: &str, value: impl maud::Render) -> Markup {
    markup! { td.num data-label=(label) { (value) } }
}

#[cfg(test)]
mod tests;

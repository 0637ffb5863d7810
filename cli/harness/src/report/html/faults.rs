//! Each fault: what proves it, and how the shop came back.

use maud::{Markup, html as markup};

use super::{cell, number};
use crate::report::{
    Reported,
    figures::{Fault, Recovered},
    quantity::{at, count, some_ms},
};

pub(super) fn section(run: &Reported) -> Markup {
    let faults = run.faults();
    let gap = &run.judgement.availability;
    markup! {
        section #faults {
            h2 { "Faults and recovery" }
            @if faults.is_empty() {
                p.muted { "Nothing was broken in this run." }
            } @else {
                table.cards {
                    thead {
                        tr {
                            th { "fault" }
                            th.num { "took effect" }
                            th.num { "detection gap" }
                            th.num { "first ok checkout" }
                            th.num { "writable" }
                            th.num { "recovered" }
                            th.num { "operations lost" }
                            th.num { "gone after" }
                        }
                    }
                    tbody { @for fault in &faults { (row(fault)) } }
                }
                dl.terms {
                    dt { "detection gap" } dd { "until the first operation was due that was not served; – where all were" }
                    dt { "recovered" } dd { "until ten seconds began that serve 95 % of the baseline, with p99 at most twice the baseline’s" }
                    dt { "operations lost" } dd { "what the baseline would have served and was not" }
                }
            }
            p {
                "The longest time without an ok checkout was "
                b { (some_ms(Some(gap.longest_gap_ms))) }
                @if gap.longest_gap_ms > 0 { ", from " (at(gap.longest_gap_at_us)) }
                "."
            }
        }
    }
}

fn row(fault: &Fault<'_>) -> Markup {
    let seen = fault.seen;
    let figure = |of: fn(&checker::availability::Recovery) -> String| {
        fault.recovery.map_or("–".to_owned(), of)
    };
    markup! {
        tr {
            td.wide data-label="fault" {
                span.flag.fault { "F" (fault.number) } " " b { (seen.name) } " hit " b { (seen.target) }
            }
            (number("took effect", seen.effective_us.map_or("never".to_owned(), at)))
            (number("detection gap", figure(|r| some_ms(r.detection_gap_ms))))
            (number("first ok checkout", figure(|r| some_ms(r.first_ok_checkout_ms))))
            (number("writable", figure(|r| some_ms(r.writable_ms))))
            (number("recovered", figure(|r| Recovered::from(r).to_string())))
            (number("operations lost", figure(|r| count(r.lost_operations))))
            (cell_or_never(fault))
        }
        tr.proof {
            td colspan="8" {
                @if !seen.seen.is_empty() { p.muted { "seen: " (seen.seen.join("; ")) } }
                @if !seen.missing.is_empty() { p.warn { "not seen: " (seen.missing.join("; ")) } }
            }
        }
    }
}

fn cell_or_never(fault: &Fault<'_>) -> Markup {
    match fault.gone_after_ms() {
        Some(ms) => number("gone after", some_ms(Some(ms))),
        None => cell("gone after", markup! { span.warn { "not seen" } }),
    }
}

//! What the clients saw over time: outcomes and latencies, with the faults and promotions behind them.
//!
//! A drawing is stretched to the room there is, and its lines keep their width; labels are text beside it,
//! so that they stay as large on a phone as on a wall.

mod marks;

use std::fmt::Write as _;

use checker::availability::{Slice, series};
use maud::{Markup, html as markup};

use super::roles;
use crate::{
    axis::{HEIGHT, Scale, Tick, Time, WIDTH},
    recorder::Happening,
    report::{
        Reported,
        figures::Fault,
        quantity::{count, ms, round_ms},
    },
};

/// Points of a curve: more than a screen of this width can show apart would be waste.
const SLICES_MAX: usize = 180;

/// What both plots share.
struct Stage<'a> {
    slices: Vec<Slice>,
    time: Time,
    faults: Vec<Fault<'a>>,
    promotions: Vec<&'a Happening>,
}

/// The two plots and the key to their marks.
pub(super) fn section(run: &Reported) -> Markup {
    let slices = series(&run.history, SLICES_MAX);
    let (Some(first), Some(last)) = (slices.first(), slices.last()) else {
        return markup! {
            section #time { h2 { "Over time" } p.muted { "There was no load." } }
        };
    };
    let stage = Stage {
        time: Time::new(first.start_us, last.start_us + last.length_us),
        faults: run.faults(),
        promotions: roles::promotions(&run.events),
        slices,
    };
    markup! {
        section #time {
            h2 { "Over time" }
            (outcomes(&stage))
            (latencies(&stage))
            (marks::key(&stage))
            (figures(&stage))
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts and microseconds of one slice fit a float exactly"
)]
fn rate(count: u64, slice: &Slice) -> f64 {
    count as f64 * 1_000_000.0 / slice.length_us as f64
}

/// The classes from the bottom up, with the class that colours each.
type Counted = fn(&Slice) -> u64;
const CLASSES: [(&str, &str, Counted); 4] = [
    ("ok", "ok", |slice| slice.ok),
    ("rejected", "rejected by the shop", |slice| slice.rejected),
    ("failed", "failed without an answer", |slice| slice.failed),
    ("unknown", "unknown", |slice| slice.unknown),
];

fn outcomes(stage: &Stage<'_>) -> Markup {
    let rates = stage
        .slices
        .iter()
        .map(|slice| rate(slice.offered(), slice));
    let scale = Scale::linear(rates.fold(0.0, f64::max));
    let layers = CLASSES.iter().enumerate().map(|(n, (class, _, _))| {
        let below = |slice: &Slice| CLASSES[..n].iter().map(|(_, _, of)| of(slice)).sum::<u64>();
        let upto = |slice: &Slice| below(slice) + (CLASSES[n].2)(slice);
        (*class, area(stage, &scale, below, upto))
    });
    let layers: Vec<_> = layers.filter(|(_, d)| !d.is_empty()).collect();
    let drawing = markup! {
        @for (class, d) in &layers { path.area.(class) d=(d) {} }
    };
    let legend = markup! {
        @for (class, name, of) in &CLASSES {
            @if stage.slices.iter().any(|slice| of(slice) > 0) {
                li { i.swatch.(class) {} (name) }
            }
        }
    };
    plot(
        stage,
        &Plot {
            id: "outcomes",
            title: "Outcomes",
            unit: "operations per second, by when they were due",
            ticks: scale.ticks(|value| count(whole(value))),
            legend,
            drawing,
        },
    )
}

/// The label of a round number.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a tick's value: not negative, and far below 2^53"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// The steps between two counts; nothing where they are the same all along.
fn area(
    stage: &Stage<'_>,
    scale: &Scale,
    below: impl Fn(&Slice) -> u64,
    upto: impl Fn(&Slice) -> u64,
) -> String {
    if stage.slices.iter().all(|slice| below(slice) == upto(slice)) {
        return String::new();
    }
    let mut there = String::new();
    let mut back = Vec::new();
    for slice in &stage.slices {
        let (left, right) = edges(stage, slice);
        let (top, bottom) = (
            scale.y(rate(upto(slice), slice)),
            scale.y(rate(below(slice), slice)),
        );
        let begin = if there.is_empty() { 'M' } else { 'L' };
        append(
            &mut there,
            format_args!("{begin}{left:.1} {top:.2}H{right:.1}"),
        );
        back.push(format!("L{right:.1} {bottom:.2}H{left:.1}"));
    }
    back.reverse();
    there + &back.concat() + "Z"
}

fn edges(stage: &Stage<'_>, slice: &Slice) -> (f64, f64) {
    let end_us = slice.start_us + slice.length_us;
    (stage.time.x(slice.start_us), stage.time.x(end_us))
}

/// Writing to a string cannot fail.
fn append(text: &mut String, more: std::fmt::Arguments<'_>) {
    if text.write_fmt(more).is_err() {
        debug_assert!(false, "a string takes any text");
    }
}

fn latencies(stage: &Stage<'_>) -> Markup {
    let slices = stage.slices.iter();
    let scale = Scale::log_of(slices.flat_map(|s| [s.p50_ms, s.p99_ms]).flatten());
    let drawing = markup! {
        path.line.p50 d=(line(stage, &scale, |slice| slice.p50_ms)) {}
        path.line.p99 d=(line(stage, &scale, |slice| slice.p99_ms)) {}
    };
    let legend = markup! {
        li { i.swatch.p50 {} "p50" }
        li { i.swatch.p99 {} "p99" }
    };
    plot(
        stage,
        &Plot {
            id: "latency",
            title: "Latency",
            unit: "of served operations, from when they were due; logarithmic",
            ticks: scale.ticks(round_ms),
            legend,
            drawing,
        },
    )
}

/// A curve through the middles of the slices, broken where there is no value.
fn line(stage: &Stage<'_>, scale: &Scale, of: fn(&Slice) -> Option<f64>) -> String {
    let mut path = String::new();
    let mut is_down = false;
    for slice in &stage.slices {
        let Some(value) = of(slice) else {
            is_down = false;
            continue;
        };
        let (left, right) = edges(stage, slice);
        let (x, y) = (f64::midpoint(left, right), scale.y(value));
        // A point without neighbours is a dot: a line of no length with round ends.
        if is_down {
            append(&mut path, format_args!("L{x:.1} {y:.2}"));
        } else {
            append(&mut path, format_args!("M{x:.1} {y:.2}h0"));
        }
        is_down = true;
    }
    path
}

struct Plot {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    ticks: Vec<Tick>,
    legend: Markup,
    drawing: Markup,
}

fn plot(stage: &Stage<'_>, plot: &Plot) -> Markup {
    let view = format!("0 0 {WIDTH} {HEIGHT}");
    let about = format!("{} over the run: {}", plot.title, plot.unit);
    markup! {
        figure.plot id=(plot.id) {
            figcaption {
                h3 { (plot.title) }
                span.muted { (plot.unit) }
                ul.legend { (plot.legend) }
            }
            div.frame {
                div.y aria-hidden="true" {
                    @for tick in &plot.ticks {
                        span style=(format!("bottom:{:.2}%", tick.at * 100.0)) { (tick.label) }
                    }
                }
                div.canvas {
                    svg viewBox=(view) preserveAspectRatio="none" role="img" aria-label=(about) {
                        @for tick in &plot.ticks {
                            path.grid d=(format!("M0 {:.2}H{WIDTH}", (1.0 - tick.at) * HEIGHT)) {}
                        }
                        (plot.drawing)
                        (marks::bands(stage))
                        (marks::lines(stage))
                        (marks::hovers(stage))
                    }
                    (marks::spans(stage))
                    @for (share, label) in marks::flags(marks::fault_flags(stage)) {
                        span.flag.fault style=(marks::left(share)) { (label) }
                    }
                    @for (share, label) in marks::flags(marks::promotion_flags(stage)) {
                        span.flag.role style=(marks::left(share)) { (label) }
                    }
                }
                div.x aria-hidden="true" {
                    @for tick in stage.time.ticks() {
                        span.minor[tick.is_minor] style=(marks::left(tick.at)) { (tick.label) }
                    }
                }
            }
        }
    }
}

/// The same for those who would rather read, or cannot see.
fn figures(stage: &Stage<'_>) -> Markup {
    let latency = |value: Option<f64>| value.map_or("–".to_owned(), ms);
    markup! {
        details {
            summary { "The same as a table" }
            div.scroll {
                table.dense {
                    thead {
                        tr {
                            th.num { "from" }
                            @for (_, name, _) in &CLASSES { th.num { (name) } }
                            th.num { "p50" }
                            th.num { "p99" }
                        }
                    }
                    tbody {
                        @for slice in &stage.slices {
                            tr {
                                td.num { (slice.start_us / 1_000_000) " s" }
                                @for (_, _, of) in &CLASSES { td.num { (count(of(slice))) } }
                                td.num { (latency(slice.p50_ms)) }
                                td.num { (latency(slice.p99_ms)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

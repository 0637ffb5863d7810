//! What stands on both plots besides their curves: faults, promotions, and what a pointer is told.

use checker::availability::Slice;
use maud::{Markup, html as markup};

use super::{CLASSES, Stage, edges};
use crate::report::{
    figures::Fault,
    html::{axis::HEIGHT, roles},
    quantity::{at, count, ms},
};

/// Flags nearer than this share of the width become one.
const FLAGS_APART: f64 = 0.035;

pub(super) fn left(share: f64) -> String {
    format!("left:{:.2}%", share * 100.0)
}

/// From each fault's effect until it was gone; to the end where nobody saw it go.
pub(super) fn bands(stage: &Stage<'_>) -> Markup {
    let band = |fault: &Fault<'_>| {
        let from = stage.time.x(fault.seen.effective_us?);
        let to = stage.time.x(fault.seen.healed_us.unwrap_or(u64::MAX));
        Some((from, to - from))
    };
    markup! {
        @for (x, width) in stage.faults.iter().filter_map(band) {
            rect.band x=(format!("{x:.1}")) y="0" width=(format!("{width:.1}")) height=(HEIGHT) {}
        }
    }
}

/// The bands' upper edges, which stay as thick as they are however the drawing is stretched.
pub(super) fn spans(stage: &Stage<'_>) -> Markup {
    let span = |fault: &Fault<'_>| {
        let from = stage.time.share(fault.seen.effective_us?);
        let to = stage.time.share(fault.seen.healed_us.unwrap_or(u64::MAX));
        Some(format!("{};width:{:.2}%", left(from), (to - from) * 100.0))
    };
    markup! {
        @for style in stage.faults.iter().filter_map(span) { i.span style=(style) {} }
    }
}

pub(super) fn lines(stage: &Stage<'_>) -> Markup {
    let vertical = |us: u64| format!("M{:.1} 0V{HEIGHT}", stage.time.x(us));
    markup! {
        @for us in stage.faults.iter().filter_map(|fault| fault.seen.effective_us) {
            path.when.fault d=(vertical(us)) {}
        }
        @for event in &stage.promotions {
            path.when.role d=(vertical(event.at_us)) {}
        }
    }
}

/// What a pointer is told of the slice it rests on.
pub(super) fn hovers(stage: &Stage<'_>) -> Markup {
    markup! {
        g.hover {
            @for slice in &stage.slices {
                @let (x, end) = edges(stage, slice);
                rect x=(format!("{x:.1}")) y="0" width=(format!("{:.1}", end - x)) height=(HEIGHT) {
                    title { (spoken(slice)) }
                }
            }
        }
    }
}

fn spoken(slice: &Slice) -> String {
    let mut text = format!("from {}", at(slice.start_us));
    for (_, name, of) in &CLASSES {
        if of(slice) > 0 {
            text += &format!("\n{} {name}", count(of(slice)));
        }
    }
    if let (Some(p50), Some(p99)) = (slice.p50_ms, slice.p99_ms) {
        text += &format!("\np50 {}, p99 {}", ms(p50), ms(p99));
    }
    text
}

pub(super) fn fault_flags(stage: &Stage<'_>) -> Vec<(f64, String)> {
    let flag = |fault: &Fault<'_>| {
        let share = stage.time.share(fault.seen.effective_us?);
        Some((share, format!("F{}", fault.number)))
    };
    stage.faults.iter().filter_map(flag).collect()
}

pub(super) fn promotion_flags(stage: &Stage<'_>) -> Vec<(f64, String)> {
    let flags = stage.promotions.iter().zip(roles::letters());
    flags
        .map(|(event, letter)| (stage.time.share(event.at_us), letter))
        .collect()
}

/// Flags from left to right; those without room beside each other share one.
pub(super) fn flags(mut flags: Vec<(f64, String)>) -> Vec<(f64, String)> {
    flags.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut drawn: Vec<(f64, String)> = Vec::new();
    for (share, label) in flags {
        match drawn.last_mut() {
            Some((last, text)) if share - *last < FLAGS_APART => {
                let first = text.split('–').next().unwrap_or_default().to_owned();
                *text = format!("{first}–{label}");
            }
            Some(_) | None => drawn.push((share, label)),
        }
    }
    drawn
}

/// What the flags mean.
pub(super) fn key(stage: &Stage<'_>) -> Markup {
    markup! {
        @if !stage.faults.is_empty() || !stage.promotions.is_empty() {
            ul.key {
                @for fault in &stage.faults {
                    @if let Some(effective_us) = fault.seen.effective_us {
                        li {
                            span.flag.fault { "F" (fault.number) }
                            span {
                                (fault.seen.name) " hit " b { (fault.seen.target) } ", "
                                (at(effective_us)) " to "
                                @match fault.seen.healed_us {
                                    Some(us) => { (at(us)) }
                                    None => { "the end: it was not seen to be healed" }
                                }
                            }
                        }
                    }
                }
                @for (event, letter) in stage.promotions.iter().zip(roles::letters()) {
                    li {
                        span.flag.role { (letter) }
                        span { b { (event.subject) } " " (event.text) ", " (at(event.at_us)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_without_room_share_one() {
        let flag = |at: f64, label: &str| (at, label.to_owned());
        let crowded = vec![
            flag(0.50, "F2"),
            flag(0.10, "F1"),
            flag(0.51, "F3"),
            flag(0.52, "F4"),
            flag(0.90, "F5"),
        ];
        assert_eq!(
            flags(crowded),
            [flag(0.10, "F1"), flag(0.50, "F2–F4"), flag(0.90, "F5")]
        );
    }
}

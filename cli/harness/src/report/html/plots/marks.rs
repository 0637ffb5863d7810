//! What stands on both plots besides their curves: faults, promotions, and what a pointer is told.

use checker::availability::Slice;
use maud::{Markup, html as markup};

use super::{CLASSES, Stage, edges};
use crate::{
    axis::{HEIGHT, WIDTH},
    report::{
        figures::Fault,
        html::roles,
        quantity::{at, count, ms},
    },
};

/// Flags nearer than this share of the width become one.
const FLAGS_APART: f64 = 0.035;

pub(super) fn left(share: f64) -> String {
    format!("left:{:.2}%", share * 100.0)
}

/// From each fault's effect until it was gone, to the end where nobody saw it go; as shares of the width. Faults that
/// overlap have one stretch: shaded once for each of them, what lies under them would not be seen any more.
fn stretches(stage: &Stage<'_>) -> Vec<(f64, f64)> {
    let stretch = |fault: &Fault<'_>| {
        let from = stage.time.share(fault.seen.effective_us?);
        let to = stage.time.share(fault.seen.healed_us.unwrap_or(u64::MAX));
        Some((from, to))
    };
    united(stage.faults.iter().filter_map(stretch).collect())
}

/// The same stretches, from left to right and none twice.
fn united(mut stretches: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    stretches.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut united: Vec<(f64, f64)> = Vec::new();
    for (from, to) in stretches {
        match united.last_mut() {
            Some((_, end)) if from <= *end => *end = end.max(to),
            Some(_) | None => united.push((from, to)),
        }
    }
    united
}

pub(super) fn bands(stage: &Stage<'_>) -> Markup {
    markup! {
        @for (from, to) in stretches(stage) {
            @let (x, width) = (from * WIDTH, (to - from) * WIDTH);
            rect.band x=(format!("{x:.1}")) y="0" width=(format!("{width:.1}")) height=(HEIGHT) {}
        }
    }
}

/// The bands' upper edges, which stay as thick as they are however the drawing is stretched.
pub(super) fn spans(stage: &Stage<'_>) -> Markup {
    let style =
        |(from, to): (f64, f64)| format!("{};width:{:.2}%", left(from), (to - from) * 100.0);
    markup! {
        @for style in stretches(stage).into_iter().map(style) { i.span style=(style) {} }
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

/// Flags from left to right; those without room beside each other share one, from the least label to the greatest.
pub(super) fn flags(mut flags: Vec<(f64, String)>) -> Vec<(f64, String)> {
    flags.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut shared: Vec<(f64, Vec<String>)> = Vec::new();
    for (share, label) in flags {
        match shared.last_mut() {
            Some((first, labels)) if share - *first < FLAGS_APART => labels.push(label),
            Some(_) | None => shared.push((share, vec![label])),
        }
    }
    let drawn = shared.into_iter().map(|(share, mut labels)| {
        // F9 goes before F10.
        labels.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
        let text = match labels.as_slice() {
            [least, .., greatest] => format!("{least}–{greatest}"),
            only => only.concat(),
        };
        (share, text)
    });
    drawn.collect()
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
    fn faults_that_overlap_are_shaded_once() {
        let faults = vec![
            (0.5, 0.6),
            (0.1, 0.3),
            (0.2, 0.25),
            (0.55, 0.9),
            (0.95, 1.0),
        ];
        assert_eq!(united(faults), [(0.1, 0.3), (0.5, 0.9), (0.95, 1.0)]);
        assert!(united(Vec::new()).is_empty());
    }

    #[test]
    fn a_shared_flag_names_the_least_and_the_greatest() {
        let flag = |at: f64, label: &str| (at, label.to_owned());
        let crowded = vec![flag(0.50, "F30"), flag(0.51, "F9"), flag(0.52, "F12")];
        assert_eq!(flags(crowded), [flag(0.50, "F9–F30")]);
    }

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

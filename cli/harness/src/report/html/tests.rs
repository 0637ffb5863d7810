use std::collections::BTreeMap;

use super::{CSS, html};
use crate::report::testing;

/// A colour as red, green and blue, 0 to 255.
type Colour = [u8; 3];

/// The colours of the two modes, by name.
fn palettes() -> [BTreeMap<String, Colour>; 2] {
    let (light, dark) = CSS
        .split_once("@media (prefers-color-scheme: dark)")
        .unwrap();
    let of = |text: &str| -> BTreeMap<String, Colour> {
        let declarations = text
            .split(['{', ';', '}'])
            .filter_map(|d| d.trim().split_once(':'));
        declarations
            .filter_map(|(name, value)| {
                let name = name.strip_prefix("--")?;
                let value = value.trim().strip_prefix('#')?;
                let byte = |at| u8::from_str_radix(&value[at..at + 2], 16).ok();
                Some((name.to_owned(), [byte(0)?, byte(2)?, byte(4)?]))
            })
            .collect()
    };
    [of(light), of(dark)]
}

/// The relative luminance of WCAG 2.
fn luminance(colour: Colour) -> f64 {
    let channel = |value: u8| {
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    let [red, green, blue] = colour.map(channel);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: Colour, other: Colour) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn text_is_legible_in_both_modes() {
    const TEXT: [(&str, &[&str]); 9] = [
        (
            "ink",
            &[
                "page",
                "card",
                "sunk",
                "pass-soft",
                "violation-soft",
                "unknown-soft",
                "slo-soft",
                "harness-soft",
            ],
        ),
        ("muted", &["page", "card", "sunk", "violation-soft"]),
        ("pass", &["pass-soft", "card"]),
        ("violation", &["violation-soft", "card", "page"]),
        ("unknown", &["unknown-soft", "card"]),
        ("slo", &["slo-soft"]),
        ("harness", &["harness-soft"]),
        ("promotion", &["page"]),
        // On flags and labels.
        ("card", &["violation", "promotion"]),
    ];
    for palette in palettes() {
        for (text, grounds) in TEXT {
            for ground in grounds {
                let contrast = contrast(palette[text], palette[*ground]);
                assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}");
            }
        }
    }
}

#[test]
fn curves_and_areas_stand_out_in_both_modes() {
    for palette in palettes() {
        for shape in [
            "p50",
            "p99",
            "plot-ok",
            "plot-failed",
            "violation",
            "promotion",
        ] {
            let contrast = contrast(palette[shape], palette["card"]);
            assert!(contrast >= 3.0, "{shape}: {contrast:.2}");
        }
    }
}

#[test]
fn the_file_needs_nothing_from_elsewhere_and_no_script() {
    for run in testing::all() {
        let page = html(&run);
        for foreign in [
            "http:", "https:", "//", "<script", "<iframe", "<img", "url(", "@import", "src=",
        ] {
            assert!(
                !page.contains(foreign),
                "{foreign} in the page of {}",
                run.judgement.verdict
            );
        }
        let links: Vec<_> = page.match_indices("href=").collect();
        assert_eq!(links.len(), 1, "only the icon");
        assert!(page.contains("href=\"data:,\""));
    }
}

#[test]
fn no_text_of_a_run_becomes_markup() {
    let nasty = "<script>alert(1)</script>\"'&</style>";
    let mut run = testing::violation();
    run.plan.name = nasty.to_owned();
    run.plan.command = nasty.to_owned();
    run.plan.webshop = nasty.to_owned();
    run.plan.stack.name = nasty.to_owned();
    run.plan.stack.images = [(nasty.to_owned(), nasty.to_owned())].into();
    run.run = nasty.into();
    run.history.header.run = nasty.to_owned();
    run.judgement.run = nasty.to_owned();
    run.judgement.reasons = vec![nasty.to_owned()];
    for violation in &mut run.judgement.violations {
        violation.text =
            format!("{nasty}: {nasty}; {nasty}. However {nasty}. Fault: {nasty}. Again: {nasty}");
    }
    for operation in &mut run.judgement.totals.operations {
        operation.name = nasty.to_owned();
    }
    for recovery in &mut run.judgement.availability.recoveries {
        recovery.fault = nasty.to_owned();
    }
    for fault in &mut run.evidence.faults {
        fault.name = nasty.to_owned();
        fault.target = nasty.to_owned();
        fault.seen = vec![nasty.to_owned()];
        fault.missing = vec![nasty.to_owned()];
    }
    for event in &mut run.events {
        event.kind = nasty.into();
        event.subject = nasty.to_owned();
        event.text = nasty.to_owned();
    }
    let page = html(&run);
    assert!(!page.contains("<script"));
    assert_eq!(page.matches("</style>").count(), 1);
    let escaped = page
        .matches("&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp;")
        .count();
    assert!(escaped > 30, "{escaped}");
}

#[test]
fn the_banner_is_the_verdict_with_its_reasons() {
    for run in testing::all() {
        let page = html(&run);
        let verdict = run.judgement.verdict;
        let banner = format!("aria-label=\"Verdict\"><p class=\"verdict\">{verdict}</p>");
        assert!(page.contains(&banner), "{verdict}");
        for reason in &run.judgement.reasons {
            assert!(page.contains(&format!("<li>{reason}</li>")), "{reason}");
        }
    }
}

#[test]
fn ten_violations_are_told_and_the_rest_counted() {
    let run = testing::violation();
    let found: u64 = run
        .judgement
        .checks
        .iter()
        .map(|check| check.violations)
        .sum();
    assert!(found > 10, "{found}");
    let page = html(&run);
    assert_eq!(page.matches("<article class=\"story\">").count(), 10);
    let more = format!("and {} more in", found - 10);
    assert!(page.contains(&more), "{more}");
    assert!(!html(&testing::pass()).contains("<article"));
}

#[test]
fn a_run_without_load_or_faults_has_a_page_too() {
    let mut run = testing::all().remove(2);
    run.plan.load = None;
    run.plan.stack.images.clear();
    run.evidence.faults.clear();
    run.events.clear();
    run.databases.clear();
    run.history.attempts.clear();
    run.judgement.availability = checker::availability::Availability::default();
    run.judgement.totals = checker::verdict::Totals::default();
    let page = html(&run);
    assert!(page.contains("There was no load."));
    assert!(page.contains("Nothing was broken in this run."));
    assert!(
        !page.contains("NaN") && !page.contains("inf"),
        "a figure of nothing"
    );
}

#[test]
fn drawings_have_numbers_only() {
    for run in testing::all() {
        let page = html(&run);
        for path in page.split(" d=\"").skip(1) {
            let path = path.split('"').next().unwrap();
            let odd = |c: char| !c.is_ascii_digit() && !" .MLHVhZ-".contains(c);
            assert!(!path.contains(odd), "{path}");
        }
    }
}

#[test]
fn a_fault_that_was_held_too_short_was_seen_all_the_same() {
    let page = html(&testing::held_too_short());
    assert!(page.contains("1 of 1 faults seen to take effect, 1 held too short"));
    assert!(html(&testing::pass()).contains("1 of 1 faults seen to take effect<"));
}

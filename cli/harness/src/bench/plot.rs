//! A measurement as one picture: how latency grows with the rate, and where the processor time goes.
//!
//! The SVG stands alone: its texts and colours are in it, for light and dark, so a page can show it as an image.

use std::{collections::BTreeMap, fmt::Write as _};

use maud::{Markup, PreEscaped, html as markup};

use super::{Bench, Step, Sustained, work::Work};
use crate::{
    axis::{Scale, Tick},
    report::{ms, round_ms},
};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 736.0;
/// The plot of latencies, from top to bottom.
const TOP: f64 = 76.0;
const BOTTOM: f64 = 296.0;
/// Where the bars begin: beyond the longest name.
const BARS_LEFT: f64 = 190.0;
const BARS_RIGHT: f64 = 676.0;
const BAR_STEP: f64 = 24.0;

const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',sans-serif;fill:#1a1f26}\
.title{font-weight:650;font-size:15px}.muted{fill:#56606c}.end{text-anchor:end}.middle{text-anchor:middle}\
.page{fill:#fff}.grid{stroke:#dfe3e8;fill:none}.bound{stroke:#a81f26;stroke-dasharray:4 4;fill:none}.bar{fill:#5a9e86}\
.line{fill:none;stroke-width:2}.p50{stroke:#2a6fb0}.p99{stroke:#9a3f86}.p999{stroke:#b0672a}\
.dot{stroke-width:2}.p50.held{fill:#2a6fb0}.p99.held{fill:#9a3f86}.p999.held{fill:#b0672a}.lost{fill:#fff}\
@media (prefers-color-scheme:dark){text{fill:#e6e9ed}.muted{fill:#a3adb9}.page,.lost{fill:#1a1e25}.grid{stroke:#2d343d}}";

/// A percentile: how it is called, the class that colours it, and where it stands.
type Percentile = (&'static str, &'static str, fn(&Step) -> f64);
const PERCENTILES: [Percentile; 3] = [
    ("p50", "p50", |step| step.p50_ms),
    ("p99", "p99", |step| step.p99_ms),
    ("p99.9", "p999", |step| step.p999_ms),
];

/// The picture, or nothing where no rate was tried.
#[must_use]
pub fn svg(bench: &Bench) -> Option<String> {
    let sustained = bench.sustained.as_ref();
    let held = sustained.map(|sustained| &sustained.step);
    let mut steps: Vec<&Step> = bench.steps.iter().chain(held).collect();
    steps.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    let most = steps.last()?.rate;
    let work = sustained.and_then(|sustained| sustained.work.as_ref());
    let bars = work.map(by_kind).unwrap_or_default();
    let height = if bars.is_empty() {
        BOTTOM + 48.0
    } else {
        BOTTOM + 108.0 + BAR_STEP * f64::from(u32::try_from(bars.len()).unwrap_or(u32::MAX))
    };
    let picture = markup! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(title(bench)) {
            style { (PreEscaped(STYLE)) }
            rect.page width=(WIDTH) height=(height) {}
            text.title x="20" y="28" { (title(bench)) }
            (latencies(bench, &steps, &Scale::linear(most)))
            @if let Some((step, work)) = held.zip(work) { (costs(step, work, &bars)) }
        }
    };
    Some(picture.into_string())
}

fn title(bench: &Bench) -> String {
    let shop = format!(
        "{} cores, {} users, {} items",
        bench.cores, bench.users, bench.items
    );
    match &bench.sustained {
        Some(Sustained { step, verdict, .. }) => format!(
            "{:.0} checkouts/s for {:.0} s, p99 {}, {verdict} ({shop})",
            step.ok_per_s,
            step.seconds,
            ms(step.p99_ms)
        ),
        None => format!("no rate was sustained ({shop})"),
    }
}

fn latencies(bench: &Bench, steps: &[&Step], rates: &Scale) -> Markup {
    let all = steps
        .iter()
        .flat_map(|step| PERCENTILES.map(|(_, _, of)| of(step)));
    let scale = Scale::log_of(all.filter(|ms| *ms > 0.0));
    let x = |step: &Step| LEFT + rates.share(step.rate) * (RIGHT - LEFT);
    let y = |value: f64| BOTTOM - scale.share(value) * (BOTTOM - TOP);
    #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
    let bound = y(bench.p99_ms_max as f64);
    markup! {
        text.muted x="20" y="54" { "latency over the rate that was offered; a hollow point was too much" }
        @for (n, (name, class, _)) in PERCENTILES.into_iter().enumerate() {
            @let x = RIGHT - 150.0 + 54.0 * f64::from(u32::try_from(n).unwrap_or(0));
            circle.dot.held.(class) cx=(x) cy="50" r="4" {}
            text x=(x + 8.0) y="54" { (name) }
        }
        @for Tick { at, label, .. } in scale.ticks(round_ms) {
            @let y = BOTTOM - at * (BOTTOM - TOP);
            path.grid d=(format!("M{LEFT} {y:.1}H{RIGHT}")) {}
            text.muted.end x=(LEFT - 8.0) y=(format!("{:.1}", y + 4.0)) { (label) }
        }
        @for Tick { at, label, .. } in rates.ticks(|rate| format!("{rate:.0}/s")) {
            text.muted.middle x=(format!("{:.1}", LEFT + at * (RIGHT - LEFT))) y=(BOTTOM + 20.0) { (label) }
        }
        path.bound d=(format!("M{LEFT} {bound:.1}H{RIGHT}")) {}
        @for (_, class, of) in PERCENTILES {
            path.line.(class) d=(line(steps.iter().map(|step| (x(step), y(of(step)))))) {}
            @for step in steps {
                circle.dot.(class).(if step.is_held() { "held" } else { "lost" })
                    cx=(format!("{:.1}", x(step))) cy=(format!("{:.1}", y(of(step)))) r="3.5" {}
            }
        }
    }
}

fn line(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (x, y) in points {
        let verb = if path.is_empty() { 'M' } else { 'L' };
        let _infallible = write!(path, "{verb}{x:.1} {y:.1}");
    }
    path
}

/// A bar for each part of the stack, the longest first.
fn costs(step: &Step, work: &Work, bars: &[(String, f64)]) -> Markup {
    let top = BOTTOM + 64.0;
    let scale = Scale::linear(bars.iter().map(|(_, ms)| *ms).fold(0.0, f64::max) * 1000.0);
    let all = work.per_checkout(work.cpu() * 1000.0);
    markup! {
        text.title x="20" y=(top) { (format!("{all:.2} ms of processor time for a checkout at {}/s", step.rate)) }
        @for (n, (part, used)) in bars.iter().enumerate() {
            @let y = top + 16.0 + BAR_STEP * f64::from(u32::try_from(n).unwrap_or(u32::MAX));
            @let width = scale.share(used * 1000.0) * (BARS_RIGHT - BARS_LEFT);
            text.end x=(BARS_LEFT - 10.0) y=(y + 14.0) { (part) }
            rect.bar x=(BARS_LEFT) y=(y) width=(format!("{width:.1}")) height="18" {}
            text.muted x=(format!("{:.1}", BARS_LEFT + width + 8.0)) y=(y + 14.0) { (format!("{used:.3}")) }
        }
    }
}

/// Milliseconds of processor time for a checkout, by kind: the nodes of a database and the brokers together.
fn by_kind(work: &Work) -> Vec<(String, f64)> {
    let mut kinds: BTreeMap<String, f64> = BTreeMap::new();
    for (part, seconds) in work.cpu_by_part() {
        let kind = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let kind = kind.strip_suffix('-').unwrap_or(kind);
        *kinds.entry(kind.to_owned()).or_default() += work.per_checkout(seconds * 1000.0);
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by(|one, other| other.1.total_cmp(&one.1));
    kinds
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use checker::Verdict;

    use super::*;

    fn step(rate: f64, missed: &[&str]) -> Step {
        Step {
            rate,
            seconds: 10.0,
            ok_per_s: rate * 0.9,
            p50_ms: 20.0,
            p99_ms: rate,
            p999_ms: rate * 2.0,
            late_ms: 1.0,
            missed: missed.iter().map(|reason| (*reason).to_owned()).collect(),
        }
    }

    fn bench() -> Bench {
        let cpu = [("kafka-0", 2.0), ("kafka-1", 1.0), ("order", 1.5)];
        Bench {
            steps: vec![
                step(100.0, &[]),
                step(800.0, &["p99 800 ms"]),
                step(400.0, &[]),
            ],
            sustained: Some(Sustained {
                step: step(410.0, &[]),
                run: "bench".to_owned(),
                verdict: Verdict::Pass,
                work: Some(Work {
                    seconds: 10.0,
                    ok_checkouts: 1000,
                    stack_cpu: cpu.map(|(part, used)| (part.to_owned(), used)).into(),
                    generator_cpu: 0.5,
                    ..Work::default()
                }),
            }),
            ..Bench::new(10, 20, Duration::from_millis(500))
        }
    }

    fn texts(svg: &str) -> Vec<String> {
        let picture = roxmltree::Document::parse(svg).unwrap();
        let texts = picture
            .descendants()
            .filter(|node| node.has_tag_name("text"));
        texts
            .filter_map(|node| node.text().map(str::to_owned))
            .collect()
    }

    #[test]
    fn every_rate_is_a_point_from_left_to_right() {
        let svg = svg(&bench()).unwrap();
        let picture = roxmltree::Document::parse(&svg).unwrap();
        let points: Vec<(f64, bool)> = picture
            .descendants()
            .filter(|node| {
                node.attribute("class")
                    .is_some_and(|class| class.starts_with("dot p99 "))
            })
            .map(|node| {
                let x = node.attribute("cx").unwrap().parse().unwrap();
                (x, node.attribute("class").unwrap().ends_with("held"))
            })
            .collect();
        assert!(
            points.is_sorted_by(|one, other| one.0 < other.0),
            "{points:?}"
        );
        let held: Vec<bool> = points.iter().map(|point| point.1).collect();
        assert_eq!(held, [true, true, true, false]);
        assert!(points.iter().all(|(x, _)| (LEFT..=RIGHT).contains(x)));
    }

    #[test]
    fn the_parts_of_a_kind_are_one_bar_and_the_longest_is_first() {
        let texts = texts(&svg(&bench()).unwrap());
        let bars: Vec<&str> = texts
            .iter()
            .map(String::as_str)
            .skip_while(|text| !text.contains("processor time"))
            .skip(1)
            .collect();
        assert_eq!(
            bars,
            [
                "kafka",
                "3.000",
                "order",
                "1.500",
                "load generator",
                "0.500"
            ]
        );
    }

    #[test]
    fn without_a_rate_there_is_no_picture() {
        let nothing = Bench::new(10, 20, Duration::from_secs(1));
        assert_eq!(svg(&nothing), None);
        let lost = Bench {
            steps: vec![step(100.0, &["p99 100 ms"])],
            ..nothing
        };
        let texts = texts(&svg(&lost).unwrap());
        assert!(texts[0].starts_with("no rate was sustained"), "{texts:?}");
    }
}

//! A summary in Markdown, for a pull request or a CI job's page.

use checker::verdict::{Status, Verdict};

use super::{
    NOT_REPEATABLE, Reported,
    figures::{Fault, Headline, Recovered, outcome},
    quantity::{at, count, ms, percent, some_ms},
};
use crate::printable;

/// Violations that a summary tells whole, of each run.
const TOLD_MAX: usize = 3;

/// The verdicts as a table, then each run with its faults, its first violations and how to see it again.
#[must_use]
pub fn summary(runs: &[Reported]) -> String {
    let verdicts = runs.iter().map(Reported::verdict);
    let Some(worst) = verdicts.reduce(Verdict::worst) else {
        return "## webshop: no runs\n".to_owned();
    };
    let mut blocks = vec![format!("## {} webshop: {worst}", mark(worst))];
    let rows = runs.iter().map(overview).collect::<Vec<_>>();
    blocks.push(table(
        &[
            "run",
            "verdict",
            "checks held",
            "served",
            "ok checkouts",
            "p50",
            "p99",
            "recovery",
            "lost acknowledged orders",
        ],
        &rows,
    ));
    blocks.extend(runs.iter().flat_map(details));
    printable::page(&(blocks.join("\n\n") + "\n"))
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅",
        Verdict::Violation | Verdict::Harness => "❌",
        Verdict::Unknown | Verdict::Slo => "⚠️",
    }
}

fn overview(run: &Reported) -> Vec<String> {
    let headline = Headline::of(&run.judgement);
    let checks = &run.judgement.checks;
    let held = checks.iter().filter(|check| check.status == Status::Held);
    vec![
        plain(run.name()),
        format!("**{}**", run.verdict()),
        format!("{} of {}", held.count(), checks.len()),
        format!(
            "{} of {}",
            percent(headline.served_ratio),
            count(headline.offered)
        ),
        format!("{:.1}/s", headline.checkouts_per_s),
        ms(headline.p50_ms),
        ms(headline.p99_ms),
        headline
            .recovery
            .map_or("–".to_owned(), |recovered| recovered.to_string()),
        count(headline.lost_acknowledged),
    ]
}

fn details(run: &Reported) -> Vec<String> {
    let judgement = &run.judgement;
    let mut blocks = vec![format!("### {}: {}", plain(run.name()), judgement.verdict)];
    let lines = |lines: Vec<String>| lines.join("\n");
    if !judgement.reasons.is_empty() {
        let reasons = judgement.reasons.iter();
        blocks.push(lines(reasons.map(|r| format!("- {}", plain(r))).collect()));
    }
    let faults: Vec<_> = run.faults().iter().map(fault).collect();
    if !faults.is_empty() {
        blocks.push(table(
            &[
                "fault",
                "hit",
                "took effect",
                "detection gap",
                "first ok checkout",
                "writable",
                "recovered",
                "operations lost",
                "gone after",
            ],
            &faults,
        ));
    }
    let broken = judgement.checks.iter().filter(|c| c.status != Status::Held);
    let broken: Vec<_> = broken
        .map(|check| format!("- **{}** {}: {}", check.name, check.status, outcome(check)))
        .collect();
    if !broken.is_empty() {
        blocks.push(lines(broken));
    }
    for violation in run.told(TOLD_MAX) {
        blocks.push(fenced(&violation.text));
    }
    let all: u64 = judgement.checks.iter().map(|check| check.violations).sum();
    let more = all.saturating_sub(judgement.violations.len().min(TOLD_MAX) as u64);
    if more > 0 {
        blocks.push(format!("and {} more in `result.json`", count(more)));
    }
    let again = match run.again_command() {
        Some(command) => format!("Make one like it: {}", code(&command)),
        None => NOT_REPEATABLE.to_owned(),
    };
    blocks.push(format!(
        "Judge it again: {}  \n{again}",
        code(&run.verify_command())
    ));
    blocks
}

fn fault(fault: &Fault<'_>) -> Vec<String> {
    let seen = fault.seen;
    let mut cells = vec![
        plain(&seen.name),
        plain(&seen.target),
        match seen.effective_us {
            Some(us) if seen.took_effect() => at(us),
            Some(_) | None => {
                let short = seen.cut_short().map(|held| held.to_string());
                let unproved: Vec<String> = seen.missing.iter().cloned().chain(short).collect();
                format!("**not proved**: {}", plain(&unproved.join(", ")))
            }
        },
    ];
    let figure = |of: fn(&checker::availability::Recovery) -> String| {
        fault.recovery.map_or("–".to_owned(), of)
    };
    cells.push(figure(|r| some_ms(r.detection_gap_ms)));
    cells.push(figure(|r| some_ms(r.first_ok_checkout_ms)));
    cells.push(figure(|r| some_ms(r.writable_ms)));
    cells.push(figure(|r| Recovered::from(r).to_string()));
    cells.push(figure(|r| count(r.lost_operations)));
    cells.push(some_ms(fault.gone_after_ms()));
    cells
}

fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |", cells.join(" | "));
    let mut lines = vec![line(header.to_vec()), line(vec!["---"; header.len()])];
    let rows = rows.iter();
    lines.extend(rows.map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// A text without any meaning to Markdown or HTML, on one line.
fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable::line(text).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            // `@name` would call somebody.
            '@' => escaped += "&#64;",
            c if c.is_whitespace() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// More backticks than the text has in a row.
fn backticks(text: &str, least: usize) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(least))
}

fn code(text: &str) -> String {
    let ticks = backticks(text, 1);
    // Blanks beside the ticks are not part of the code, and keep the text's own ticks apart.
    let pad = if ticks.len() > 1 { " " } else { "" };
    format!("{ticks}{pad}{}{pad}{ticks}", printable::line(text))
}

fn fenced(text: &str) -> String {
    let ticks = backticks(text, 3);
    format!("{ticks}text\n{}\n{ticks}", printable::line(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn a_pass_is_a_table_and_two_commands() {
        insta::assert_snapshot!(summary(&[testing::pass()]));
    }

    #[test]
    fn a_violation_tells_its_first_stories() {
        insta::assert_snapshot!(summary(&[testing::violation()]));
    }

    #[test]
    fn the_headline_is_the_worst_verdict() {
        let text = summary(&testing::all());
        assert!(text.starts_with("## ❌ webshop: VIOLATION\n"), "{text}");
        let mut rest = testing::all();
        rest.remove(1);
        rest.remove(3);
        assert!(summary(&rest).starts_with("## ⚠️ webshop: UNKNOWN\n"));
    }

    #[test]
    fn an_unproved_fault_says_what_was_not_seen() {
        let text = summary(&[testing::all().remove(2)]);
        assert!(
            text.contains("| **not proved**: the container's death |"),
            "{text}"
        );
    }

    #[test]
    fn a_fault_that_was_held_too_short_says_for_how_long() {
        let text = summary(&[testing::held_too_short()]);
        assert!(
            text.contains("| **not proved**: held 1.2 of 15 s, then it was gone |"),
            "{text}"
        );
    }

    #[test]
    fn no_text_of_a_run_is_markup() {
        let mut run = testing::violation();
        run.history.header.run = "<script>alert(1)</script>|x".to_owned();
        run.judgement.reasons = vec!["a\n# b `c` @you **d** [e](f)".to_owned()];
        run.judgement.violations[0].text = "x\n```\n<script>\n````\n".to_owned();
        let text = summary(&[run]);
        assert!(
            text.contains("&lt;script&gt;alert(1)&lt;/script&gt;\\|x"),
            "{text}"
        );
        assert!(
            text.contains("- a \\# b \\`c\\` &#64;you \\*\\*d\\*\\* \\[e\\](f)"),
            "{text}"
        );
        assert!(
            text.contains("`````text\nx ``` <script> ```` \n`````"),
            "{text}"
        );
    }

    #[test]
    fn a_run_without_its_scenario_says_that_it_cannot_be_repeated() {
        let mut run = testing::pass();
        run.has_scenario = false;
        assert_eq!(run.again_command(), None);
        let text = summary(&[run]);
        assert!(text.ends_with("kept no scenario.yaml.\n"), "{text}");
    }

    #[test]
    fn code_keeps_its_backticks() {
        assert_eq!(code("webshop ps"), "`webshop ps`");
        assert_eq!(code("a `b` c"), "`` a `b` c ``");
    }
}

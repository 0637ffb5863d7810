//! Lines that GitHub shows beside a change: `::error title=…::…`.

use checker::Verdict;

use super::Reported;
use crate::printable;

/// GitHub shows no more of one step.
const LINES_MAX: usize = 10;

/// A line for each run that is not a PASS, and for as many of their violations as are shown.
#[must_use]
pub fn annotations(runs: &[Reported]) -> Vec<String> {
    let failed = || {
        let failed = |run: &&Reported| run.judgement.verdict != Verdict::Pass;
        runs.iter().filter(failed)
    };
    let verdicts = failed().map(|run| {
        let (verdict, reasons) = (run.judgement.verdict, run.judgement.reasons.iter());
        let reasons: Vec<String> = reasons.map(|reason| printable::line(reason)).collect();
        let again = printable::line(&run.verify_command());
        let text = format!("{}\n{again}", reasons.join("\n"));
        line(&format!("{verdict} {}", run.name()), &text)
    });
    let violations = failed().flat_map(|run| {
        run.told(LINES_MAX).into_iter().map(|violation| {
            let title = format!("{} {}", violation.label, run.name());
            line(&title, &printable::line(&violation.text))
        })
    });
    verdicts.chain(violations).take(LINES_MAX).collect()
}

fn line(title: &str, text: &str) -> String {
    let title = data(&printable::line(title))
        .replace(':', "%3A")
        .replace(',', "%2C");
    format!("::error title={title}::{}", data(text))
}

/// GitHub's own escapes: a text may not end its line.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn a_pass_is_silent_and_every_other_verdict_is_an_error() {
        for run in testing::all() {
            let lines = annotations(std::slice::from_ref(&run));
            let passed = run.judgement.verdict == Verdict::Pass;
            assert_eq!(lines.is_empty(), passed, "{lines:?}");
        }
        let lines = annotations(&testing::all());
        assert_eq!(lines.len(), LINES_MAX);
        assert!(
            lines[0].starts_with("::error title=VIOLATION 20250101-120000-kill::"),
            "{}",
            lines[0]
        );
        assert!(
            lines[1].starts_with("::error title=UNKNOWN "),
            "{}",
            lines[1]
        );
        assert!(
            lines[4].starts_with("::error title=DOUBLE "),
            "{}",
            lines[4]
        );
    }

    #[test]
    fn no_text_can_end_its_line_or_begin_a_command() {
        let mut run = testing::violation();
        run.history.header.run = "a:b,c%\n::set-env name=X::".to_owned();
        run.judgement.reasons = vec!["100% wrong\r\n::warning::x".to_owned()];
        run.judgement.violations.clear();
        let lines = annotations(&[run]);
        assert_eq!(
            lines,
            [
                "::error title=VIOLATION a%3Ab%2Cc%25 %3A%3Aset-env name=X%3A%3A::100%25 wrong ::warning::x%0Awebshop verify runs/20250101-120000-kill"
            ]
        );
    }
}

//! JUnit XML: a suite for each run, a case for each check and each fault, and one for the verdict.
//!
//! A run that is not a PASS has a case that failed, whatever its checks say, and no case is ever skipped:
//! many readers take a skipped case for a good one.

use std::time::Duration;

use checker::verdict::{CheckReport, Status, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Reported, TOLD_MAX, figures::Fault, figures::outcome, quantity::some_ms};
use crate::printable;

/// A run that never came to a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub name: String,
    pub why: String,
}

/// All runs as one file.
#[must_use]
pub fn junit(runs: &[Reported]) -> String {
    junit_of(runs, &[])
}

/// All runs as one file, those that broke off as errors.
#[must_use]
pub fn junit_of(runs: &[Reported], broken: &[Broken]) -> String {
    let mut report = Report::new("webshop");
    report.add_test_suites(runs.iter().map(suite));
    report.add_test_suites(broken.iter().map(broken_suite));
    #[allow(
        clippy::expect_used,
        reason = "the only failure is one of the writer's, and a string takes any text"
    )]
    let text = report.to_string().expect("text is written to memory");
    printable::page(&text)
}

fn broken_suite(broken: &Broken) -> TestSuite {
    let wrong = Wrong {
        kind: NonSuccessKind::Error,
        ty: "harness".to_owned(),
        message: printable::line(&broken.why),
        text: "it never came to a verdict".to_owned(),
    };
    let mut suite = TestSuite::new(printable::line(&broken.name));
    suite.add_test_case(case("webshop", "verdict", Some(wrong)));
    suite
}

fn suite(run: &Reported) -> TestSuite {
    let mut suite = TestSuite::new(printable::line(run.name()));
    let command = printable::line(&run.plan.command);
    suite.add_property(("command", command.as_str()));
    let again = printable::line(&run.verify_command());
    suite.add_property(("again", again.as_str()));
    if let Some(load) = &run.plan.load {
        suite.add_property(("seed", load.profile.seed.to_string().as_str()));
    }
    suite.add_test_case(verdict(run));
    suite.add_test_cases(run.judgement.checks.iter().map(|check| checked(run, check)));
    suite.add_test_cases(run.faults().iter().map(fault));
    suite
}

fn verdict(run: &Reported) -> TestCase {
    let (verdict, reasons) = (run.verdict(), run.reasons());
    let wrong = |kind, ty: &str| Wrong {
        kind,
        ty: ty.to_owned(),
        message: format!("{verdict}: {}", reasons.join("; ")),
        text: format!(
            "{}\n\n{}",
            reasons.join("\n"),
            printable::line(&run.verify_command())
        ),
    };
    let wrong = match verdict {
        Verdict::Pass => None,
        Verdict::Violation => Some(wrong(NonSuccessKind::Failure, "violation")),
        Verdict::Slo => Some(wrong(NonSuccessKind::Failure, "slo")),
        Verdict::Unknown => Some(wrong(NonSuccessKind::Error, "unknown")),
        Verdict::Harness => Some(wrong(NonSuccessKind::Error, "harness")),
    };
    let mut case = case("webshop", "verdict", wrong);
    let windows = run.judgement.availability.windows.len();
    case.set_time(Duration::from_secs(windows as u64));
    if run.is_excused() {
        case.set_system_out(reasons.join("\n"));
    }
    case
}

fn checked(run: &Reported, check: &CheckReport) -> TestCase {
    let wrong = |kind| Wrong {
        kind,
        ty: check.status.to_string(),
        message: match run.reasons_of(check).as_slice() {
            [] => outcome(check),
            reasons => printable::line(&reasons.join("; ")),
        },
        text: violations(run, check),
    };
    let wrong = match check.status {
        Status::Held => None,
        Status::Violated if run.is_excused() => None,
        Status::Violated => Some(wrong(NonSuccessKind::Failure)),
        Status::Suspected | Status::Undecided => Some(wrong(NonSuccessKind::Error)),
    };
    let mut case = case("webshop.check", check.name.name(), wrong);
    case.set_system_out(outcome(check));
    case
}

/// The first of them whole, and how many more there are.
fn violations(run: &Reported, check: &CheckReport) -> String {
    let found = run.judgement.violations.iter();
    let mut texts: Vec<String> = found
        .filter(|violation| violation.check == check.name)
        .take(TOLD_MAX)
        .map(|violation| printable::line(&violation.text))
        .collect();
    let more = check.violations.saturating_sub(texts.len() as u64);
    if more > 0 {
        texts.push(format!("and {more} more in result.json"));
    }
    texts.join("\n\n")
}

fn fault(fault: &Fault<'_>) -> TestCase {
    let seen = fault.seen;
    let mut missing = seen.missing.clone();
    if seen.effective_us.is_none() && missing.is_empty() {
        missing.push("its effect".to_owned());
    }
    if seen.healed_us.is_none() {
        missing.push("that it was healed".to_owned());
    }
    let mut unproved = Vec::new();
    if !missing.is_empty() {
        unproved.push(format!("not seen: {}", missing.join(", ")));
    }
    unproved.extend(seen.cut_short().map(|held| held.to_string()));
    let wrong = (!unproved.is_empty()).then(|| Wrong {
        kind: NonSuccessKind::Error,
        ty: "unproved".to_owned(),
        message: printable::line(&unproved.join("; ")),
        text: printable::line(&seen.seen.join("; ")),
    });
    let name = printable::line(&format!("{} {} ({})", fault.number, seen.name, seen.target));
    let mut case = case("webshop.fault", &name, wrong);
    if let Some(recovery) = fault.recovery {
        case.set_system_out(format!(
            "seen: {}\ndetection gap {}, first ok checkout {}, writable {}, recovered {}, {} operations lost",
            printable::line(&seen.seen.join(", ")),
            some_ms(recovery.detection_gap_ms),
            some_ms(recovery.first_ok_checkout_ms),
            some_ms(recovery.writable_ms),
            super::figures::Recovered::from(recovery),
            recovery.lost_operations
        ));
    }
    case
}

/// Why a case is not a success.
struct Wrong {
    kind: NonSuccessKind,
    ty: String,
    message: String,
    text: String,
}

fn case(class: &str, name: &str, wrong: Option<Wrong>) -> TestCase {
    let status = match wrong {
        None => TestCaseStatus::success(),
        Some(wrong) => {
            let mut status = TestCaseStatus::non_success(wrong.kind);
            status
                .set_type(wrong.ty)
                .set_message(wrong.message)
                .set_description(wrong.text);
            status
        }
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(class);
    case
}

#[cfg(test)]
mod tests {
    use checker::verdict::Check;
    use roxmltree::{Document, Node};

    use super::*;

    #[test]
    fn a_known_gap_is_green_and_one_that_is_gone_is_an_error() {
        let mut run = testing::violation();
        run.outcome = Some((
            Verdict::Pass,
            vec!["known gap 7: not mended yet".to_owned()],
        ));
        let text = junit(&[run]);
        assert!(text.contains("failures=\"0\" errors=\"0\""), "{text}");
        assert!(text.contains("known gap 7"), "{text}");
        let mut run = testing::pass();
        run.outcome = Some((
            Verdict::Unknown,
            vec!["the known gap 7 did not show".to_owned()],
        ));
        let text = junit(&[run]);
        assert!(
            text.contains("errors=\"1\"") && text.contains("did not show"),
            "{text}"
        );
    }

    #[test]
    fn a_run_that_broke_off_is_an_error() {
        let broken = Broken {
            name: "redis-loss".to_owned(),
            why: "no engine".to_owned(),
        };
        let text = junit_of(&[testing::pass()], &[broken]);
        assert!(
            text.contains("redis-loss") && text.contains("errors=\"1\""),
            "{text}"
        );
    }
    use crate::report::testing;

    /// The name of a case, and the name and type of what is wrong with it.
    fn wrongs<'a>(document: &'a Document<'a>) -> Vec<(&'a str, &'a str, &'a str)> {
        let cases = document
            .descendants()
            .filter(|n| n.has_tag_name("testcase"));
        let wrong = |case: Node<'a, 'a>| {
            let wrong = case
                .children()
                .find(|n| n.has_tag_name("failure") || n.has_tag_name("error"))?;
            let ty = wrong.attribute("type").unwrap();
            Some((case.attribute("name").unwrap(), wrong.tag_name().name(), ty))
        };
        cases.filter_map(wrong).collect()
    }

    #[test]
    fn every_check_and_every_fault_and_the_verdict_is_a_case() {
        let run = testing::pass();
        let text = junit(&[run]);
        let document = Document::parse(&text).unwrap();
        let suites = document
            .descendants()
            .filter(|n| n.has_tag_name("testsuite"));
        assert_eq!(suites.count(), 1);
        let cases = document
            .descendants()
            .filter(|n| n.has_tag_name("testcase"));
        assert_eq!(cases.count(), 1 + Check::ALL.len() + 1);
        assert_eq!(wrongs(&document), []);
    }

    #[test]
    fn only_a_pass_is_green() {
        for (run, expected) in testing::all().into_iter().zip([
            None,
            Some(("verdict", "failure", "violation")),
            Some(("verdict", "error", "unknown")),
            Some(("verdict", "failure", "slo")),
            Some(("verdict", "error", "harness")),
        ]) {
            let text = junit(std::slice::from_ref(&run));
            let document = Document::parse(&text).unwrap();
            let wrongs = wrongs(&document);
            assert_eq!(wrongs.first().copied(), expected, "{text}");
            assert!(!text.contains("<skipped"), "{text}");
        }
    }

    #[test]
    fn a_verdict_alone_is_enough_to_fail() {
        let mut run = testing::pass();
        run.judgement.verdict = Verdict::Unknown;
        let text = junit(&[testing::pass(), run]);
        let document = Document::parse(&text).unwrap();
        assert_eq!(wrongs(&document), [("verdict", "error", "unknown")]);
        let root = document.root_element();
        assert_eq!(root.attribute("errors"), Some("1"));
    }

    #[test]
    fn violated_checks_fail_with_their_stories() {
        let run = testing::violation();
        let text = junit(std::slice::from_ref(&run));
        let document = Document::parse(&text).unwrap();
        let found = wrongs(&document);
        for check in &run.judgement.checks {
            let expected = (check.name.name(), "failure", "violated");
            assert_eq!(
                found.contains(&expected),
                check.status == Status::Violated,
                "{check:?}"
            );
        }
        assert!(text.contains("TORN (acked) order 0"), "{text}");
    }

    #[test]
    fn an_unproved_fault_and_an_undecided_check_are_errors() {
        let mut run = testing::all().remove(2);
        run.judgement.checks[0].status = Status::Undecided;
        run.judgement.checks[1].status = Status::Suspected;
        let text = junit(&[run]);
        let document = Document::parse(&text).unwrap();
        assert_eq!(
            wrongs(&document)[1..],
            [
                ("compensation", "error", "undecided"),
                ("double", "error", "suspected"),
                ("1 kill stock-db-primary (stock-db-0)", "error", "unproved"),
            ]
        );
    }

    #[test]
    fn no_text_of_a_run_begins_a_line_or_is_a_command_of_a_ci_log() {
        let mut run = testing::pass();
        let nasty = "x\n::error::not ours\n##[error]not ours";
        run.evidence.faults[0].seen = vec![nasty.to_owned()];
        run.judgement.reasons = vec![nasty.to_owned()];
        let text = junit(&[run]);
        assert!(text.contains("x ::error::not ours"), "{text}");
        assert!(!text.contains("\n::error::"), "{text}");
        assert!(!text.contains("##[error]"), "{text}");
    }

    #[test]
    fn a_fault_that_was_held_too_short_is_an_error() {
        let text = junit(&[testing::held_too_short()]);
        let message = "message=\"held 1.2 of 15 s, then it was gone\" type=\"unproved\"";
        assert!(text.contains(message), "{text}");
    }

    #[test]
    fn a_fault_that_was_not_seen_to_heal_is_an_error() {
        let mut run = testing::pass();
        run.evidence.faults[0].healed_us = None;
        let text = junit(&[run]);
        assert!(text.contains("that it was healed"), "{text}");
    }

    #[test]
    fn whatever_a_run_is_called_the_file_stays_well_formed() {
        let nasty = "a<script>\"'&]]>\u{1b}[31m\u{0}\u{7}é\u{ffff}";
        let mut run = testing::violation();
        run.history.header.run = nasty.to_owned();
        run.plan.command = nasty.to_owned();
        run.evidence.faults[0].name = nasty.to_owned();
        run.judgement.reasons = vec![nasty.to_owned()];
        run.judgement.violations[0].text = nasty.to_owned();
        let text = junit(&[run]);
        let document = Document::parse(&text).unwrap();
        let suite = document.descendants().find(|n| n.has_tag_name("testsuite"));
        let name = suite.unwrap().attribute("name").unwrap();
        assert!(
            name.starts_with("a<script>\"'&]]>") && name.contains('é'),
            "{name}"
        );
    }
}

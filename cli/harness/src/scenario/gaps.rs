//! Known gaps: violations that a scenario expects, until they are mended.

use std::collections::BTreeSet;

use checker::{
    Judgement, Verdict,
    verdict::{Label, Status},
};

use super::KnownGap;

/// What a judgement comes to for a scenario with known gaps, and why where that is not what it says itself.
#[must_use]
pub fn outcome(judgement: &Judgement, gaps: &[KnownGap]) -> (Verdict, Vec<String>) {
    if gaps.is_empty() {
        return (judgement.verdict, Vec::new());
    }
    let labels: BTreeSet<Label> = judgement
        .violations
        .iter()
        .filter(|violation| !violation.suspected)
        .map(|violation| violation.label)
        .collect();
    let known: BTreeSet<Label> = gaps.iter().map(|gap| gap.only).collect();
    let gone: Vec<String> = gaps
        .iter()
        .filter(|gap| !labels.contains(&gap.only))
        .map(|gap| {
            format!(
                "the known gap {} did not show: no {} was found",
                gap.id, gap.only
            )
        })
        .collect();
    // Each violated check gives one reason. More of them are something else that is wrong.
    let violated = judgement
        .checks
        .iter()
        .filter(|check| check.status == Status::Violated)
        .count();
    let excused = judgement.verdict == Verdict::Violation
        && labels.is_subset(&known)
        && judgement.reasons.len() == violated;
    match (excused, gone.is_empty()) {
        (true, true) => {
            let shown = gaps
                .iter()
                .map(|gap| format!("known gap {}: {}", gap.id, gap.reason));
            (Verdict::Pass, shown.collect())
        }
        (true, false) => (Verdict::Unknown, gone),
        (false, true) => (judgement.verdict, Vec::new()),
        (false, false) => (judgement.verdict.worst(Verdict::Unknown), gone),
    }
}

#[cfg(test)]
mod tests {
    use checker::verdict::{Check, CheckReport, Violation};
    use rstest::rstest;

    use super::*;

    fn judgement(found: &[Label], more: &[&str]) -> Judgement {
        let mut judgement: Judgement = serde_json::from_value(serde_json::json!({
            "format": "webshop-result", "version": 1, "run": "r", "verdict": "pass", "exit_code": 0,
            "reasons": more, "checks": [], "violations": [],
            "availability": checker::availability::Availability::default(),
            "totals": checker::verdict::Totals::default(),
        }))
        .unwrap();
        if !more.is_empty() {
            judgement.verdict = Verdict::Unknown;
        }
        let checks: BTreeSet<Check> = found.iter().map(|label| label.check()).collect();
        for check in checks {
            judgement.verdict = Verdict::Violation;
            judgement.reasons.push(check.to_string());
            judgement.checks.push(CheckReport {
                name: check,
                status: Status::Violated,
                counted: 1,
                violations: 1,
                undecided: None,
            });
        }
        judgement.violations = found
            .iter()
            .map(|label| Violation {
                label: *label,
                check: label.check(),
                suspected: false,
                subject: checker::snapshot::Subject::Database("stock".to_owned()),
                orders: Vec::new(),
                cause: 0,
                text: String::new(),
            })
            .collect();
        judgement
    }

    #[rstest]
    #[case(&[Label::Torn], &[], Verdict::Pass)]
    #[case(&[], &[], Verdict::Unknown)]
    #[case(&[Label::Torn, Label::LostAck], &[], Verdict::Violation)]
    #[case(&[Label::Torn], &["no load"], Verdict::Violation)]
    #[case(&[Label::LostAck], &[], Verdict::Violation)]
    #[case(&[], &["no load"], Verdict::Unknown)]
    fn a_known_gap_is_green_while_it_alone_shows(
        #[case] found: &[Label],
        #[case] more: &[&str],
        #[case] verdict: Verdict,
    ) {
        let gap = KnownGap {
            id: "g".to_owned(),
            only: Label::Torn,
            reason: "not mended yet".to_owned(),
        };
        let (outcome, reasons) = super::outcome(&judgement(found, more), &[gap]);
        assert_eq!(outcome, verdict);
        assert_eq!(
            reasons.is_empty(),
            found.contains(&Label::Torn) && verdict != Verdict::Pass
        );
    }

    #[test]
    fn without_known_gaps_a_judgement_stands_for_itself() {
        let (outcome, _) = super::outcome(&judgement(&[Label::Torn], &[]), &[]);
        assert_eq!(outcome, Verdict::Violation);
    }
}

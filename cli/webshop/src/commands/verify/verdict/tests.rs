use checker::snapshot::Subject;
use checker::verdict::{Check, FORMAT, Label, Totals, VERSION, Violation};
use protocol::OrderId;

use super::*;

fn judgement(causes: &[(Label, &str, i64)]) -> Judgement {
    let mut order = 0;
    let mut violations = Vec::new();
    for (cause, (label, shape, count)) in causes.iter().enumerate() {
        for _ in 0..*count {
            violations.push(Violation {
                label: *label,
                check: Check::Atomicity,
                suspected: false,
                subject: Subject::Order(OrderId(order)),
                orders: vec![OrderId(order)],
                cause,
                text: format!("{label} (acked) order {order}: {shape}."),
            });
            order += 1;
        }
    }
    Judgement {
        format: FORMAT.to_owned(),
        version: VERSION,
        run: "quiet".to_owned(),
        verdict: Verdict::Violation,
        exit_code: 1,
        reasons: vec!["atomicity: some".to_owned()],
        checks: Vec::new(),
        causes: causes
            .iter()
            .map(|(label, shape, count)| Cause {
                label: *label,
                suspected: false,
                shape: (*shape).to_owned(),
                fault: (*count > 1).then(|| "kill stock.1 (stock.1) at 10.000 s".to_owned()),
                violations: u64::try_from(*count).unwrap(),
            })
            .collect(),
        violations,
        availability: checker::availability::Availability::default(),
        totals: Totals::default(),
    }
}

#[test]
fn violations_of_one_cause_stand_together_and_the_rest_are_counted() {
    let judgement = judgement(&[
        (Label::Torn, "it is not paid", 7),
        (Label::LostAck, "nothing of it is left", 46),
        (Label::Phantom, "nobody asked for it", 3),
        (Label::Double, "it took n", 1),
    ]);
    insta::assert_snapshot!(violation_lines(&judgement).join("\n"));
}

#[test]
fn a_single_violation_needs_no_headline() {
    let judgement = judgement(&[(Label::Torn, "it is not paid", 1)]);
    assert_eq!(
        violation_lines(&judgement),
        ["", "TORN (acked) order 0: it is not paid."]
    );
}

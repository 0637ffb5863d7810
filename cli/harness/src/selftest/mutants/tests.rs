use checker::{
    snapshot::Subject,
    verdict::{
        Label::{
            Altered, CreditLeak, Diverged, Double, DoubleLine, DuplicateId, LostAck, LostLine,
            Overspend, Phantom, PhantomRefund, Reverted, SplitBrain, Stale, Stuck, Torn,
        },
        Violation,
    },
};
use protocol::ItemId;

use super::*;

/// A label, whether it is only suspected, and an order that it names.
type Found = (Label, bool, Option<i64>);

fn judgement(verdict: Verdict, found: &[Found]) -> Judgement {
    let violation = |(label, suspected, order): &Found| Violation {
        label: *label,
        check: label.check(),
        suspected: *suspected,
        subject: Subject::Database("stock".to_owned()),
        orders: order.iter().copied().map(OrderId).collect(),
        cause: 0,
        text: String::new(),
    };
    let mut judgement = checker::sample::pass().judgement;
    judgement.verdict = verdict;
    judgement.violations = found.iter().map(violation).collect();
    judgement
}

#[rstest::rstest]
#[case::as_expected(Expected::Order(Double), Verdict::Violation, &[(Double, false, Some(7))], true)]
#[case::another_label(Expected::Order(Double), Verdict::Violation, &[(Torn, false, Some(7))], false)]
#[case::no_order(Expected::Order(Double), Verdict::Violation, &[(Double, false, None)], false)]
#[case::only_suspected(Expected::Order(Double), Verdict::Unknown, &[(Double, true, Some(7))], false)]
#[case::overlooked(Expected::Order(Double), Verdict::Pass, &[], false)]
#[case::beside_others(Expected::OneOf(&[LostAck, Torn]), Verdict::Violation, &[(Double, false, Some(1)), (Torn, false, Some(7))], true)]
#[case::of_a_database(Expected::Database(SplitBrain), Verdict::Violation, &[(SplitBrain, false, None)], true)]
#[case::healthy(Expected::Pass, Verdict::Pass, &[], true)]
#[case::false_alarm(Expected::Pass, Verdict::Violation, &[(Torn, false, Some(7))], false)]
#[case::nothing_known(Expected::Pass, Verdict::Unknown, &[], false)]
fn a_mutant_is_caught_under_its_own_name_only(
    #[case] expected: Expected,
    #[case] verdict: Verdict,
    #[case] found: &[Found],
    #[case] caught: bool,
) {
    let judgement = judgement(verdict, found);
    let outcome = Outcome::of(expected, &judgement, Duration::ZERO);
    assert_eq!(outcome.caught, caught);
    if caught && matches!(expected, Expected::Order(_) | Expected::OneOf(_)) {
        assert_eq!(outcome.order, Some(OrderId(7)));
    }
}

#[test]
fn what_an_item_must_be_called_may_name_no_order() {
    let mut judgement = judgement(Verdict::Violation, &[(Altered, false, None)]);
    let caught = |judgement: &Judgement| {
        Outcome::of(Expected::Item(Altered), judgement, Duration::ZERO).caught
    };
    assert!(!caught(&judgement), "of a database");
    judgement.violations[0].subject = Subject::Item(ItemId(3));
    assert!(caught(&judgement));
    judgement.violations[0].label = LostLine;
    assert!(!caught(&judgement));
}

#[rstest::rstest]
#[case::as_expected(Verdict::Unknown, "pause stock.1: held 1.2 of 15 s", true)]
#[case::for_another_reason(Verdict::Unknown, "no pay was ever ok", false)]
#[case::overlooked(Verdict::Pass, "pause stock.1: held 1.2 of 15 s", false)]
fn what_must_be_unknown_must_be_so_for_its_reason(
    #[case] verdict: Verdict,
    #[case] reason: &str,
    #[case] caught: bool,
) {
    let mut judgement = judgement(verdict, &[]);
    judgement.reasons = vec![reason.to_owned()];
    let outcome = Outcome::of(Expected::Unknown("held"), &judgement, Duration::ZERO);
    assert_eq!(outcome.caught, caught);
}

#[test]
fn a_judge_whose_exit_code_changed_because_nobody_read_it_is_wrong() {
    let judgement = judgement(Verdict::Violation, &[(Double, false, Some(7))]);
    for (given, caught) in [(Some(1), true), (Some(0), false), (None, false)] {
        let unread = Unread {
            judge: "webshop verify with stdout closed".to_owned(),
            expected: 1,
            given,
        };
        let outcome = Outcome::of(Expected::Order(Double), &judgement, Duration::ZERO);
        assert_eq!(outcome.unread(unread.clone()).caught, caught, "{unread}");
    }
}

#[test]
fn every_mutant_has_a_name_of_its_own_and_a_scenario_that_is_well_formed() {
    let mut names: Vec<&str> = MUTANTS.iter().map(|mutant| mutant.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), MUTANTS.len());
    for mutant in &MUTANTS {
        assert!(mutant.mix.parse::<Mix>().is_ok(), "{}", mutant.name);
        let file = crate::project::Project::find(Some(std::path::Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../.."
        ))))
        .unwrap();
        let mut scenario = mutant.scenario();
        if mutant.profile == Profile::Small {
            scenario.stack.profile = crate::scenario::ProfileName::Small;
        }
        let mistakes = crate::scenario::suite::check(&file, &scenario).unwrap();
        assert!(mistakes.is_empty(), "{}: {mistakes:?}", mutant.name);
    }
    for name in QUICK {
        assert!(MUTANTS.iter().any(|mutant| mutant.name == name), "{name}");
    }
}

#[test]
fn every_label_is_somebodys() {
    let expected: Vec<Label> = MUTANTS
        .iter()
        .flat_map(|mutant| mutant.expected.labels())
        .collect();
    for label in [
        PhantomRefund,
        Double,
        Torn,
        LostAck,
        Phantom,
        CreditLeak,
        Overspend,
        Reverted,
        SplitBrain,
        Diverged,
        Stuck,
        LostLine,
        DoubleLine,
        Altered,
        DuplicateId,
        Stale,
    ] {
        assert!(expected.contains(&label), "{label}");
    }
}

#[test]
fn the_run_of_every_mutant_is_repeated_by_its_scenario() {
    for mutant in &MUTANTS {
        let scenario = mutant.scenario();
        assert_eq!(scenario.validate_alone(), [], "{}", mutant.name);
        let again = Scenario::parse(&scenario.to_yaml().unwrap()).unwrap();
        let (first, second) = (scenario.shape(SEED, ""), again.shape(SEED, ""));
        assert_eq!(first, second, "{}", mutant.name);
    }
}

use protocol::OrderId;

use crate::testing::Case;

fn told(case: &Case, order: OrderId) -> String {
    let story = case.story(order).unwrap();
    let mut lines: Vec<String> = story
        .moments
        .iter()
        .map(|moment| format!("{} | {} | {}", moment.time(), moment.witness, moment.text))
        .collect();
    lines.extend(story.violations);
    lines.push(story.verdict.to_string());
    lines.join("\n")
}

#[test]
fn a_torn_orders_story_is_told_in_the_order_of_time() {
    let mut case = Case::legal();
    let paid = case.paid();
    case.lose_charge(paid);
    insta::assert_snapshot!(told(&case, paid));
}

#[test]
fn a_second_attempt_and_a_compensation_are_a_part_of_it() {
    let case = Case::legal();
    insta::assert_snapshot!("second_attempt", told(&case, OrderId(1)));
    insta::assert_snapshot!("compensated", told(&case, OrderId(6)));
}

#[test]
fn of_an_order_that_nobody_knows_there_is_no_story() {
    assert_eq!(Case::legal().story(OrderId(4711)), None);
}

#[test]
fn a_far_fault_is_told_where_there_is_no_nearer_one() {
    let mut case = Case::legal();
    let fault = &mut case.evidence.faults[0];
    fault.injected_us = Some(500_000_000);
    fault.effective_us = Some(500_100_000);
    fault.healed_us = Some(510_000_000);
    let mut farther = fault.clone();
    farther.name = "kill kafka.1".to_owned();
    for at in [
        &mut farther.injected_us,
        &mut farther.effective_us,
        &mut farther.healed_us,
    ] {
        *at = at.map(|at| at + 100_000_000);
    }
    case.evidence.faults.push(farther);
    let text = told(&case, case.paid());
    assert!(text.contains("500.000 s | fault | kill stock-db-primary (stock-db-0): injected"));
    assert!(!text.contains("kafka"), "{text}");
}

#[test]
fn a_cart_that_lost_a_line_is_told_with_its_creation_and_its_additions() {
    let mut case = Case::with_carts();
    let bought = case.bought();
    case.hold(bought, &[(2, 1), (4, 1)]);
    insta::assert_snapshot!(told(&case, bought));
}

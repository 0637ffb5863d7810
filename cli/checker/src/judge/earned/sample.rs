//! The last final read asked the API for enough: a sample of a few says little of the rest.

use crate::{check::Scene, history::Op, snapshot::Subject};

/// So many distinct orders, users and items, or all where there are fewer. The harness asks for more than twice as many.
const LEAST: usize = 100;

/// What the sample lacks.
pub(super) fn thin(scene: &Scene<'_>) -> Vec<String> {
    let (last, api) = (scene.last, &scene.last.api);
    if api.is_empty() {
        // Said already, by the check of the replicas.
        return Vec::new();
    }
    let attempts = scene.run.history.attempts.iter();
    let touched = attempts.filter_map(|attempt| match attempt.invoke.op {
        Op::Checkout { order } => Some(order),
        _ => None,
    });
    let absent = |id: fn(&Subject) -> Option<i64>| api.absent.iter().filter_map(id);
    let orders = api.orders.iter().map(|row| row.order_id.0);
    let users = api.users.iter().map(|row| row.user_id.0);
    let items = api.items.iter().map(|row| row.item_id.0);
    [
        (
            "orders that were checked out",
            distinct(orders.chain(absent(order))),
            distinct(touched.map(|order| order.0)),
        ),
        (
            "users",
            distinct(users.chain(absent(user))),
            distinct(last.users.iter().map(|row| row.user_id.0)),
        ),
        (
            "items",
            distinct(items.chain(absent(item))),
            distinct(last.items.iter().map(|row| row.item_id.0)),
        ),
    ]
    .into_iter()
    .map(|(what, asked, all)| {
        let there = asked.iter().filter(|id| all.binary_search(id).is_ok());
        (what, there.count(), all.len())
    })
    .filter(|(_, asked, all)| *asked < LEAST.min(*all))
    .map(|(what, asked, all)| format!("the API was asked for {asked} of {all} {what}"))
    .collect()
}

/// Ascending. A vector, for there may be a million of them.
fn distinct(ids: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn order(subject: &Subject) -> Option<i64> {
    match subject {
        Subject::Order(id) => Some(id.0),
        _ => None,
    }
}

fn user(subject: &Subject) -> Option<i64> {
    match subject {
        Subject::User(id) => Some(id.0),
        _ => None,
    }
}

fn item(subject: &Subject) -> Option<i64> {
    match subject {
        Subject::Item(id) => Some(id.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{snapshot::Subject, testing::Case, verdict::Verdict};

    fn told(case: &Case) -> Vec<String> {
        let judgement = case.judge();
        let expected = if judgement.reasons.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Unknown
        };
        assert_eq!(judgement.verdict, expected);
        judgement.reasons
    }

    #[test]
    fn a_sample_of_a_hundred_or_of_all_is_enough_and_a_smaller_one_earns_nothing() {
        let mut case = Case::legal();
        // Of each ten orders nine are checked out.
        case.snapshots[1].api.orders.truncate(112);
        assert_eq!(told(&case), [""; 0]);
        case.snapshots[1].api.orders.truncate(109);
        let reason = "the API was asked for 99 of 270 orders that were checked out";
        assert_eq!(told(&case), [reason]);

        let mut case = Case::legal();
        case.snapshots[1].api.users.truncate(7);
        assert_eq!(told(&case), ["the API was asked for 7 of 8 users"]);
    }

    #[test]
    fn one_that_is_asked_for_again_and_again_is_one() {
        let mut case = Case::legal();
        let items = &mut case.snapshots[1].api.items;
        *items = items.repeat(20);
        items.retain(|row| row.item_id.0 == 3);
        assert_eq!(told(&case), ["the API was asked for 1 of 8 items"]);
    }

    #[test]
    fn one_that_is_denied_was_asked_for() {
        let mut case = Case::legal();
        case.snapshots[1].api.users.truncate(7);
        case.snapshots[1]
            .api
            .absent
            .push(Subject::User(protocol::UserId(7)));
        let reasons = case.judge().reasons;
        assert!(
            !reasons.iter().any(|told| told.contains("was asked for")),
            "{reasons:?}"
        );
    }
}

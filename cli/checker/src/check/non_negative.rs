//! Nobody ever saw less than nothing: neither a client, nor the final reads.

use std::{collections::BTreeMap, fmt};

use protocol::{ItemId, OrderId, UserId};

use super::{Finding, Looked, Scene};
use crate::{
    book::Balance,
    explain::seconds,
    history::{Op, Value},
    snapshot::Subject,
    verdict::Label,
};

pub(super) fn check(scene: &Scene<'_>) -> Looked {
    let mut credits = Sightings::default();
    let mut stocks = Sightings::default();
    for attempt in &scene.run.history.attempts {
        let at = || format!("a client read it at {}", seconds(attempt.invoke.sent_us));
        match (attempt.invoke.op, attempt.value()) {
            (Op::FindUser { user }, Some(Value::Credit(credit))) => credits.see(user, credit, at),
            (Op::FindItem { item }, Some(Value::Stock(stock))) => stocks.see(item, stock, at),
            _ => {}
        }
    }
    let before = || "its row before the load".to_owned();
    for user in &scene.run.initial.users {
        credits.see(user.user_id, user.credit, before);
    }
    for item in &scene.run.initial.items {
        stocks.see(item.item_id, item.stock, before);
    }
    for (number, snapshot) in (1..).zip(scene.run.snapshots) {
        let row = || format!("its row at final read {number}");
        let api = || format!("the API's answer at final read {number}");
        for user in &snapshot.users {
            credits.see(user.user_id, user.credit, row);
        }
        for user in &snapshot.api.users {
            credits.see(user.user_id, user.credit, api);
        }
        for item in &snapshot.items {
            stocks.see(item.item_id, item.stock, row);
        }
        for item in &snapshot.api.items {
            stocks.see(item.item_id, item.stock, api);
        }
    }
    let counted = credits.counted + stocks.counted;
    let users = &scene.book.users;
    let mut findings =
        credits.findings(Label::Overspend, Subject::User, "credit", |user: UserId| {
            orders_of(users, user)
        });
    let items = &scene.book.items;
    findings.extend(
        stocks.findings(Label::Oversell, Subject::Item, "stock", |item: ItemId| {
            orders_of(items, item)
        }),
    );
    Looked {
        counted,
        undecided: (!scene.last.witnesses.have_balances())
            .then(|| "the balances were not read at the end".to_owned()),
        findings,
    }
}

fn orders_of<Id: Copy + Ord>(balances: &[Balance<Id>], id: Id) -> Vec<OrderId> {
    let at = balances.binary_search_by_key(&id, |balance| balance.id);
    at.map_or_else(|_| Vec::new(), |at| balances[at].orders.clone())
}

/// The first time that each balance was seen below zero.
struct Sightings<Id> {
    counted: u64,
    first: BTreeMap<Id, (i64, String)>,
}

impl<Id> Default for Sightings<Id> {
    fn default() -> Self {
        Self {
            counted: 0,
            first: BTreeMap::new(),
        }
    }
}

impl<Id: Copy + Ord + fmt::Display> Sightings<Id> {
    fn see(&mut self, id: Id, balance: i64, by: impl Fn() -> String) {
        self.counted += 1;
        if balance < 0 {
            self.first.entry(id).or_insert_with(|| (balance, by()));
        }
    }

    fn findings(
        self,
        label: Label,
        subject: fn(Id) -> Subject,
        noun: &str,
        orders: impl Fn(Id) -> Vec<OrderId>,
    ) -> Vec<Finding> {
        self.first
            .into_iter()
            .map(|(id, (balance, by))| Finding {
                label,
                subject: subject(id),
                orders: orders(id),
                contradiction: format!("its {noun} was {balance}: {by}"),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::{testing::Case, verdict::Label};

    #[test]
    fn a_read_below_zero_in_the_middle_of_the_run_is_enough() {
        let mut case = Case::legal();
        let user = case.user_of(case.paid());
        case.read_credit(user, -1);
        assert_eq!(case.labels(), [Label::Overspend]);

        let mut case = Case::legal();
        let item = case.item_of(case.paid());
        case.read_stock(item, -1);
        assert_eq!(case.labels(), [Label::Oversell]);
    }

    #[test]
    fn it_is_a_violation_even_while_the_shop_is_not_quiet() {
        let mut case = Case::legal();
        case.read_credit(case.user_of(case.paid()), -1);
        case.evidence.settle.quiescent = false;
        case.evidence.settle.converged = false;
        assert_eq!(case.labels(), [Label::Overspend]);
    }

    #[test]
    fn what_was_read_before_the_load_is_a_read_too() {
        let mut case = Case::legal();
        case.initial.users[0].credit = -1;
        assert!(case.labels().contains(&Label::Overspend));
    }

    #[test]
    fn a_read_of_zero_is_legal() {
        let mut case = Case::legal();
        case.read_credit(case.user_of(case.paid()), 0);
        assert!(!case.labels().contains(&Label::Overspend));
    }
}

use std::collections::HashMap;

use protocol::{ItemId, OrderId, UserId};

use super::{OrderFacts, Write, sources::Sources};
use crate::{
    effect::{Good, Part},
    history::{History, Op},
    outcome::Class,
    snapshot::{Initial, Snapshot},
};

/// A user's credit or an item's stock, by both witnesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Balance<Id> {
    pub(crate) id: Id,
    /// Before the load; 0 for what was made since.
    pub(crate) before: i128,
    /// At the final read; `None`: the row is gone.
    pub(crate) after: Option<i128>,
    /// Acknowledged top-ups less acknowledged withdrawals outside any order.
    pub(crate) added: i128,
    /// Top-ups and withdrawals that may have happened.
    pub(crate) perhaps: Vec<i128>,
    /// What the orders that became paid took, by what was ordered.
    pub(crate) ordered: i128,
    /// What the ledger says was taken, less what it says was given back.
    pub(crate) ledger: i128,
    /// Every order that is for it or moved it, ascending.
    pub(crate) orders: Vec<OrderId>,
    /// Somebody has seen it: an uncertain top-up alone does not make it exist.
    pub(crate) exists: bool,
}

impl<Id> Balance<Id> {
    fn new(id: Id) -> Self {
        Self {
            id,
            before: 0,
            after: None,
            added: 0,
            perhaps: Vec::new(),
            ordered: 0,
            ledger: 0,
            orders: Vec::new(),
            exists: false,
        }
    }

    /// Takes an order's part into account. Orders come ascending, and have one part a good.
    fn take(&mut self, order: &OrderFacts<'_>, part: &Part) {
        self.exists = true;
        self.orders.push(order.order_id);
        self.ledger += part.taken - part.before;
        if order.is_newly_paid() {
            self.ordered += part.ordered;
        }
    }
}

/// The accounts of the payment service, and the shelves of the stock service.
pub(super) fn all(
    history: &History,
    writes: &[Write],
    initial: &Initial,
    last: &Snapshot,
    sources: &Sources<'_>,
) -> (Vec<Balance<UserId>>, Vec<Balance<ItemId>>) {
    let (mut users, mut items) = (Balances::default(), Balances::default());
    for row in &initial.users {
        users.seen(row.user_id).before = row.credit.into();
    }
    for row in &last.users {
        users.seen(row.user_id).after = Some(row.credit.into());
    }
    for row in &initial.items {
        items.seen(row.item_id).before = row.stock.into();
    }
    for row in &last.items {
        items.seen(row.item_id).after = Some(row.stock.into());
    }
    for write in writes {
        match write.op {
            Op::AddFunds { user, amount } => users.adjust(user, amount.0.into(), write.class),
            Op::Pay { user, amount } => users.adjust(user, -i128::from(amount.0), write.class),
            Op::AddStock { item, amount } => items.adjust(item, amount.0.into(), write.class),
            Op::SubtractStock { item, amount } => {
                items.adjust(item, -i128::from(amount.0), write.class);
            }
            Op::CreateUser => {
                write.made.map(|id| users.seen(UserId(id)));
            }
            Op::CreateItem { .. } => {
                write.made.map(|id| items.seen(ItemId(id)));
            }
            _ => {}
        }
    }
    // Who read it was told that it is there.
    for attempt in &history.attempts {
        match (attempt.invoke.op, attempt.value()) {
            (Op::FindUser { user }, Some(_)) => _ = users.seen(user),
            (Op::FindItem { item }, Some(_)) => _ = items.seen(item),
            _ => {}
        }
    }
    sources.each_order(|order| {
        for part in &order.effect.parts {
            match part.good {
                Good::Credit(user) => users.at(user).take(order, part),
                Good::Item(item) => items.at(item).take(order, part),
            }
        }
    });
    (users.into_sorted(), items.into_sorted())
}

struct Balances<Id> {
    index: HashMap<Id, usize>,
    list: Vec<Balance<Id>>,
}

impl<Id> Default for Balances<Id> {
    fn default() -> Self {
        Self {
            index: HashMap::new(),
            list: Vec::new(),
        }
    }
}

impl<Id: Copy + Ord + std::hash::Hash> Balances<Id> {
    fn at(&mut self, id: Id) -> &mut Balance<Id> {
        let at = *self.index.entry(id).or_insert_with(|| {
            self.list.push(Balance::new(id));
            self.list.len() - 1
        });
        &mut self.list[at]
    }

    fn seen(&mut self, id: Id) -> &mut Balance<Id> {
        let balance = self.at(id);
        balance.exists = true;
        balance
    }

    fn adjust(&mut self, id: Id, amount: i128, class: Class) {
        match class {
            Class::Ok => self.seen(id).added += amount,
            Class::Info => self.at(id).perhaps.push(amount),
            Class::Fail => {}
        }
    }

    fn into_sorted(mut self) -> Vec<Balance<Id>> {
        self.list.sort_unstable_by_key(|balance| balance.id);
        self.list
    }
}

//! Who made what there is: rows that nobody created, and ids that were given twice.

use std::collections::BTreeMap;

use protocol::{ItemId, OrderId, UserId};

use super::{Creation, Write};
use crate::{
    history::Op,
    snapshot::{Initial, OrderRow, Snapshot, Subject},
};

/// The create of an order whose client was told its id.
pub(super) fn creation(write: &Write) -> Option<Creation> {
    let Op::CreateOrder { user } = write.op else {
        return None;
    };
    Some(Creation {
        order: OrderId(write.made?),
        id: write.id,
        owner: user,
        sent_us: write.sent_us,
    })
}

/// How many things of each kind may have been made by creates whose clients were told no id.
struct Unclaimed<Kind>(BTreeMap<Kind, usize>);

impl<Kind: Ord> Unclaimed<Kind> {
    fn of(writes: &[Write], kind: impl Fn(Op) -> Option<Kind>) -> Self {
        let mut counts = BTreeMap::new();
        let unclaimed = writes
            .iter()
            .filter(|write| write.may_have_made_something());
        for kind in unclaimed.filter_map(|write| kind(write.op)) {
            *counts.entry(kind).or_insert(0) += 1;
        }
        Self(counts)
    }

    /// Whether one of a kind may be there; each create explains but one.
    fn explains(&mut self, kind: &Kind) -> bool {
        match self.0.get_mut(kind) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// The orders, ascending, with a row that nobody created. The lowest of those that nobody was told of are left to
/// the creates that may have made them.
pub(super) fn stranger_orders(
    rows: &[&OrderRow],
    is_known: impl Fn(&OrderId) -> bool,
    writes: &[Write],
) -> Vec<OrderId> {
    let mut unclaimed = Unclaimed::of(writes, |op| match op {
        Op::CreateOrder { user } => Some(user),
        _ => None,
    });
    let mut strangers: Vec<OrderId> = Vec::new();
    let mut latest = None;
    for row in rows {
        let id = row.order_id;
        // A row that was read twice is one order.
        if latest.replace(id) == Some(id) || is_known(&id) {
            continue;
        }
        if !unclaimed.explains(&row.user_id) {
            strangers.push(id);
        }
    }
    strangers
}

/// The users, ascending, with a row that nobody created.
pub(crate) fn stranger_users(initial: &Initial, writes: &[Write], last: &Snapshot) -> Vec<UserId> {
    let mut known: Vec<UserId> = initial.users.iter().map(|row| row.user_id).collect();
    known.extend(writes.iter().filter_map(|write| match write.op {
        Op::CreateUser => write.made.map(UserId),
        _ => None,
    }));
    known.sort();
    let mut unclaimed = Unclaimed::of(writes, |op| matches!(op, Op::CreateUser).then_some(()));
    let rows = last.users.iter().map(|row| row.user_id);
    let mut strangers: Vec<UserId> = rows.filter(|id| known.binary_search(id).is_err()).collect();
    strangers.sort();
    strangers.dedup();
    strangers.retain(|_| !unclaimed.explains(&()));
    strangers
}

/// The items, ascending, with a row that nobody created.
pub(crate) fn stranger_items(initial: &Initial, writes: &[Write], last: &Snapshot) -> Vec<ItemId> {
    let mut known: Vec<ItemId> = initial.items.iter().map(|row| row.item_id).collect();
    known.extend(writes.iter().filter_map(|write| match write.op {
        Op::CreateItem { .. } => write.made.map(ItemId),
        _ => None,
    }));
    known.sort();
    let mut unclaimed = Unclaimed::of(writes, |op| match op {
        Op::CreateItem { price } => Some(price.0),
        _ => None,
    });
    let rows = last.items.iter().map(|row| (row.item_id, row.price));
    let mut strangers: Vec<_> = rows
        .filter(|(id, _)| known.binary_search(id).is_err())
        .collect();
    strangers.sort();
    strangers.dedup_by_key(|(id, _)| *id);
    strangers.retain(|(_, price)| !unclaimed.explains(price));
    strangers.into_iter().map(|(id, _)| id).collect()
}

/// An id that was given to more than one create, or that was there before the load: how many creates got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Duplicate {
    pub(crate) subject: Subject,
    pub(crate) creates: Vec<u64>,
    pub(crate) was_there: bool,
}

/// Every id that was given twice, ascending by kind and id.
pub(crate) fn duplicates(initial: &Initial, writes: &[Write]) -> Vec<Duplicate> {
    let mut given: BTreeMap<Subject, Vec<u64>> = BTreeMap::new();
    for write in writes {
        let Some(made) = write.made else { continue };
        let subject = match write.op {
            Op::CreateOrder { .. } => Subject::Order(OrderId(made)),
            Op::CreateUser => Subject::User(UserId(made)),
            Op::CreateItem { .. } => Subject::Item(ItemId(made)),
            _ => continue,
        };
        given.entry(subject).or_default().push(write.id);
    }
    if given.is_empty() {
        return Vec::new();
    }
    let orders = initial.orders.iter().map(|row| row.order_id);
    let orders = orders.chain(initial.paid_orders.iter().copied());
    let users = initial.users.iter().map(|row| Subject::User(row.user_id));
    let items = initial.items.iter().map(|row| Subject::Item(row.item_id));
    let before = orders.map(Subject::Order).chain(users).chain(items);
    let there: std::collections::BTreeSet<Subject> = before
        .filter(|subject| given.contains_key(subject))
        .collect();
    let all = given.into_iter().map(|(subject, creates)| Duplicate {
        was_there: there.contains(&subject),
        subject,
        creates,
    });
    all.filter(|it| it.was_there || it.creates.len() > 1)
        .collect()
}

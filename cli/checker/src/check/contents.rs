//! Each order has the owner that created it and holds what was prepared, what was acknowledged, and perhaps what nobody
//! knows of; nobody else made anything; items cost what they were made with; no id was given twice.

use std::collections::BTreeMap;

use protocol::{ItemId, OrderId, UserId};

use super::{Finding, Looked, Scene};
use crate::{
    book::{OrderFacts, Prices, Sight, duplicates, stranger_items, stranger_users},
    contents::Digest,
    explain::{list, seconds},
    history::{Attempt, Op, Value},
    snapshot::{OrderRow, Subject, Witnesses},
    verdict::Label,
};

/// What is wrong with one order: by its final row, else by what moved for it, else by what was read of it.
pub(super) fn find(order: &OrderFacts<'_>) -> Option<Finding> {
    if let Some(misfit) = &order.misfit {
        return Some(Finding::of_order(misfit.label(), order, misfit.to_string()));
    }
    if only_ledgers_know(order) {
        let contradiction = "nobody created it or asked for it, and the ledgers have rows of it";
        let contradiction = contradiction.to_owned();
        return Some(Finding::of_order(Label::Altered, order, contradiction));
    }
    let claims = order.claims.as_ref()?;
    let final_contents = order.row.map(OrderRow::contents);
    order.reads.iter().find_map(|read| {
        let saw = match claims.sight(read) {
            Sight::Wrong => "an owner, lines or a cost that it never had",
            // What is paid is closed: it may hold nothing else later.
            Sight::Right
                if final_contents.is_some_and(|is| saw_paid(read).is_some_and(|saw| saw != is)) =>
            {
                "it paid, and with another owner, other lines or another cost than it has now"
            }
            Sight::Right | Sight::Stale | Sight::Unclear => return None,
        };
        let at = seconds(read.invoke.sent_us);
        let contradiction = format!("a read at {at} saw {saw}");
        Some(Finding::of_order(Label::Altered, order, contradiction))
    })
}

/// What a read saw of an order that was paid then.
fn saw_paid(read: &Attempt) -> Option<Digest> {
    match read.value() {
        Some(Value::Order {
            paid: true,
            contents,
        }) => Some(contents),
        _ => None,
    }
}

/// Whether something moved for an order that has no row and that no client ever named. A create whose client was told
/// no id explains none: nobody knew what to check out.
fn only_ledgers_know(order: &OrderFacts<'_>) -> bool {
    let is_named = order.created
        || !order.checkouts.is_empty()
        || !order.additions.is_empty()
        || !order.reads.is_empty();
    let moved = !order.payments.is_empty() || !order.stock.is_empty();
    moved && !is_named && order.is_gone()
}

/// Adds what is wrong with users, items and ids to what was found of orders.
pub(super) fn check(scene: &Scene<'_>, counted: u64, mut findings: Vec<Finding>) -> Looked {
    findings.extend(strangers(scene));
    findings.extend(prices(scene));
    findings.extend(given_twice(scene));
    findings.extend(made_twice(scene));
    findings.extend(early(scene));
    let rows = scene.last.users.len() + scene.last.items.len();
    Looked {
        counted: counted + rows as u64,
        undecided: match scene.last.witnesses {
            Witnesses::Both | Witnesses::Balances => None,
            Witnesses::Ledgers => Some("rows were not read, so reads alone speak".to_owned()),
            Witnesses::None => Some("there are no final reads".to_owned()),
        },
        findings,
    }
}

/// Users and items with a row that nobody created.
fn strangers(scene: &Scene<'_>) -> Vec<Finding> {
    let (initial, writes) = (scene.run.initial, &scene.book.writes);
    let users = stranger_users(initial, writes, scene.last);
    let items = stranger_items(initial, writes, scene.last);
    let users = users.into_iter().map(Subject::User);
    let all = users.chain(items.into_iter().map(Subject::Item));
    all.map(|subject| altered(subject, "nobody created it".to_owned()))
        .collect()
}

/// Items that do not cost what they were made with.
fn prices(scene: &Scene<'_>) -> Vec<Finding> {
    let made: &Prices = scene.book.prices();
    let mut wrong: Vec<_> = scene
        .last
        .items
        .iter()
        .filter(|row| made.made(row.item_id).next().is_some())
        .filter(|row| made.made(row.item_id).all(|price| price != row.price))
        .map(|row| (row.item_id, row.price))
        .collect();
    wrong.sort_unstable();
    wrong.dedup_by_key(|(item, _)| *item);
    wrong
        .into_iter()
        .map(|(item, price)| {
            let made = list(made.made(item).map(|price| price.to_string()), " or ");
            let text = format!("a piece costs {price}, and it was made with {made}");
            altered(Subject::Item(item), text)
        })
        .collect()
}

fn given_twice(scene: &Scene<'_>) -> Vec<Finding> {
    duplicates(scene.run.initial, &scene.book.writes)
        .into_iter()
        .map(|duplicate| {
            let creates = duplicate.creates.iter().map(ToString::to_string);
            let creates = list(creates, ", ");
            let contradiction = if duplicate.was_there {
                format!("its id was there before the load, and was given to operation {creates}")
            } else {
                format!("one id was given to operations {creates}")
            };
            Finding {
                label: Label::DuplicateId,
                orders: match duplicate.subject {
                    Subject::Order(order) => vec![order],
                    _ => Vec::new(),
                },
                subject: duplicate.subject,
                contradiction,
            }
        })
        .collect()
}

/// What one create was told to have made, where it was told two ids.
fn made_twice(scene: &Scene<'_>) -> Vec<Finding> {
    let twice = scene.book.writes.iter().filter_map(|write| {
        let (one, other) = (write.made?, write.made_too?);
        let subject = made(write.op, one)?;
        Some(Finding {
            label: Label::DuplicateId,
            orders: match subject {
                Subject::Order(order) => vec![order],
                _ => Vec::new(),
            },
            subject,
            contradiction: format!(
                "operation {} made one thing, and was told the ids {one} and {other}",
                write.id
            ),
        })
    });
    twice.collect()
}

/// What a create makes.
fn made(op: Op, id: i64) -> Option<Subject> {
    match op {
        Op::CreateOrder { .. } => Some(Subject::Order(OrderId(id))),
        Op::CreateUser => Some(Subject::User(UserId(id))),
        Op::CreateItem { .. } => Some(Subject::Item(ItemId(id))),
        _ => None,
    }
}

/// Users and items that a client read before anybody had asked for them.
fn early(scene: &Scene<'_>) -> Vec<Finding> {
    let mut sent: BTreeMap<Subject, u64> = BTreeMap::new();
    for write in &scene.book.writes {
        if let (Some(id), Some(sent_us)) = (write.made, write.sent_us)
            && let Some(subject) = made(write.op, id)
        {
            let first = sent.entry(subject).or_insert(sent_us);
            *first = sent_us.min(*first);
        }
    }
    let initial = scene.run.initial;
    for row in &initial.users {
        sent.remove(&Subject::User(row.user_id));
    }
    for row in &initial.items {
        sent.remove(&Subject::Item(row.item_id));
    }
    let mut found = BTreeMap::new();
    for attempt in &scene.run.history.attempts {
        let subject = match (attempt.invoke.op, attempt.value()) {
            (Op::FindUser { user }, Some(_)) => Subject::User(user),
            (Op::FindItem { item }, Some(_)) => Subject::Item(item),
            _ => continue,
        };
        let ended_us = attempt.complete.as_ref().map(|complete| complete.at_us);
        if let (Some(ended_us), Some(sent_us)) = (ended_us, sent.get(&subject))
            && ended_us < *sent_us
        {
            found.entry(subject).or_insert(attempt.invoke.sent_us);
        }
    }
    let text = |at_us| format!("a read at {} saw it before anybody made it", seconds(at_us));
    found
        .into_iter()
        .map(|(subject, at_us)| altered(subject, text(at_us)))
        .collect()
}

fn altered(subject: Subject, contradiction: String) -> Finding {
    Finding {
        label: Label::Altered,
        subject,
        orders: Vec::new(),
        contradiction,
    }
}

#[cfg(test)]
mod tests;

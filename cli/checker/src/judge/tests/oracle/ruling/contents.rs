//! The row of the table on contents.

use std::collections::BTreeSet;

use protocol::{ItemId, OrderId, UserId};

use super::{
    claims::{self, operations},
    last, paid_before, watermarks,
};
use crate::{
    contents::Digest,
    history::{Attempt, Op, Value},
    judge::tests::oracle::world::World,
    outcome::Class,
    snapshot::OrderRow,
    verdict::Label,
};

/// What is wrong with an order's contents, by its row or else by what was read.
pub(super) fn label(world: &World, id: OrderId) -> Option<Label> {
    let rows = last(world).orders;
    let row = rows.iter().find(|row| row.order_id == id);
    if let Some(row) = row {
        let wrong = claims::misfit(world, id, row).or_else(|| claims::uncharged(world, id));
        if wrong.is_some() {
            return wrong;
        }
    }
    if is_known_to_ledgers_alone(world, id) {
        return Some(Label::Altered);
    }
    // What is paid is closed: it may hold nothing else later.
    let changed = |read: &Attempt| match (read.value(), row) {
        (
            Some(Value::Order {
                paid: true,
                contents,
            }),
            Some(row),
        ) => contents != row.contents(),
        _ => false,
    };
    let wrong = reads(world, id)
        .into_iter()
        .any(|read| match saw(world, id, read) {
            Some(Saw::Never) => true,
            Some(Saw::Possible) => changed(read),
            Some(Saw::Former) | None => false,
        });
    wrong.then_some(Label::Altered)
}

/// Something moved for it, it has no row, and no client named it.
fn is_known_to_ledgers_alone(world: &World, id: OrderId) -> bool {
    let last = last(world);
    let (payments_from, stock_from) = watermarks(world);
    let charged = last.payment_movements.iter();
    let charged = charged.filter(|m| m.movement_id > payments_from && m.order_id == id);
    let taken = last.stock_movements.iter();
    let taken = taken.filter(|m| m.movement_id > stock_from && m.order_id == id);
    let checkouts = world.history.attempts.iter();
    let mut checkouts =
        checkouts.filter(|it| matches!(it.invoke.op, Op::Checkout { order } if order == id));
    charged.count() + taken.count() > 0
        && last.witnesses.have_balances()
        && last.orders.iter().all(|row| row.order_id != id)
        && claims::makers(world, id).is_empty()
        && !paid_before(world, id)
        && claims::additions(world, id).is_empty()
        && reads(world, id).is_empty()
        && checkouts.next().is_none()
}

/// The ok reads of an order.
pub(super) fn reads(world: &World, id: OrderId) -> Vec<&Attempt> {
    let attempts = world.history.attempts.iter();
    attempts
        .filter(|it| matches!(it.invoke.op, Op::FindOrder { order } if order == id))
        .filter(|it| matches!(it.value(), Some(Value::Order { .. })))
        .collect()
}

#[derive(PartialEq)]
pub(super) enum Saw {
    Possible,
    Former,
    Never,
}

/// What a read saw; `None`: there is no telling.
pub(super) fn saw(world: &World, id: OrderId, read: &Attempt) -> Option<Saw> {
    let Some(Value::Order { contents, .. }) = read.value() else {
        return None;
    };
    let makers = claims::makers(world, id);
    let [owner] = makers[..] else { return None };
    let (began, ended) = (read.invoke.sent_us, read.complete.as_ref()?.at_us);
    let mut creates = operations(world)
        .into_iter()
        .filter(|it| matches!(it.op, Op::CreateOrder { .. }) && it.made() == Some(id.0));
    if creates.any(|create| ended < create.sent()) {
        return Some(Saw::Never);
    }
    let invoked: Vec<_> = claims::additions(world, id)
        .into_iter()
        .filter(|it| it.sent <= ended)
        .collect();
    let digest = |row: OrderRow| -> Digest { row.contents() };
    // One that has no price makes every row with it unthinkable.
    claims::with(world, id, owner, &invoked)?;
    let shows = |must: &dyn Fn(Option<u64>) -> bool| {
        claims::subsets(&invoked)
            .into_iter()
            .filter(|some| {
                let musts = invoked.iter().filter(|it| must(it.acked)).count();
                some.iter().filter(|it| must(it.acked)).count() == musts
            })
            .filter_map(|some| claims::with(world, id, owner, &some))
            .any(|row| digest(row) == contents)
    };
    if shows(&|acked| acked.is_some_and(|at| at < began)) {
        return Some(Saw::Possible);
    }
    Some(if shows(&|_| false) {
        Saw::Former
    } else {
        Saw::Never
    })
}

/// Users and items that nobody made, and items that cost something else.
pub(super) fn altered(world: &World) -> BTreeSet<String> {
    let last = last(world);
    let all = operations(world);
    let made = |is_kind: &dyn Fn(Op) -> bool| -> Vec<i64> {
        let own = all.iter().filter(|it| is_kind(it.op));
        own.filter_map(|it| it.made()).collect()
    };
    let unclaimed = |is_kind: &dyn Fn(Op) -> bool| {
        let own = all
            .iter()
            .filter(|it| is_kind(it.op) && it.class() != Class::Fail);
        own.filter(|it| it.made().is_none()).count()
    };
    let mut altered = BTreeSet::new();
    let mut users = made(&|op| op == Op::CreateUser);
    users.extend(world.initial.users.iter().map(|row| row.user_id.0));
    let strangers: BTreeSet<UserId> = last.users.iter().map(|row| row.user_id).collect();
    let strangers = strangers.into_iter().filter(|id| !users.contains(&id.0));
    for id in strangers.skip(unclaimed(&|op| op == Op::CreateUser)) {
        altered.insert(format!("User({id:?})"));
    }
    altered.extend(early(world));
    let mut items = made(&|op| matches!(op, Op::CreateItem { .. }));
    items.extend(world.initial.items.iter().map(|row| row.item_id.0));
    let prices: BTreeSet<i64> = last.items.iter().map(|row| row.price).collect();
    for price in prices {
        let rows = last.items.iter().filter(|row| row.price == price);
        let strangers: BTreeSet<ItemId> = rows.map(|row| row.item_id).collect();
        let strangers = strangers.into_iter().filter(|id| !items.contains(&id.0));
        let explained =
            unclaimed(&|op| matches!(op, Op::CreateItem { price: of } if of.0 == price));
        for id in strangers.skip(explained) {
            altered.insert(format!("Item({id:?})"));
        }
    }
    for row in &last.items {
        let made = claims::made_prices(world, row.item_id);
        if !made.is_empty() && !made.contains(&row.price) {
            altered.insert(format!("Item({:?})", row.item_id));
        }
    }
    altered
}

/// Users and items that were read before anybody made them.
fn early(world: &World) -> BTreeSet<String> {
    let all = operations(world);
    let first = |is_kind: &dyn Fn(Op) -> bool, id: i64| {
        let own = all
            .iter()
            .filter(|it| is_kind(it.op) && it.made() == Some(id));
        own.map(|it| it.sent()).min()
    };
    let attempts = world.history.attempts.iter();
    let reads = attempts.filter(|attempt| attempt.class() == Class::Ok);
    let early = reads.filter_map(|read| {
        let ended = read.complete.as_ref()?.at_us;
        let (made, known, name) = match read.invoke.op {
            Op::FindUser { user } => (
                first(&|op| op == Op::CreateUser, user.0),
                world.initial.users.iter().any(|row| row.user_id == user),
                format!("User({user:?})"),
            ),
            Op::FindItem { item } => (
                first(&|op| matches!(op, Op::CreateItem { .. }), item.0),
                world.initial.items.iter().any(|row| row.item_id == item),
                format!("Item({item:?})"),
            ),
            _ => return None,
        };
        (!known && made.is_some_and(|made| ended < made)).then_some(name)
    });
    early.collect()
}

/// What was given to two creates, or was there before one.
pub(super) fn given_twice(world: &World) -> BTreeSet<String> {
    let initial = &world.initial;
    let mut given: Vec<String> = Vec::new();
    let mut before: BTreeSet<String> = BTreeSet::new();
    before.extend(
        initial
            .orders
            .iter()
            .map(|row| format!("Order({:?})", row.order_id)),
    );
    before.extend(
        initial
            .paid_orders
            .iter()
            .map(|id| format!("Order({id:?})")),
    );
    before.extend(
        initial
            .users
            .iter()
            .map(|row| format!("User({:?})", row.user_id)),
    );
    before.extend(
        initial
            .items
            .iter()
            .map(|row| format!("Item({:?})", row.item_id)),
    );
    let mut two_of_one: BTreeSet<String> = BTreeSet::new();
    for it in operations(world) {
        let told = it.all_made();
        let name = |id: i64| match it.op {
            Op::CreateOrder { .. } => Some(format!("Order({:?})", OrderId(id))),
            Op::CreateUser => Some(format!("User({:?})", UserId(id))),
            Op::CreateItem { .. } => Some(format!("Item({:?})", ItemId(id))),
            _ => None,
        };
        if told.iter().any(|id| *id != told[0]) {
            two_of_one.extend(name(told[0]));
        }
        match (it.op, it.made()) {
            (Op::CreateOrder { .. }, Some(id)) => given.push(format!("Order({:?})", OrderId(id))),
            (Op::CreateUser, Some(id)) => given.push(format!("User({:?})", UserId(id))),
            (Op::CreateItem { .. }, Some(id)) => given.push(format!("Item({:?})", ItemId(id))),
            _ => {}
        }
    }
    let twice = given
        .iter()
        .filter(|id| before.contains(*id) || given.iter().filter(|other| other == id).count() > 1);
    twice.cloned().chain(two_of_one).collect()
}

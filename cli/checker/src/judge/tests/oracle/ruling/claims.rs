//! What each order must hold, and what it is taken to have been for.

use std::collections::BTreeSet;

use protocol::{ItemId, OrderId, UserId};

use super::{
    balances::{Good, asked, goods, moved},
    is_whole_history, last,
    order::class_of,
    paid_before,
};
use crate::{
    history::{Attempt, Op, Value},
    judge::tests::oracle::world::World,
    outcome::{Broken, Class},
    snapshot::{OrderLine, OrderRow},
    verdict::Label,
};

/// One logical operation with everything that was heard of it.
pub(super) struct Logical<'a> {
    pub(super) op: Op,
    pub(super) own: Vec<&'a Attempt>,
}

impl Logical<'_> {
    pub(super) fn class(&self) -> Class {
        let classes: Vec<Class> = self.own.iter().map(|attempt| attempt.class()).collect();
        class_of(&classes).unwrap()
    }

    /// Never, where no attempt left.
    pub(super) fn sent(&self) -> u64 {
        let left = self.own.iter().filter(|attempt| {
            let complete = attempt.complete.as_ref();
            complete.is_none_or(|complete| complete.broken != Some(Broken::NotSent))
        });
        left.map(|attempt| attempt.invoke.sent_us)
            .min()
            .unwrap_or(u64::MAX)
    }

    pub(super) fn acked(&self) -> Option<u64> {
        let ok = self.own.iter().filter(|it| it.class() == Class::Ok);
        ok.filter_map(|it| Some(it.complete.as_ref()?.at_us)).min()
    }

    pub(super) fn made(&self) -> Option<i64> {
        self.all_made().first().copied()
    }

    /// The ids of all answers, in their order.
    pub(super) fn all_made(&self) -> Vec<i64> {
        let values = self.own.iter().map(|attempt| attempt.value());
        let ids = values.filter_map(|value| match value {
            Some(Value::Created(id)) => Some(id),
            _ => None,
        });
        ids.collect()
    }
}

pub(super) fn operations(world: &World) -> Vec<Logical<'_>> {
    operations_of(world, |_| true)
}

/// The logical operations that ask for some of all things.
pub(super) fn operations_of(world: &World, is_it: impl Fn(Op) -> bool) -> Vec<Logical<'_>> {
    let attempts = world.history.attempts.iter();
    let attempts: Vec<&Attempt> = attempts.filter(|it| is_it(it.invoke.op)).collect();
    let ids: BTreeSet<u64> = attempts.iter().map(|attempt| attempt.invoke.id).collect();
    let of = |id: u64| {
        let own = attempts.iter().filter(|it| it.invoke.id == id);
        let own: Vec<&Attempt> = own.copied().collect();
        Logical {
            op: own[0].invoke.op,
            own,
        }
    };
    ids.into_iter().map(of).collect()
}

/// An addition that was not refused.
#[derive(Clone, Copy)]
pub(super) struct Addition {
    pub(super) item: ItemId,
    pub(super) quantity: i64,
    pub(super) sent: u64,
    pub(super) acked: Option<u64>,
}

pub(super) fn additions(world: &World, id: OrderId) -> Vec<Addition> {
    let all = operations_of(
        world,
        |op| matches!(op, Op::AddItem { order, .. } if order == id),
    );
    let own = all.iter().filter_map(|it| match it.op {
        Op::AddItem {
            order,
            item,
            quantity,
        } if order == id && it.class() != Class::Fail && may_count(world, id, it) => {
            Some(Addition {
                item,
                quantity: quantity.0,
                sent: it.sent(),
                acked: it.acked(),
            })
        }
        _ => None,
    });
    own.collect()
}

/// It was acknowledged; or it was sent before its order is known to have been paid, which closes an order.
fn may_count(world: &World, id: OrderId, it: &Logical<'_>) -> bool {
    let checkouts = world.history.attempts.iter();
    let paid = checkouts
        .filter(|own| own.invoke.op == (Op::Checkout { order: id }) && own.class() == Class::Ok)
        .filter_map(|own| Some(own.complete.as_ref()?.at_us));
    let was_open = || {
        paid.min()
            .is_none_or(|paid| it.sent() < paid || it.sent() == u64::MAX)
    };
    it.acked().is_some() || (!paid_before(world, id) && was_open())
}

pub(super) fn prepared(world: &World, id: OrderId) -> Option<&OrderRow> {
    world.initial.orders.iter().find(|row| row.order_id == id)
}

/// Whoever was told that it is theirs.
pub(super) fn makers(world: &World, id: OrderId) -> Vec<UserId> {
    let mut makers: Vec<UserId> = prepared(world, id)
        .map(|row| row.user_id)
        .into_iter()
        .collect();
    for it in operations_of(world, |op| matches!(op, Op::CreateOrder { .. })) {
        if let (Op::CreateOrder { user }, Some(made)) = (it.op, it.made())
            && made == id.0
        {
            makers.push(user);
        }
    }
    makers
}

/// A row that nobody was told of, and that no create of unknown outcome explains.
pub(super) fn is_stranger(world: &World, id: OrderId) -> bool {
    let unknown = |id: OrderId| makers(world, id).is_empty() && !paid_before(world, id);
    let rows = last(world).orders;
    let Some(row) = rows.iter().find(|row| row.order_id == id) else {
        return false;
    };
    let owner = row.user_id;
    let lower: BTreeSet<OrderId> = rows
        .iter()
        .filter(|other| other.order_id < id && unknown(other.order_id))
        .filter(|other| {
            rows.iter()
                .find(|it| it.order_id == other.order_id)
                .unwrap()
                .user_id
                == owner
        })
        .map(|other| other.order_id)
        .collect();
    let all = operations_of(world, |op| matches!(op, Op::CreateOrder { .. }));
    let unclaimed = all.iter().filter(|it| {
        matches!(it.op, Op::CreateOrder { user } if user == owner)
            && it.class() != Class::Fail
            && it.made().is_none()
    });
    unknown(id) && lower.len() >= unclaimed.count()
}

/// Whoever may own it; nobody, where it is not known to have been made.
pub(super) fn owners(world: &World, id: OrderId) -> Vec<UserId> {
    let makers = makers(world, id);
    if !makers.is_empty() || paid_before(world, id) || is_stranger(world, id) {
        return makers;
    }
    let rows = last(world).orders;
    let row = rows.iter().find(|row| row.order_id == id);
    row.map(|row| row.user_id).into_iter().collect()
}

pub(super) fn price(world: &World, id: OrderId, item: ItemId) -> Option<i64> {
    let own = prepared(world, id)
        .and_then(|row| row.lines.iter().find(|line| line.item_id == item))
        .map(|line| line.price);
    own.or_else(|| made_prices(world, item).first().copied())
        .or_else(|| {
            let last = last(world);
            let row = last.items.iter().find(|row| row.item_id == item);
            row.map(|row| row.price)
        })
}

pub(super) fn made_prices(world: &World, item: ItemId) -> Vec<i64> {
    let rows = world.initial.items.iter().filter(|row| row.item_id == item);
    let mut prices: Vec<i64> = rows.map(|row| row.price).collect();
    for it in operations_of(world, |op| matches!(op, Op::CreateItem { .. })) {
        if let (Op::CreateItem { price }, Some(made)) = (it.op, it.made())
            && made == item.0
        {
            prices.push(price.0);
        }
    }
    prices
}

/// Every choice of some of several things.
pub(super) fn subsets<T: Copy>(all: &[T]) -> Vec<Vec<T>> {
    all.iter().fold(vec![Vec::new()], |chosen, it| {
        let with = chosen.iter().map(|some| [&some[..], &[*it]].concat());
        chosen.iter().cloned().chain(with).collect()
    })
}

/// The order with its prepared lines and some additions; `None`: a price is not known.
pub(super) fn with(
    world: &World,
    id: OrderId,
    owner: UserId,
    some: &[Addition],
) -> Option<OrderRow> {
    priced(world, id, owner, some, None)
}

/// The same, where what has no known price costs this much.
pub(super) fn priced(
    world: &World,
    id: OrderId,
    owner: UserId,
    some: &[Addition],
    otherwise: Option<i64>,
) -> Option<OrderRow> {
    let prepared = prepared(world, id).map_or(Vec::new(), |row| row.lines.to_vec());
    let mut lines: Vec<OrderLine> = Vec::new();
    let prepared = prepared.iter().map(|line| (line.item_id, line.quantity));
    for (item_id, quantity) in prepared.chain(some.iter().map(|it| (it.item, it.quantity))) {
        match lines.iter_mut().find(|line| line.item_id == item_id) {
            Some(line) => line.quantity += quantity,
            None => lines.push(OrderLine {
                item_id,
                quantity,
                price: price(world, id, item_id).or(otherwise)?,
            }),
        }
    }
    Some(OrderRow {
        order_id: id,
        user_id: owner,
        paid: false,
        total_cost: lines.iter().map(|line| line.quantity * line.price).sum(),
        lines: lines.into(),
    })
}

/// All that was acknowledged, and every choice of what was not.
pub(super) fn possible(world: &World, id: OrderId, owner: UserId) -> Vec<OrderRow> {
    let (acked, unknown): (Vec<_>, Vec<_>) = additions(world, id)
        .into_iter()
        .partition(|it| it.acked.is_some());
    // Where a price is not known that any of them needs, there is no telling.
    let all = [&acked[..], &unknown[..]].concat();
    if with(world, id, owner, &all).is_none() {
        return Vec::new();
    }
    let choices = subsets(&unknown).into_iter();
    choices
        .filter_map(|some| with(world, id, owner, &[&acked[..], &some[..]].concat()))
        .collect()
}

/// In which way a row is not what was claimed.
pub(super) fn misfit(world: &World, id: OrderId, row: &OrderRow) -> Option<Label> {
    if is_stranger(world, id) {
        return Some(Label::Altered);
    }
    let owners = owners(world, id);
    owners.first()?;
    let held = |row: &OrderRow, item| asked(Some(row), Good::Pieces(item));
    let wrong_price =
        |line: &OrderLine| price(world, id, line.item_id).is_some_and(|price| price != line.price);
    let no_pieces = row.lines.iter().any(|line| line.quantity <= 0);
    if no_pieces || !owners.contains(&row.user_id) || row.lines.iter().any(wrong_price) {
        return Some(Label::Altered);
    }
    let all = additions(world, id);
    let mut items: BTreeSet<ItemId> = row.lines.iter().map(|line| line.item_id).collect();
    items.extend(all.iter().map(|it| it.item));
    let before = prepared(world, id);
    items.extend(
        before
            .into_iter()
            .flat_map(|row| row.lines.iter().map(|line| line.item_id)),
    );
    let mut labels = BTreeSet::new();
    let mut mended = Some(0);
    for item in items {
        let (acked, unknown): (Vec<&Addition>, Vec<&Addition>) = all
            .iter()
            .filter(|it| it.item == item)
            .partition(|it| it.acked.is_some());
        let base = before.map_or(0, |row| held(row, item))
            + acked.iter().map(|it| it.quantity).sum::<i64>();
        let sums = subsets(&unknown).into_iter();
        let mut sums = sums.map(|some| base + some.iter().map(|it| it.quantity).sum::<i64>());
        let is = held(row, item);
        let fits = sums.any(|sum| sum == is);
        let was_asked = before.is_some_and(|row| row.lines.iter().any(|line| line.item_id == item));
        let is_added = all.iter().any(|it| it.item == item);
        if !fits {
            labels.insert(match is_added {
                _ if is < base => Label::LostLine,
                true => Label::DoubleLine,
                false => Label::Altered,
            });
        }
        if was_asked || is_added {
            let each = price(world, id, item);
            let quantity = if fits { is } else { base };
            mended = mended.zip(each).map(|(sum, each)| sum + quantity * each);
        }
    }
    let by_lines: i64 = row
        .lines
        .iter()
        .map(|line| line.quantity * line.price)
        .sum();
    let cost = row.total_cost;
    if cost != by_lines && (labels.is_empty() || mended != Some(cost)) {
        return Some(Label::Altered);
    }
    labels.into_iter().next()
}

/// Everything of it happened, once, by some reading.
fn is_whole(world: &World, id: OrderId, reading: &OrderRow) -> bool {
    let rows = last(world).orders;
    let paid = rows
        .iter()
        .find(|row| row.order_id == id)
        .is_some_and(|row| row.paid);
    let mut all = goods_of(world);
    all.insert(Good::Credit(reading.user_id));
    all.extend(reading.lines.iter().map(|line| Good::Pieces(line.item_id)));
    paid && all
        .into_iter()
        .all(|good| moved(world, id, good) == asked(Some(reading), good))
}

/// Every good that anything moved.
fn goods_of(world: &World) -> BTreeSet<Good> {
    let last = last(world);
    let payments = last
        .payment_movements
        .iter()
        .map(|m| Good::Credit(m.user_id));
    let stock = last.stock_movements.iter().map(|m| Good::Pieces(m.item_id));
    payments.chain(stock).collect()
}

/// Nothing of it happened.
fn is_none(world: &World, id: OrderId) -> bool {
    let rows = last(world).orders;
    let paid = rows
        .iter()
        .find(|row| row.order_id == id)
        .is_some_and(|row| row.paid);
    !paid
        && goods_of(world)
            .into_iter()
            .all(|good| moved(world, id, good) == 0)
}

/// The owner whose reading is taken where none fits: who paid, else the row's, else the first.
fn likely_owner(world: &World, id: OrderId) -> Option<UserId> {
    let last = last(world);
    let mut paid: Vec<_> = last
        .payment_movements
        .iter()
        .filter(|m| m.order_id == id && m.movement_id > world.initial.payment_watermark)
        .collect();
    paid.sort_by_key(|m| m.movement_id);
    let owners = owners(world, id);
    let row = last.orders.iter().find(|row| row.order_id == id);
    let mut told = paid
        .iter()
        .map(|m| m.user_id)
        .chain(row.map(|row| row.user_id));
    told.find(|user| owners.contains(user))
        .or(owners.first().copied())
}

/// What was ordered: as the row says, or as was claimed, whichever all that happened fits.
pub(super) fn ordered(world: &World, id: OrderId) -> Option<OrderRow> {
    let rows = last(world).orders;
    let row = rows.iter().find(|row| row.order_id == id);
    let trusted = row.filter(|row| !is_whole_history(world) || misfit(world, id, row).is_none());
    let base = || {
        let acked: Vec<_> = additions(world, id)
            .into_iter()
            .filter(|it| it.acked.is_some())
            .collect();
        let every = additions(world, id);
        let owner = likely_owner(world, id)?;
        with(world, id, owner, &every)?;
        with(world, id, owner, &acked)
    };
    let first = trusted.cloned().or_else(base).or_else(|| row.cloned());
    let settled = first
        .as_ref()
        .is_some_and(|first| is_whole(world, id, first));
    if settled || is_none(world, id) || paid_before(world, id) {
        return first;
    }
    let claimed = owners(world, id)
        .into_iter()
        .flat_map(|owner| possible(world, id, owner));
    let other = claimed
        .chain(row.cloned())
        .find(|row| is_whole(world, id, row));
    other.or(first)
}

/// Whether what was charged is less or more than what its row, which may be right, holds.
pub(super) fn uncharged(world: &World, id: OrderId) -> Option<Label> {
    let rows = last(world).orders;
    let row = rows.iter().find(|row| row.order_id == id)?;
    let charged = ordered(world, id)?;
    let differences = goods(world).into_iter().filter_map(|good| match good {
        Good::Credit(_) => None,
        Good::Pieces(_) => {
            let (is, of) = (asked(Some(row), good), asked(Some(&charged), good));
            (is != of).then_some(if is < of {
                Label::LostLine
            } else {
                Label::Altered
            })
        }
    });
    differences.min()
}

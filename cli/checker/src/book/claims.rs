//! What an order must hold: what was prepared, and what its clients were told of it.

use protocol::{ItemId, OrderId, UserId};

use super::{Misfit, Prices, Write, is_sum};
use crate::{
    history::Op,
    outcome::Class,
    snapshot::{OrderLine, OrderRow},
};

/// An addition to an order that happened, or that may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addition {
    pub(crate) id: u64,
    pub(crate) order: OrderId,
    pub(crate) item: ItemId,
    pub(crate) quantity: i64,
    /// When its first attempt left; `None`: none ever did.
    pub(crate) sent_us: Option<u64>,
    /// When it was acknowledged; `None`: nobody knows whether it happened.
    pub(crate) acked_us: Option<u64>,
}

impl Addition {
    pub(super) fn of(write: &Write) -> Option<Self> {
        let Op::AddItem {
            order,
            item,
            quantity,
        } = write.op
        else {
            return None;
        };
        (write.class != Class::Fail).then_some(Self {
            id: write.id,
            order,
            item,
            quantity: quantity.0,
            sent_us: write.sent_us,
            acked_us: write.acked_us,
        })
    }
}

/// A create of an order whose client was told the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Creation {
    pub(crate) order: OrderId,
    pub(crate) id: u64,
    pub(crate) owner: UserId,
    /// When its first attempt left; `None`: none ever did.
    pub(crate) sent_us: Option<u64>,
}

/// All that was claimed of one order that somebody made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claims<'a> {
    /// Its row before the load.
    pub(crate) known: Option<&'a OrderRow>,
    pub(crate) creations: &'a [Creation],
    /// Ascending by operation.
    pub(crate) additions: &'a [Addition],
    /// Whoever may own it by a create of which nobody was told the id.
    pub(crate) guessed: Option<UserId>,
    pub(crate) prices: &'a Prices,
}

/// What an order must hold of one item. Quantities are in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimedLine {
    pub(crate) item: ItemId,
    /// Prepared and acknowledged.
    pub(crate) base: i128,
    /// What may have been added to that.
    pub(crate) perhaps: Vec<i128>,
    /// The run asked for it to be added.
    pub(crate) is_added: bool,
    /// What one piece costs, where that is known.
    pub(crate) price: Option<i64>,
}

impl ClaimedLine {
    pub(crate) fn may_hold(&self, quantity: i128) -> bool {
        is_sum(&self.perhaps, quantity - self.base)
    }
}

impl Claims<'_> {
    /// Whoever may own it: more than one where its id was given twice.
    pub(crate) fn owners(&self) -> impl Iterator<Item = UserId> {
        let known = self.known.map(|row| row.user_id);
        let creators = self.creations.iter().map(|creation| creation.owner);
        known.into_iter().chain(creators).chain(self.guessed)
    }

    /// Whether nothing but its preparation speaks of what it holds.
    pub(crate) fn is_only_prepared(&self) -> bool {
        self.known.is_some() && self.creations.is_empty() && self.additions.is_empty()
    }

    /// What it must hold of every item that it was prepared with or that was added.
    pub(crate) fn lines(&self) -> Vec<ClaimedLine> {
        let mut lines: Vec<ClaimedLine> = Vec::new();
        let prepared = self.known.map_or(&[][..], |row| &row.lines);
        for line in prepared {
            let own = line_of(&mut lines, line.item_id);
            own.base += i128::from(line.quantity);
            own.price = own.price.or(Some(line.price));
        }
        for addition in self.additions {
            let own = line_of(&mut lines, addition.item);
            own.is_added = true;
            own.price = own.price.or_else(|| self.prices.of_item(addition.item));
            match addition.acked_us {
                Some(_) => own.base += i128::from(addition.quantity),
                None => own.perhaps.push(addition.quantity.into()),
            }
        }
        lines
    }

    /// Its row with some quantity of each item; `None` where an item's price is not known.
    pub(crate) fn row(
        &self,
        owner: UserId,
        quantity: impl Fn(&ClaimedLine) -> i128,
    ) -> Option<OrderRow> {
        let mut lines = Vec::new();
        let mut cost = 0_i128;
        for line in self.lines() {
            let (quantity, price) = (quantity(&line), line.price?);
            cost += quantity * i128::from(price);
            if quantity != 0 {
                lines.push(OrderLine {
                    item_id: line.item,
                    quantity: i64::try_from(quantity).ok()?,
                    price,
                });
            }
        }
        Some(OrderRow {
            order_id: OrderId(0),
            user_id: owner,
            paid: false,
            total_cost: i64::try_from(cost).ok()?,
            lines: lines.into(),
        })
    }

    /// The first way in which a row is not what it must be.
    pub(crate) fn misfit(&self, row: &OrderRow) -> Option<Misfit> {
        if let Some(line) = row.lines.iter().find(|line| line.quantity <= 0) {
            let (item, is) = (line.item_id, line.quantity);
            return Some(Misfit::Quantity { item, is });
        }
        if self.is_only_prepared() && self.known.is_some_and(|known| is_same(known, row)) {
            return None;
        }
        let owner = self.owners().next()?;
        if self.owners().all(|owner| owner != row.user_id) {
            return Some(Misfit::Owner {
                is: row.user_id,
                of: owner,
            });
        }
        let claimed = self.lines();
        for line in &row.lines {
            let own = claimed.iter().find(|claimed| claimed.item == line.item_id);
            let made = own.map_or_else(|| self.prices.of_item(line.item_id), |own| own.price);
            if let Some(made) = made.filter(|made| *made != line.price) {
                return Some(Misfit::Price {
                    item: line.item_id,
                    is: line.price,
                    made,
                });
            }
        }
        let wrong = wrong_lines(&claimed, row);
        Misfit::cost(row, &claimed, &wrong).or_else(|| wrong.into_iter().min_by_key(Misfit::rank))
    }
}

/// What is wrong with a row's quantities, item by item.
fn wrong_lines(claimed: &[ClaimedLine], row: &OrderRow) -> Vec<Misfit> {
    let mut wrong = Vec::new();
    for own in claimed {
        let (item, is, of) = (own.item, held(row, own.item), own.base);
        if own.may_hold(is) {
            continue;
        }
        wrong.push(match own.is_added {
            _ if is < of => Misfit::Lost { item, is, of },
            true => Misfit::Doubled { item, is, of },
            false => Misfit::Unasked { item, is, of },
        });
    }
    for line in &row.lines {
        let item = line.item_id;
        if claimed.iter().all(|own| own.item != item) {
            let is = held(row, item);
            wrong.push(Misfit::Unasked { item, is, of: 0 });
        }
    }
    wrong
}

/// How many pieces of an item a row holds, over all its lines.
pub(crate) fn held(row: &OrderRow, item: ItemId) -> i128 {
    let lines = row.lines.iter().filter(|line| line.item_id == item);
    lines.map(|line| i128::from(line.quantity)).sum()
}

fn is_same(known: &OrderRow, row: &OrderRow) -> bool {
    let head = |row: &OrderRow| (row.user_id, row.total_cost);
    head(known) == head(row) && known.lines == row.lines
}

/// An order has a handful of lines: a search beats a map.
fn line_of(lines: &mut Vec<ClaimedLine>, item: ItemId) -> &mut ClaimedLine {
    let at = lines.iter().position(|line| line.item == item);
    let at = at.unwrap_or_else(|| {
        lines.push(ClaimedLine {
            item,
            base: 0,
            perhaps: Vec::new(),
            is_added: false,
            price: None,
        });
        lines.len() - 1
    });
    &mut lines[at]
}

//! What became of one order: how often it was charged and its goods taken, and whether it is paid.

use std::fmt;

use protocol::{ItemId, UserId};

use crate::snapshot::{OrderRow, PaymentMovement, StockMovement};

/// What one part of an order touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Good {
    Credit(UserId),
    Item(ItemId),
}

impl fmt::Display for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credit(user) => write!(f, "user {user}'s credit"),
            Self::Item(item) => write!(f, "item {item}"),
        }
    }
}

/// One part of an order: π for the credit, σ for an item, as a fraction `taken / ordered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) good: Good,
    /// Taken less given back, ever.
    pub(crate) taken: i128,
    /// What of that was taken before the load.
    pub(crate) before: i128,
    /// What the order is for; 0 if it has nothing to do with this good.
    pub(crate) ordered: i128,
}

/// What could be seen of an order's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// `None`: paid flags were not read.
    pub(crate) paid: Option<bool>,
    /// Whether the ledgers were read.
    pub(crate) ledgers: bool,
    /// Whether it is known what was ordered, or that nobody knows.
    pub(crate) lines: bool,
}

/// Whether an order was paid before the ledgers were watched, and as what.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PaidBefore<'a> {
    No,
    /// As its row was before the load.
    As(&'a OrderRow),
    /// Nobody knows what it held then: as it is taken to have been for.
    AsItIs,
}

/// An order's effect, over all its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) seen: Seen,
    pub(crate) parts: Vec<Part>,
}

impl Effect {
    /// Adds up an order's movements. An order that was paid before the ledgers were watched counts as done.
    pub(crate) fn of(
        ordered: Option<&OrderRow>,
        seen: Seen,
        paid_before: PaidBefore<'_>,
        payments: &[&PaymentMovement],
        stock: &[&StockMovement],
    ) -> Self {
        let mut parts = Vec::with_capacity(4);
        if let Some(order) = ordered {
            add(&mut parts, Good::Credit(order.user_id), 0, order.total_cost);
            for line in &order.lines {
                add(&mut parts, Good::Item(line.item_id), 0, line.quantity);
            }
        }
        if let PaidBefore::As(row) = paid_before {
            add(&mut parts, Good::Credit(row.user_id), -row.total_cost, 0);
            for line in &row.lines {
                add(&mut parts, Good::Item(line.item_id), -line.quantity, 0);
            }
        }
        for part in &mut parts {
            if let PaidBefore::AsItIs = paid_before {
                part.taken = part.ordered;
            }
            part.before = part.taken;
        }
        for movement in payments {
            let good = Good::Credit(movement.user_id);
            add(&mut parts, good, movement.delta, 0);
        }
        for movement in stock {
            add(&mut parts, Good::Item(movement.item_id), movement.delta, 0);
        }
        Self { seen, parts }
    }

    /// It was read as paid.
    pub(crate) fn is_paid(&self) -> bool {
        self.seen.paid == Some(true)
    }

    /// Nothing that was read speaks against nothing of it having happened.
    pub(crate) fn may_be_none(&self) -> bool {
        !self.is_paid() && (!self.seen.ledgers || self.parts.iter().all(|part| part.taken == 0))
    }

    /// Nothing that was read speaks against all of it having happened, once.
    pub(crate) fn may_be_whole(&self) -> bool {
        let parts = || self.parts.iter().all(|part| part.taken == part.ordered);
        self.seen.paid != Some(false) && (!self.seen.ledgers || !self.seen.lines || parts())
    }
}

/// An order has a handful of parts: a search beats a map.
fn add(parts: &mut Vec<Part>, good: Good, delta: i64, ordered: i64) {
    let (taken, ordered) = (-i128::from(delta), i128::from(ordered));
    match parts.iter_mut().find(|part| part.good == good) {
        Some(part) => {
            part.taken += taken;
            part.ordered += ordered;
        }
        None => parts.push(Part {
            good,
            taken,
            before: 0,
            ordered,
        }),
    }
}

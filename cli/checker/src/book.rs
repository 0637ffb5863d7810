//! Everything that is known of each order, user and item, side by side.

use std::borrow::Cow;

use protocol::{ItemId, OrderId, UserId};

use crate::{
    effect::Effect,
    history::{Attempt, History},
    outcome::Class,
    snapshot::{Initial, OrderRow, PaymentMovement, Snapshot, StockMovement},
};

mod balance;
mod claims;
mod existence;
mod misfit;
mod prices;
mod reading;
mod sight;
mod sources;
mod sums;
mod writes;

pub(crate) use balance::Balance;
pub(crate) use claims::{Addition, ClaimedLine, Claims, Creation};
pub(crate) use existence::{duplicates, stranger_items, stranger_users};
pub(crate) use misfit::Misfit;
pub(crate) use prices::Prices;
pub(crate) use sight::Sight;
use sources::Sources;
pub(crate) use sums::is_sum;
pub(crate) use writes::{Write, acked_us, sent_us, writes};

/// One order, from every side.
pub(crate) struct OrderFacts<'a> {
    pub(crate) order_id: OrderId,
    /// Every attempt at a checkout, in the order in which they were sent.
    pub(crate) checkouts: &'a [&'a Attempt],
    /// What all those attempts together told; `None`: there were none.
    pub(crate) class: Option<Class>,
    /// Its row at the final read.
    pub(crate) row: Option<&'a OrderRow>,
    /// Its row before the load, where it was known then.
    pub(crate) known: Option<&'a OrderRow>,
    /// What its clients were told that it holds; `None`: nobody is known to have made it.
    pub(crate) claims: Option<Claims<'a>>,
    /// The first way in which its row is not what was claimed.
    pub(crate) misfit: Option<Misfit>,
    /// What was added to it, or may have been.
    pub(crate) additions: &'a [Addition],
    /// Its ok reads during the load.
    pub(crate) reads: &'a [&'a Attempt],
    /// What was ordered: by its row, or by what was claimed, whichever everything that happened fits.
    pub(crate) ordered: Option<Cow<'a, OrderRow>>,
    /// Whether somebody was told that this order exists.
    pub(crate) created: bool,
    pub(crate) paid_before: bool,
    pub(crate) payments: &'a [&'a PaymentMovement],
    pub(crate) stock: &'a [&'a StockMovement],
    pub(crate) effect: Effect,
}

impl OrderFacts<'_> {
    /// Whether it became paid in this run.
    pub(crate) fn is_newly_paid(&self) -> bool {
        self.effect.is_paid() && !self.paid_before
    }

    /// Its row was looked for and is not there.
    pub(crate) fn is_gone(&self) -> bool {
        self.row.is_none() && self.effect.seen.paid.is_some()
    }
}

/// All that is known after a run, ascending by id. An order's facts are put together when they are asked
/// for: a million of them need not be in memory at once.
pub(crate) struct Book<'a> {
    sources: Sources<'a>,
    pub(crate) writes: Vec<Write>,
    pub(crate) order_count: usize,
    pub(crate) users: Vec<Balance<UserId>>,
    pub(crate) items: Vec<Balance<ItemId>>,
}

impl<'a> Book<'a> {
    pub(crate) fn new(history: &'a History, initial: &'a Initial, last: &'a Snapshot) -> Self {
        let writes = writes(history);
        let sources = Sources::new(history, &writes, initial, last);
        let mut order_count = 0;
        sources.each_order(|_| order_count += 1);
        let (users, items) = balance::all(history, &writes, initial, last, &sources);
        Self {
            sources,
            writes,
            order_count,
            users,
            items,
        }
    }

    /// Shows every order, ascending.
    pub(crate) fn each_order(&self, visit: impl FnMut(&OrderFacts<'_>)) {
        self.sources.each_order(visit);
    }

    /// One order; `None`: nobody has heard of it.
    pub(crate) fn order(&self, order_id: OrderId) -> Option<OrderFacts<'_>> {
        self.sources.order(order_id)
    }

    /// Whether every request is known, with what came of it.
    pub(crate) fn has_whole_history(&self) -> bool {
        self.sources.have_whole_history()
    }

    /// What each item costs.
    pub(crate) fn prices(&self) -> &Prices {
        self.sources.prices()
    }

    /// Orders that were paid before the load, ascending.
    pub(crate) fn paid_before(&self) -> &[OrderId] {
        self.sources.paid_before()
    }
}

/// Ok if any attempt was, else info if any was, else fail if there was one.
pub(crate) fn class_of(attempts: impl Iterator<Item = Class>) -> Option<Class> {
    attempts.fold(None, |whole, attempt| match (whole, attempt) {
        (Some(Class::Ok), _) | (_, Class::Ok) => Some(Class::Ok),
        (Some(Class::Info), _) | (_, Class::Info) => Some(Class::Info),
        (_, Class::Fail) => Some(Class::Fail),
    })
}

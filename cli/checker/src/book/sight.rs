//! What a read of an order saw, against all that the order may have held at that time.

use protocol::{ItemId, UserId};

use super::{Addition, Claims};
use crate::{
    contents::Digest,
    history::{Attempt, Value},
};

/// Of so many additions that may or may not have happened every subset is tried: at most 1024.
const UNCERTAIN_MAX: usize = 10;

/// What a read is, by what it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    Right,
    /// It missed an addition that had been acknowledged before it began.
    Stale,
    /// The order never held what it saw.
    Wrong,
    /// Too little is known of the order, or too much may have happened to it.
    Unclear,
}

impl Claims<'_> {
    /// Judges one ok read of the order.
    pub(crate) fn sight(&self, read: &Attempt) -> Sight {
        let (Some(Value::Order { contents, .. }), Some(complete)) = (read.value(), &read.complete)
        else {
            return Sight::Unclear;
        };
        let makers = self.creations.len() + usize::from(self.known.is_some());
        let Some(owner) = self.owners().next().filter(|_| makers == 1) else {
            return Sight::Unclear;
        };
        let made = self.creations.iter().filter_map(|it| it.sent_us);
        if made.min().is_some_and(|sent_us| complete.at_us < sent_us) {
            return Sight::Wrong;
        }
        let began_us = read.invoke.sent_us;
        let invoked = self.additions.iter();
        let invoked = invoked.filter(|it| it.sent_us.is_some_and(|at| at <= complete.at_us));
        let (certain, uncertain): (Vec<&Addition>, Vec<&Addition>) =
            invoked.partition(|it| it.acked_us.is_some_and(|at| at < began_us));
        match self.may_show(contents, owner, &certain, &uncertain) {
            Some(true) => return Sight::Right,
            None => return Sight::Unclear,
            Some(false) => {}
        }
        let all: Vec<&Addition> = certain.into_iter().chain(uncertain).collect();
        match self.may_show(contents, owner, &[], &all) {
            Some(true) => Sight::Stale,
            Some(false) | None => Sight::Wrong,
        }
    }

    /// Whether some of the uncertain additions, with all of the certain ones, give this digest; `None`: it cannot be
    /// said.
    fn may_show(
        &self,
        seen: Digest,
        owner: UserId,
        certain: &[&Addition],
        uncertain: &[&Addition],
    ) -> Option<bool> {
        if uncertain.len() > UNCERTAIN_MAX {
            return None;
        }
        let prepared = self.known.map_or(&[][..], |row| &row.lines);
        let mut lines: Vec<(ItemId, i64)> = Vec::with_capacity(prepared.len() + certain.len());
        lines.extend(prepared.iter().map(|line| (line.item_id, line.quantity)));
        lines.extend(certain.iter().map(|it| (it.item, it.quantity)));
        let base = lines.len();
        for subset in 0..1_u32 << uncertain.len() {
            lines.truncate(base);
            let chosen = uncertain.iter().enumerate();
            let chosen = chosen.filter(|(bit, _)| subset & (1 << bit) != 0);
            lines.extend(chosen.map(|(_, it)| (it.item, it.quantity)));
            let mut cost = 0_i64;
            for (item, quantity) in &lines {
                cost = cost.saturating_add(quantity.saturating_mul(self.price(*item)?));
            }
            if Digest::of(owner, cost, lines.iter().copied()) == seen {
                return Some(true);
            }
        }
        Some(false)
    }

    /// What a piece of an item costs in this order: as prepared, else as the item was made.
    pub(crate) fn price(&self, item: ItemId) -> Option<i64> {
        let prepared = self.known.map_or(&[][..], |row| &row.lines);
        let own = prepared.iter().find(|line| line.item_id == item);
        own.map(|line| line.price)
            .or_else(|| self.prices.of_item(item))
    }
}

//! What an order is taken to have been for, and what became of it by that.
//!
//! There are two readings: its final row, and what its clients were told. Where everything that happened is wholly
//! none or wholly done by one of them, the order is neither torn nor doubled; where the two differ, that is said of its
//! contents.

use std::borrow::Cow;

use protocol::{ItemId, UserId};

use super::{Claims, Misfit};
use crate::{
    effect::{Effect, PaidBefore, Seen},
    snapshot::{OrderRow, PaymentMovement, StockMovement},
};

pub(super) struct Reading<'a> {
    pub(super) ordered: Option<Cow<'a, OrderRow>>,
    pub(super) effect: Effect,
    pub(super) misfit: Option<Misfit>,
}

/// What speaks of one order.
pub(super) struct Voices<'s, 'a> {
    pub(super) row: Option<&'s OrderRow>,
    pub(super) claims: Option<Claims<'s>>,
    pub(super) is_stranger: bool,
    pub(super) paid_before: bool,
    pub(super) payments: &'s [&'a PaymentMovement],
    pub(super) stock: &'s [&'a StockMovement],
    pub(super) seen: Seen,
    /// Whether every request is known, so that no unseen one changed the order.
    pub(super) whole_history: bool,
}

impl<'s> Voices<'s, '_> {
    pub(super) fn read(&self) -> Reading<'s> {
        let misfit = self.misfit();
        let trusts_row = misfit.is_none() || !self.whole_history;
        let first = match self.row {
            Some(row) if trusts_row => Some(Cow::Borrowed(row)),
            _ => self.base().or_else(|| self.row.map(Cow::Borrowed)),
        };
        let effect = self.effect(first.as_deref());
        let reading = Reading {
            ordered: first,
            effect,
            misfit,
        };
        // What was paid before moved nothing by any reading.
        let is_settled = reading.effect.may_be_none() || reading.effect.may_be_whole();
        if is_settled || self.paid_before || self.is_plain() {
            return reading;
        }
        let others = self
            .claimed()
            .into_iter()
            .chain(self.row.map(Cow::Borrowed));
        for other in others {
            let effect = self.effect(Some(&other));
            if effect.may_be_whole() {
                let row = self.row.filter(|_| misfit.is_none());
                let uncharged = row.and_then(|row| Misfit::uncharged(row, &other));
                return Reading {
                    ordered: Some(other),
                    effect,
                    misfit: misfit.or(uncharged),
                };
            }
        }
        reading
    }

    fn misfit(&self) -> Option<Misfit> {
        let row = self.row?;
        if self.is_stranger {
            return Some(Misfit::Stranger);
        }
        self.claims.as_ref()?.misfit(row)
    }

    /// Whether there is but one reading.
    fn is_plain(&self) -> bool {
        let only_prepared = self.claims.as_ref().is_some_and(Claims::is_only_prepared);
        only_prepared && self.misfit().is_none()
    }

    fn effect(&self, ordered: Option<&OrderRow>) -> Effect {
        let known = self.claims.as_ref().and_then(|claims| claims.known);
        let paid_before = match known {
            _ if !self.paid_before => PaidBefore::No,
            Some(row) => PaidBefore::As(row),
            None => PaidBefore::AsItIs,
        };
        Effect::of(ordered, self.seen, paid_before, self.payments, self.stock)
    }

    /// What was prepared and acknowledged.
    fn base(&self) -> Option<Cow<'s, OrderRow>> {
        let claims = self.claims.as_ref()?;
        if let Some(known) = claims.known.filter(|_| claims.is_only_prepared()) {
            return Some(Cow::Borrowed(known));
        }
        let owner = self.owner(claims)?;
        claims.row(owner, |line| line.base).map(Cow::Owned)
    }

    /// What was claimed, with those of the unknown additions that make it fit what was taken.
    fn claimed(&self) -> Option<Cow<'s, OrderRow>> {
        let claims = self.claims.as_ref()?;
        let owner = self.owner(claims)?;
        let row = claims.row(owner, |line| {
            let taken = self.taken(line.item);
            if line.may_hold(taken) {
                taken
            } else {
                line.base
            }
        });
        row.map(Cow::Owned)
    }

    /// Whoever paid for it, if that may be its owner; else its row's owner, if that may be; else its first.
    fn owner(&self, claims: &Claims<'_>) -> Option<UserId> {
        let paid = self.payments.iter().map(|movement| movement.user_id);
        let mut told = paid.chain(self.row.map(|row| row.user_id));
        let fits = |user: &UserId| claims.owners().any(|owner| owner == *user);
        told.find(fits).or_else(|| claims.owners().next())
    }

    fn taken(&self, item: ItemId) -> i128 {
        let own = self
            .stock
            .iter()
            .filter(|movement| movement.item_id == item);
        -own.map(|movement| i128::from(movement.delta)).sum::<i128>()
    }
}

//! A read sees what was acknowledged before it began.

use std::collections::{BTreeMap, BTreeSet};

use protocol::OrderId;

use super::{Finding, Looked, Scene};
use crate::{
    book::{OrderFacts, Sight, acked_us},
    explain::seconds,
    history::Value,
    verdict::Label,
};

mod bounds;
mod purchase;

/// A read of an order that missed a checkout that had been acknowledged before.
pub(super) fn unpaid(order: &OrderFacts<'_>) -> Option<Finding> {
    let acked_us = acked_us(order.checkouts)?;
    let missed = order.reads.iter().find(|read| {
        let unpaid = matches!(read.value(), Some(Value::Order { paid: false, .. }));
        unpaid && read.invoke.sent_us > acked_us
    })?;
    let contradiction = format!(
        "its checkout was acknowledged at {}, and a read at {} saw it not paid",
        seconds(acked_us),
        seconds(missed.invoke.sent_us)
    );
    Some(Finding::of_order(Label::Stale, order, contradiction))
}

/// A read of an order that missed a line that had been acknowledged before.
pub(super) fn unextended(order: &OrderFacts<'_>) -> Option<Finding> {
    let claims = order.claims.as_ref()?;
    let missed = order
        .reads
        .iter()
        .find(|read| claims.sight(read) == Sight::Stale)?;
    let contradiction = format!(
        "a read at {} missed what had been added to it before",
        seconds(missed.invoke.sent_us)
    );
    Some(Finding::of_order(Label::Stale, order, contradiction))
}

/// Adds the reads of credit and stock to those of orders. Where a read is already known to have been reverted, it is
/// not said twice.
pub(super) fn check(
    scene: &Scene<'_>,
    mut orders: Vec<Finding>,
    reverted: &[Finding],
    labels: &BTreeMap<OrderId, Label>,
) -> Looked {
    let reverted: BTreeSet<_> = reverted.iter().map(|finding| &finding.subject).collect();
    orders.retain(|finding| !reverted.contains(&finding.subject));
    let mut looked = Looked {
        // The final rows are reads as well: their own checks say what they miss.
        counted: scene.last.orders.len() as u64,
        undecided: None,
        findings: orders,
    };
    scene
        .book
        .each_order(|order| looked.counted += order.reads.len() as u64);
    if scene.book.has_whole_history() {
        bounds::check(scene, labels, &mut looked);
    } else {
        let why = "the history is not whole, so no credit and no stock has bounds";
        looked.undecided = Some(why.to_owned());
    }
    looked
}

#[cfg(test)]
mod tests;

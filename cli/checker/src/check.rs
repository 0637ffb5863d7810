//! The checks: each looks at the book, the history or the final reads, and says what is wrong.

use std::collections::BTreeMap;

use protocol::OrderId;

use crate::{
    book::{Book, OrderFacts},
    explain::list,
    judge::{Quiet, Run},
    snapshot::{Snapshot, Subject},
    verdict::{Check, Label},
};

mod acknowledged;
mod atomicity;
mod balances;
mod compensation;
mod credit;
mod double;
mod monotone;
mod non_negative;
mod phantom;
mod replicas;
mod settled;
mod stock;

/// Something wrong, not yet explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) label: Label,
    pub(crate) subject: Subject,
    /// The orders that it is about, ascending.
    pub(crate) orders: Vec<OrderId>,
    /// What contradicts what, as the end of a sentence that begins with "However".
    pub(crate) contradiction: String,
}

impl Finding {
    fn of_order(label: Label, order: &OrderFacts<'_>, contradiction: String) -> Self {
        Self {
            label,
            subject: Subject::Order(order.order_id),
            orders: vec![order.order_id],
            contradiction,
        }
    }
}

/// What one check looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    /// How many things it looked at.
    pub(crate) counted: u64,
    /// Why it cannot say that everything holds, where that is so.
    pub(crate) undecided: Option<String>,
    pub(crate) findings: Vec<Finding>,
}

/// What all checks look at.
pub(crate) struct Scene<'a> {
    pub(crate) run: &'a Run<'a>,
    pub(crate) last: &'a Snapshot,
    pub(crate) book: &'a Book<'a>,
    pub(crate) quiet: &'a Quiet,
}

/// Runs every check, in the order of [`Check::ALL`].
pub(crate) fn all(scene: &Scene<'_>) -> Vec<(Check, Looked)> {
    let mut orders = label_orders(scene.book);
    let labels: BTreeMap<OrderId, Label> = orders
        .iter()
        .map(|found| (found.orders[0], found.label))
        .collect();
    Check::ALL
        .into_iter()
        .map(|check| {
            let looked = match check {
                Check::Compensation
                | Check::Double
                | Check::Atomicity
                | Check::Acknowledged
                | Check::Phantom => Looked {
                    counted: scene.book.orders.len() as u64,
                    undecided: None,
                    findings: orders
                        .extract_if(.., |finding| finding.label.check() == check)
                        .collect(),
                },
                Check::Credit => blame(credit::check(scene), &labels),
                Check::Stock => blame(stock::check(scene), &labels),
                Check::NonNegative => non_negative::check(scene),
                Check::Monotone => monotone::check(scene),
                Check::Replicas => replicas::check(scene),
                Check::Settled => settled::check(scene),
            };
            (check, looked)
        })
        .collect()
}

/// Says which orders of a leak are wrong by themselves: they are where to look first.
fn blame(mut looked: Looked, labels: &BTreeMap<OrderId, Label>) -> Looked {
    for finding in &mut looked.findings {
        let mut wrong: BTreeMap<Label, Vec<OrderId>> = BTreeMap::new();
        for order in &finding.orders {
            if let Some(label) = labels.get(order) {
                wrong.entry(*label).or_default().push(*order);
            }
        }
        for (label, orders) in wrong {
            let orders = list(orders.iter().map(ToString::to_string), ", ");
            finding.contradiction += &format!("; {label} by themselves: {orders}");
        }
    }
    looked
}

/// Gives each order at most one label: the first that fits.
fn label_orders(book: &Book<'_>) -> Vec<Finding> {
    const FIRST_MATCH: [fn(&OrderFacts<'_>) -> Option<Finding>; 5] = [
        compensation::find,
        double::find,
        atomicity::find,
        acknowledged::find,
        phantom::find,
    ];
    book.orders
        .iter()
        .filter_map(|order| FIRST_MATCH.iter().find_map(|find| find(order)))
        .collect()
}

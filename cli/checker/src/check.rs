//! The checks: each looks at the book, the history or the final reads, and says what is wrong.

use std::collections::BTreeMap;

use protocol::OrderId;

use crate::{
    book::{Book, OrderFacts},
    explain::list,
    judge::{Footing, Quiet, Run},
    snapshot::{Snapshot, Subject, Witnesses},
    verdict::{Check, Label},
};

mod acknowledged;
mod atomicity;
mod balances;
mod compensation;
mod contents;
mod credit;
mod double;
mod fresh;
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
    pub(crate) footing: &'a Footing,
}

/// Runs every check, in the order of [`Check::ALL`].
pub(crate) fn all(scene: &Scene<'_>) -> Vec<(Check, Looked)> {
    let mut orders = label_orders(scene.book);
    let labels: BTreeMap<OrderId, Label> = orders
        .findings
        .iter()
        .map(|found| (found.orders[0], found.label))
        .collect();
    let monotone = monotone::check(scene);
    Check::ALL
        .into_iter()
        .map(|check| {
            let looked = match check {
                Check::Compensation
                | Check::Double
                | Check::Atomicity
                | Check::Acknowledged
                | Check::Phantom => Looked {
                    counted: orders.counted,
                    undecided: orders.blind_spot(check, scene.last.witnesses),
                    findings: orders.of(check),
                },
                Check::Contents => contents::check(scene, orders.counted, orders.of(check)),
                Check::Credit => blame(credit::check(scene), &labels),
                Check::Stock => blame(stock::check(scene), &labels),
                Check::NonNegative => non_negative::check(scene),
                Check::Monotone => monotone.clone(),
                Check::Fresh => {
                    let stale = std::mem::take(&mut orders.stale);
                    fresh::check(scene, stale, &monotone.findings, &labels)
                }
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

/// Every order with its label, where it has earned one.
struct Labelled {
    counted: u64,
    findings: Vec<Finding>,
    /// Orders of which a read missed something.
    stale: Vec<Finding>,
    /// Orders that moved something, and of which it is not known what was ordered.
    unmeasured: u64,
}

impl Labelled {
    /// Takes what one check found.
    fn of(&mut self, check: Check) -> Vec<Finding> {
        let own = |finding: &mut Finding| finding.label.check() == check;
        self.findings.extract_if(.., own).collect()
    }

    /// What a check cannot see because a witness is missing.
    fn blind_spot(&self, check: Check, witnesses: Witnesses) -> Option<String> {
        match (witnesses, check) {
            (Witnesses::Both, _) | (Witnesses::Ledgers, Check::Compensation) => None,
            (Witnesses::None, _) => Some("there are no final reads".to_owned()),
            (Witnesses::Balances, Check::Compensation | Check::Double) => {
                Some("the ledgers were not read".to_owned())
            }
            (Witnesses::Balances, _) => {
                Some("the ledgers were not read, so paid flags alone speak".to_owned())
            }
            (Witnesses::Ledgers, Check::Double) => (self.unmeasured > 0).then(|| {
                let unmeasured = self.unmeasured;
                format!("of {unmeasured} orders it is not known what was ordered")
            }),
            (Witnesses::Ledgers, _) => {
                Some("paid flags were not read, so the ledgers alone speak".to_owned())
            }
        }
    }
}

/// Gives each order at most one label: the first that fits.
fn label_orders(book: &Book<'_>) -> Labelled {
    const FIRST_MATCH: [fn(&OrderFacts<'_>) -> Option<Finding>; 6] = [
        compensation::find,
        double::find,
        atomicity::find,
        acknowledged::find,
        phantom::find,
        contents::find,
    ];
    let mut labelled = Labelled {
        counted: 0,
        findings: Vec::new(),
        stale: Vec::new(),
        unmeasured: 0,
    };
    book.each_order(|order| {
        labelled.counted += 1;
        let moved = || order.effect.parts.iter().any(|part| part.taken > 0);
        labelled.unmeasured += u64::from(!order.effect.seen.lines && moved());
        let found = FIRST_MATCH.iter().find_map(|find| find(order));
        // Reads of an order that is wrong by itself saw what is wrong.
        let extended = || found.is_none().then(|| fresh::unextended(order)).flatten();
        labelled
            .stale
            .extend(fresh::unpaid(order).or_else(extended));
        labelled.findings.extend(found);
    });
    labelled
}

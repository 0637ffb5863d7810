//! Once a read saw an order paid, every later read does.

use std::collections::{BTreeMap, HashMap};

use protocol::OrderId;

use super::{Finding, Looked, Scene};
use crate::{
    explain::seconds,
    history::{Op, Value},
    snapshot::{Snapshot, Subject},
    verdict::Label,
};

/// When an order was first known to be read as paid.
#[derive(Clone, Copy)]
enum Seen {
    BeforeTheLoad,
    At(u64),
    AtFinalRead(usize),
}

pub(super) fn check(scene: &Scene<'_>) -> Looked {
    let mut counted = 0;
    let mut seen: HashMap<OrderId, Seen> = HashMap::new();
    for order in scene.book.paid_before() {
        seen.insert(*order, Seen::BeforeTheLoad);
    }
    let mut reverted: BTreeMap<OrderId, String> = BTreeMap::new();
    // A read that ended before another began came before it; those that overlap have no order.
    for (order, _, at_us, paid) in reads(scene) {
        counted += 1;
        match (paid, seen.get(&order)) {
            (true, None) => {
                seen.insert(order, Seen::At(at_us));
            }
            (true, Some(Seen::At(first))) if at_us < *first => {
                seen.insert(order, Seen::At(at_us));
            }
            _ => {}
        }
    }
    for (order, sent_us, _, paid) in reads(scene) {
        let earlier = match seen.get(&order) {
            Some(Seen::BeforeTheLoad) => "before the load".to_owned(),
            Some(Seen::At(first)) if *first < sent_us => format!("at {}", seconds(*first)),
            _ => continue,
        };
        if !paid {
            reverted.entry(order).or_insert_with(|| {
                format!(
                    "a read saw it paid {earlier}, and one at {} did not",
                    seconds(sent_us)
                )
            });
        }
    }
    counted += final_reads(scene, &mut seen, &mut reverted);
    Looked {
        counted,
        undecided: (!scene.last.witnesses.have_balances())
            .then(|| "paid flags were not read at the end".to_owned()),
        findings: reverted
            .into_iter()
            .map(|(order, contradiction)| Finding {
                label: Label::Reverted,
                subject: Subject::Order(order),
                orders: vec![order],
                contradiction,
            })
            .collect(),
    }
}

/// The ok reads of orders: which order, when the read began and ended, and what it saw.
fn reads<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (OrderId, u64, u64, bool)> + use<'a> {
    scene.run.history.attempts.iter().filter_map(|attempt| {
        let Op::FindOrder { order } = attempt.invoke.op else {
            return None;
        };
        let Some(Value::Order { paid, .. }) = attempt.value() else {
            return None;
        };
        let ended_us = attempt.complete.as_ref()?.at_us;
        Some((order, attempt.invoke.sent_us, ended_us, paid))
    })
}

/// The final reads come after every read of the load, and after one another: the rows of each, then the
/// API's answers. Within one of them nothing comes before anything.
fn final_reads(
    scene: &Scene<'_>,
    seen: &mut HashMap<OrderId, Seen>,
    reverted: &mut BTreeMap<OrderId, String>,
) -> u64 {
    let mut counted = 0;
    let mut earlier: Option<&Snapshot> = None;
    for (number, snapshot) in (1..).zip(scene.run.snapshots) {
        // The very same rows cannot contradict themselves.
        let known = earlier.is_some_and(|earlier| {
            earlier.api.orders.is_empty() && snapshot.orders.is_shared_with(&earlier.orders)
        });
        let rows = || snapshot.orders.iter().map(|row| (row.order_id, row.paid));
        counted += snapshot.orders.len() as u64;
        if !known {
            final_read(number, rows, seen, reverted);
        }
        let api = || {
            let answers = snapshot.api.orders.iter();
            answers.map(|read| (read.order_id, read.paid))
        };
        counted += snapshot.api.orders.len() as u64;
        final_read(number, api, seen, reverted);
        earlier = Some(snapshot);
    }
    counted
}

fn final_read<I: Iterator<Item = (OrderId, bool)>>(
    number: usize,
    reads: impl Fn() -> I,
    seen: &mut HashMap<OrderId, Seen>,
    reverted: &mut BTreeMap<OrderId, String>,
) {
    for (order, _) in reads().filter(|(_, paid)| !paid) {
        let earlier = match seen.get(&order) {
            None => continue,
            Some(Seen::BeforeTheLoad) => "before the load".to_owned(),
            Some(Seen::At(at_us)) => format!("at {}", seconds(*at_us)),
            Some(Seen::AtFinalRead(earlier)) => format!("at final read {earlier}"),
        };
        reverted.entry(order).or_insert_with(|| {
            format!("a read saw it paid {earlier}, and final read {number} does not")
        });
    }
    for (order, _) in reads().filter(|(_, paid)| *paid) {
        seen.entry(order).or_insert(Seen::AtFinalRead(number));
    }
}

#[cfg(test)]
mod tests {
    use crate::{testing::Case, verdict::Label};

    #[test]
    fn a_paid_order_that_a_later_read_sees_unpaid_is_reverted() {
        let mut case = Case::legal();
        let paid = case.paid();
        case.read_paid(paid, true, 20_000_000..20_001_000);
        case.read_paid(paid, false, 20_002_000..20_003_000);
        assert_eq!(case.labels(), [Label::Reverted]);
    }

    #[test]
    fn a_paid_order_that_the_final_read_sees_unpaid_is_reverted() {
        let mut case = Case::legal();
        let idle = case.idle();
        case.read_paid(idle, true, 20_000_000..20_001_000);
        assert_eq!(case.labels(), [Label::Phantom, Label::Reverted]);
    }

    #[test]
    fn reads_that_overlap_have_no_order() {
        let mut case = Case::legal();
        let [done, _] = case.unknown();
        case.forget_reads(done);
        case.read_paid(done, true, 20_000_000..20_005_000);
        case.read_paid(done, false, 20_002_000..20_003_000);
        assert_eq!(case.labels(), []);
    }

    #[test]
    fn an_order_read_unpaid_and_then_paid_is_legal() {
        let mut case = Case::legal();
        let paid = case.paid();
        case.read_paid(paid, false, 100..200);
        case.read_paid(paid, true, 20_000_000..20_001_000);
        assert_eq!(case.labels(), []);
    }
}

//! What the credit and the stock check share: a balance against both of its witnesses.

use std::{collections::BTreeSet, fmt};

use super::{Finding, Looked};
use crate::{
    book::Balance,
    snapshot::{Subject, Witnesses},
    verdict::Label,
};

/// Beyond this many possible sums, unknown top-ups are judged by their range alone.
const SUMS_MAX: usize = 4096;

/// What a check looks at.
pub(super) struct Kind<Id> {
    pub(super) label: Label,
    pub(super) subject: fn(Id) -> Subject,
    pub(super) noun: &'static str,
}

pub(super) fn check<Id: Copy + fmt::Display>(
    balances: &[Balance<Id>],
    witnesses: Witnesses,
    kind: &Kind<Id>,
) -> Looked {
    let mut looked = Looked {
        counted: balances.len() as u64,
        ..Looked::default()
    };
    if !witnesses.have_balances() {
        looked.undecided = Some("the balances were not read".to_owned());
        return looked;
    }
    looked.findings = balances
        .iter()
        .filter(|balance| balance.exists)
        .filter_map(|balance| {
            Some(Finding {
                label: kind.label,
                subject: (kind.subject)(balance.id),
                contradiction: contradiction(balance, witnesses, kind.noun)?,
                orders: balance.orders.clone(),
            })
        })
        .collect();
    looked
}

/// What is wrong with a balance, if anything is. The top-ups that may have happened are the same ones for
/// both witnesses.
fn contradiction<Id: fmt::Display>(
    balance: &Balance<Id>,
    witnesses: Witnesses,
    noun: &str,
) -> Option<String> {
    let Some(after) = balance.after else {
        return Some(format!(
            "its row is gone; its {noun} was {}",
            balance.before
        ));
    };
    let expected = balance.before + balance.added;
    let by_orders = after - (expected - balance.ordered);
    let by_ledger = after - (expected - balance.ledger);
    let orders_agree = is_sum(&balance.perhaps, by_orders);
    if !witnesses.have_ledgers() {
        return (!orders_agree).then(|| {
            let told = told(balance, after, noun);
            format!("{told}, so {by_orders:+} is unexplained")
        });
    }
    let ledger_agrees = is_sum(&balance.perhaps, by_ledger);
    if orders_agree && by_orders == by_ledger {
        return None;
    }
    let mut text = told(balance, after, noun);
    if !orders_agree {
        text += &format!(", so {by_orders:+} is unexplained");
    }
    text += &match (orders_agree, ledger_agrees) {
        (true, true) => format!(
            "; the ledger says {} was taken, and no one set of uncertain top-ups explains both",
            balance.ledger
        ),
        (false, true) => "; the ledger agrees with the balance, not with the orders".to_owned(),
        (true, false) => format!(
            "; the ledger disagrees with both: it says {} was taken",
            balance.ledger
        ),
        (false, false) if balance.ledger == balance.ordered => {
            "; the ledger agrees with the orders: the balance alone is off".to_owned()
        }
        (false, false) => format!(
            "; the ledger agrees with neither: it says {} was taken",
            balance.ledger
        ),
    };
    Some(text)
}

fn told<Id>(balance: &Balance<Id>, after: i128, noun: &str) -> String {
    format!(
        "the {noun} is {after}: it was {}, {} was added outside orders, and its paid orders come to {}",
        balance.before, balance.added, balance.ordered
    )
}

/// Whether `gap` is what some of the uncertain amounts come to.
fn is_sum(perhaps: &[i128], gap: i128) -> bool {
    if gap == 0 {
        return true;
    }
    let low: i128 = perhaps.iter().filter(|amount| **amount < 0).sum();
    let high: i128 = perhaps.iter().filter(|amount| **amount > 0).sum();
    if gap < low || gap > high {
        return false;
    }
    let mut sums = BTreeSet::from([0]);
    for amount in perhaps {
        let more: Vec<i128> = sums.iter().map(|sum| sum + amount).collect();
        sums.extend(more);
        if sums.len() > SUMS_MAX {
            return true;
        }
    }
    sums.contains(&gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_explained_by_some_of_the_uncertain_amounts() {
        for (gap, explained) in [
            (0, true),
            (5, true),
            (12, true),
            (-3, true),
            (2, true),
            (9, true),
            (1, false),
            (13, false),
            (-4, false),
        ] {
            assert_eq!(is_sum(&[5, 7, -3], gap), explained, "{gap}");
        }
    }

    #[test]
    fn very_many_uncertain_amounts_are_judged_by_their_range() {
        let many: Vec<i128> = (0..64).map(|bit| 1_i128 << bit).collect();
        assert!(is_sum(&many, 12345));
        assert!(!is_sum(&many, -1));
    }
}

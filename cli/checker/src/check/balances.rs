//! What the credit and the stock check share: a balance against both of its witnesses.

use std::fmt;

use super::{Finding, Looked};
use crate::{
    book::{Balance, is_sum},
    snapshot::{Subject, Witnesses},
    verdict::Label,
};

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

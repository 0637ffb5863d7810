//! What a read of one balance may have seen: between all that may have been taken and nothing but what certainly was.
//!
//! A read that began at *b* and ended at *e* saw at most what was there before the load, with every top-up that was
//! asked for by *e*, less every purchase that was acknowledged before *b*; and at least that with every top-up that was
//! acknowledged before *b*, less every purchase that was asked for by *e*. Reads and changes are each sorted by
//! time once and swept together: it costs no more than the sorting.

use std::collections::{BTreeMap, BTreeSet};

use protocol::OrderId;

use super::purchase::{self, Taking};
use crate::{
    check::{Finding, Looked, Scene},
    effect::Good,
    explain::seconds,
    history::{Attempt, Op, Value},
    outcome::Class,
    snapshot::Subject,
    verdict::Label,
};

/// One ok read of a balance.
struct Read {
    /// The place of what was read in the list of all that was.
    balance: usize,
    began_us: u64,
    ended_us: u64,
    seen: i64,
    low: i128,
    high: i128,
}

/// A balance changes by some amount, at some time.
struct Change {
    at_us: u64,
    balance: usize,
    amount: i64,
}

/// What changed the balances that were read.
#[derive(Default)]
struct Changes {
    added_perhaps: Vec<Change>,
    added_certainly: Vec<Change>,
    taken_perhaps: Vec<Change>,
    taken_certainly: Vec<Change>,
}

pub(super) fn check(scene: &Scene<'_>, labels: &BTreeMap<OrderId, Label>, looked: &mut Looked) {
    let starts = starts(scene, labels);
    let mut reads = reads(scene, &starts);
    looked.counted += reads.len() as u64;
    let changes = changes(scene, &starts);
    let began = |read: &Read| read.began_us;
    let after_end = |read: &Read| read.ended_us.saturating_add(1);
    let count = starts.len();
    sweep(
        changes.added_perhaps,
        count,
        &mut reads,
        after_end,
        |read, sum| read.high += sum,
    );
    sweep(
        changes.taken_certainly,
        count,
        &mut reads,
        began,
        |read, sum| read.high -= sum,
    );
    sweep(
        changes.added_certainly,
        count,
        &mut reads,
        began,
        |read, sum| read.low += sum,
    );
    sweep(
        changes.taken_perhaps,
        count,
        &mut reads,
        after_end,
        |read, sum| read.low -= sum,
    );
    let mut stale: BTreeMap<usize, &Read> = BTreeMap::new();
    for read in &reads {
        let seen = i128::from(read.seen);
        // What is below nothing has its own check.
        if seen < 0 {
            continue;
        }
        if seen < read.low || seen > read.high {
            stale.entry(read.balance).or_insert(read);
        }
    }
    looked.findings.extend(stale.values().map(|read| {
        let (at, seen, low, high) = (seconds(read.began_us), read.seen, read.low, read.high);
        Finding {
            label: Label::Stale,
            subject: match starts[read.balance].0 {
                Good::Credit(user) => Subject::User(user),
                Good::Item(item) => Subject::Item(item),
            },
            orders: Vec::new(),
            contradiction: format!(
                "a read at {at} saw {seen}, and what was acknowledged by then leaves {low} to {high}"
            ),
        }
    }));
}

/// What a client read: a balance and how much was in it.
fn read(attempt: &Attempt) -> Option<(Good, i64)> {
    match (attempt.invoke.op, attempt.value()) {
        (Op::FindUser { user }, Some(Value::Credit(credit))) => Some((Good::Credit(user), credit)),
        (Op::FindItem { item }, Some(Value::Stock(stock))) => Some((Good::Item(item), stock)),
        _ => None,
    }
}

/// Every balance that was read and of which it is known what was in it at first, ascending. What an order touched that
/// is wrong by itself is left out: that finding speaks for it.
fn starts(scene: &Scene<'_>, labels: &BTreeMap<OrderId, Label>) -> Vec<(Good, i64)> {
    let attempts = scene.run.history.attempts.iter();
    let mut asked: BTreeSet<Good> = attempts.filter_map(read).map(|(good, _)| good).collect();
    for order in labels.keys() {
        if let Some(order) = scene.book.order(*order).filter(|_| !asked.is_empty()) {
            for good in purchase::touched(&order) {
                asked.remove(&good);
            }
        }
    }
    let mut starts: Vec<(Good, i64)> = Vec::new();
    let users = scene.run.initial.users.iter();
    starts.extend(users.map(|row| (Good::Credit(row.user_id), row.credit)));
    let items = scene.run.initial.items.iter();
    starts.extend(items.map(|row| (Good::Item(row.item_id), row.stock)));
    starts.extend(scene.book.writes.iter().filter_map(|write| match write.op {
        Op::CreateUser => Some((Good::Credit(protocol::UserId(write.made?)), 0)),
        Op::CreateItem { .. } => Some((Good::Item(protocol::ItemId(write.made?)), 0)),
        _ => None,
    }));
    starts.retain(|(good, _)| asked.contains(good));
    // Stable: what was there before the load stays first.
    starts.sort_by_key(|(good, _)| *good);
    starts.dedup_by_key(|(good, _)| *good);
    starts
}

fn place(starts: &[(Good, i64)], good: Good) -> Option<usize> {
    starts.binary_search_by_key(&good, |(good, _)| *good).ok()
}

fn reads(scene: &Scene<'_>, starts: &[(Good, i64)]) -> Vec<Read> {
    let attempts = scene.run.history.attempts.iter();
    let reads = attempts.filter_map(|attempt| {
        let (good, seen) = read(attempt)?;
        let balance = place(starts, good)?;
        let start = i128::from(starts[balance].1);
        Some(Read {
            balance,
            began_us: attempt.invoke.sent_us,
            ended_us: attempt.complete.as_ref()?.at_us,
            seen,
            low: start,
            high: start,
        })
    });
    reads.collect()
}

fn changes(scene: &Scene<'_>, starts: &[(Good, i64)]) -> Changes {
    let mut changes = Changes::default();
    let change = |taking: &Taking| {
        Some(Change {
            at_us: taking.at_us,
            balance: place(starts, taking.good)?,
            amount: taking.amount,
        })
    };
    for write in scene
        .book
        .writes
        .iter()
        .filter(|write| write.class != Class::Fail)
    {
        let (good, amount, is_added) = match write.op {
            Op::AddFunds { user, amount } => (Good::Credit(user), amount.0, true),
            Op::AddStock { item, amount } => (Good::Item(item), amount.0, true),
            Op::Pay { user, amount } => (Good::Credit(user), amount.0, false),
            Op::SubtractStock { item, amount } => (Good::Item(item), amount.0, false),
            _ => continue,
        };
        let at = |at_us: u64| {
            change(&Taking {
                good,
                at_us,
                amount,
            })
        };
        let (perhaps, certainly) = if is_added {
            (&mut changes.added_perhaps, &mut changes.added_certainly)
        } else {
            (&mut changes.taken_perhaps, &mut changes.taken_certainly)
        };
        perhaps.extend(write.sent_us.and_then(at));
        certainly.extend(write.acked_us.and_then(at));
    }
    if starts.is_empty() {
        return changes;
    }
    scene.book.each_order(|order| {
        let purchase = purchase::of(order);
        changes
            .taken_perhaps
            .extend(purchase.perhaps.iter().filter_map(change));
        changes
            .taken_certainly
            .extend(purchase.certain.iter().filter_map(change));
    });
    changes
}

/// Tells each read what all changes before some time of its come to.
fn sweep(
    mut changes: Vec<Change>,
    balances: usize,
    reads: &mut [Read],
    until_us: impl Fn(&Read) -> u64,
    mut tell: impl FnMut(&mut Read, i128),
) {
    changes.sort_unstable_by_key(|change| change.at_us);
    reads.sort_by_key(&until_us);
    let mut sums = vec![0_i128; balances];
    let mut rest = changes.iter().peekable();
    for read in reads {
        while let Some(change) = rest.next_if(|change| change.at_us < until_us(read)) {
            sums[change.balance] += i128::from(change.amount);
        }
        tell(read, sums[read.balance]);
    }
}

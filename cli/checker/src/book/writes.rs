//! The logical writes of a history: the attempts at one operation, folded.

use crate::{
    book::class_of,
    history::{Attempt, History, Op, Value},
    outcome::{Broken, Class, Kind},
};

/// One logical write that is not a checkout. Times are microseconds on the history's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) id: u64,
    pub(crate) op: Op,
    pub(crate) class: Class,
    /// When its first attempt left; `None`: none ever did.
    pub(crate) sent_us: Option<u64>,
    /// When an attempt was first answered with an ok.
    pub(crate) acked_us: Option<u64>,
    /// The id that it was told to have made.
    pub(crate) made: Option<i64>,
    /// Another id that it was told to have made.
    pub(crate) made_too: Option<i64>,
}

impl Write {
    /// A create that happened, or may have happened, without anybody being told the id.
    pub(crate) fn may_have_made_something(&self) -> bool {
        self.class != Class::Fail && self.made.is_none()
    }
}

/// Every logical write but the checkouts, ascending by id.
pub(crate) fn writes(history: &History) -> Vec<Write> {
    let is_one = |op: Op| op.kind() == Kind::Write && !matches!(op, Op::Checkout { .. });
    let attempts = history.attempts.iter();
    let mut attempts: Vec<&Attempt> = attempts
        .filter(|attempt| is_one(attempt.invoke.op))
        .collect();
    // Nearly sorted as it is written, so that a stable sort is quick.
    attempts.sort_by_key(|attempt| attempt.invoke.id);
    attempts
        .chunk_by(|a, b| a.invoke.id == b.invoke.id)
        .map(folded)
        .collect()
}

fn folded(attempts: &[&Attempt]) -> Write {
    let first = &attempts[0].invoke;
    let mut ids = attempts.iter().filter_map(|attempt| match attempt.value() {
        Some(Value::Created(id)) => Some(id),
        _ => None,
    });
    let made = ids.next();
    Write {
        id: first.id,
        op: first.op,
        class: class_of(attempts.iter().map(|attempt| attempt.class())).unwrap_or(Class::Fail),
        sent_us: sent_us(attempts),
        acked_us: acked_us(attempts),
        made,
        made_too: ids.find(|id| Some(*id) != made),
    }
}

/// When the first of some attempts left; `None`: none ever did.
pub(crate) fn sent_us(attempts: &[&Attempt]) -> Option<u64> {
    let left = attempts.iter().filter(|attempt| {
        let complete = attempt.complete.as_ref();
        complete.is_none_or(|complete| complete.broken != Some(Broken::NotSent))
    });
    left.map(|attempt| attempt.invoke.sent_us).min()
}

/// When the first ok answer to some attempts was there.
pub(crate) fn acked_us(attempts: &[&Attempt]) -> Option<u64> {
    let completes = attempts.iter().filter_map(|it| it.complete.as_ref());
    let oks = completes.filter(|complete| complete.class == Class::Ok);
    oks.map(|complete| complete.at_us).min()
}

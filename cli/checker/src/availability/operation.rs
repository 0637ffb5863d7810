use std::collections::HashMap;

use crate::{
    book::class_of,
    history::{History, Op},
    outcome::{Class, Kind},
};

/// One logical operation: all of its attempts together, as its client lived through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) op: Op,
    pub(crate) due_us: u64,
    /// When its first attempt was sent.
    pub(crate) sent_us: u64,
    /// When its last attempt ended; `None`: one never did.
    pub(crate) ended_us: Option<u64>,
    pub(crate) class: Class,
    pub(crate) ok_at_us: Option<u64>,
    /// When it was answered: ok, or by a business rejection.
    pub(crate) served_at_us: Option<u64>,
    /// An attempt was answered with a 5xx.
    pub(crate) server_error: bool,
}

impl Operation {
    /// From when it was due, where it was served.
    pub(crate) fn latency_us(&self) -> Option<u64> {
        Some(self.served_at_us?.saturating_sub(self.due_us))
    }
}

/// The logical operations of a history, in the order in which they were due.
pub(crate) fn operations(history: &History) -> Vec<Operation> {
    let mut index: HashMap<u64, usize> = HashMap::with_capacity(history.attempts.len());
    let mut list: Vec<Operation> = Vec::with_capacity(history.attempts.len());
    for attempt in &history.attempts {
        let invoke = &attempt.invoke;
        let class = attempt.class();
        let at = *index.entry(invoke.id).or_insert_with(|| {
            list.push(Operation {
                op: invoke.op,
                due_us: invoke.due_us,
                sent_us: invoke.sent_us,
                ended_us: Some(0),
                class,
                ok_at_us: None,
                served_at_us: None,
                server_error: false,
            });
            list.len() - 1
        });
        let operation = &mut list[at];
        operation.class = class_of([operation.class, class].into_iter()).unwrap_or(class);
        let Some(complete) = &attempt.complete else {
            operation.ended_us = None;
            continue;
        };
        operation.ended_us = operation.ended_us.map(|at| at.max(complete.at_us));
        let status = complete.status.unwrap_or_default();
        operation.server_error |= (500..=599).contains(&status);
        let rejected = class == Class::Fail && is_rejection(invoke.op, status);
        if class == Class::Ok {
            operation.ok_at_us.get_or_insert(complete.at_us);
        }
        if class == Class::Ok || rejected {
            operation.served_at_us.get_or_insert(complete.at_us);
        }
    }
    list.sort_by_key(|operation| operation.due_us);
    list
}

/// Whether a failed attempt was answered by the shop itself. A read's class says no more than "not ok".
fn is_rejection(op: Op, status: u16) -> bool {
    match op.kind() {
        Kind::Write => status != 0,
        Kind::Read => (400..=499).contains(&status) && !matches!(status, 408 | 425 | 429),
    }
}

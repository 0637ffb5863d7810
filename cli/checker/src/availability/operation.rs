use crate::{
    book::class_of,
    history::{Attempt, History, Op},
    outcome::Class,
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
    /// The last that is known of it: when an attempt was sent or ended.
    pub(crate) last_seen_us: u64,
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
    // Nearly sorted as it is written, so that a stable sort is quick.
    let mut attempts: Vec<&Attempt> = history.attempts.iter().collect();
    attempts.sort_by_key(|attempt| attempt.invoke.id);
    let each = attempts.chunk_by(|a, b| a.invoke.id == b.invoke.id);
    // Nearly every operation has one attempt. A list that grew would be there twice while it is moved.
    let mut list = Vec::with_capacity(attempts.len());
    list.extend(each.map(Operation::of));
    list.sort_by_key(|operation| operation.due_us);
    list
}

impl Operation {
    /// Folds the attempts at one operation, in the order in which they were sent.
    fn of(attempts: &[&Attempt]) -> Self {
        let first = attempts[0];
        let mut operation = Self {
            op: first.invoke.op,
            due_us: first.invoke.due_us,
            sent_us: first.invoke.sent_us,
            ended_us: Some(0),
            last_seen_us: 0,
            class: first.class(),
            ok_at_us: None,
            served_at_us: None,
            server_error: false,
        };
        for attempt in attempts {
            operation.add(attempt);
        }
        operation
    }

    fn add(&mut self, attempt: &Attempt) {
        let class = attempt.class();
        self.last_seen_us = self.last_seen_us.max(attempt.invoke.sent_us);
        self.class = class_of([self.class, class].into_iter()).unwrap_or(class);
        let Some(complete) = &attempt.complete else {
            self.ended_us = None;
            return;
        };
        self.last_seen_us = self.last_seen_us.max(complete.at_us);
        self.ended_us = self.ended_us.map(|at| at.max(complete.at_us));
        let status = complete.status.unwrap_or_default();
        self.server_error |= (500..=599).contains(&status);
        // A refusal of the shop's own says why; whatever else answers with a 4xx serves nobody.
        let rejected = class == Class::Fail && complete.refusal.is_some();
        if class == Class::Ok {
            self.ok_at_us.get_or_insert(complete.at_us);
        }
        if class == Class::Ok || rejected {
            self.served_at_us.get_or_insert(complete.at_us);
        }
    }
}

//! The requests that wait for a checkout's end.
//!
//! A request registers before anybody reads the order, so no end can fall between. Until it is known
//! which saga the request waits for, ends of its order are kept; an end of an older attempt is told apart
//! by its saga id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use protocol::{
    OrderId, SagaId,
    saga::{CheckoutEnded, Refusal},
};
use tokio::sync::oneshot;

/// Ends that may come before a request knows its saga: one attempt each, so more than one is rare.
const EARLY_MAX: usize = 4;
/// How many checkouts it takes until what was before hardly counts for how long they take lately.
const LATELY: u32 = 16;

/// The final answer to a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Paid,
    Rejected(Refusal),
}

impl From<Option<Refusal>> for Verdict {
    fn from(refusal: Option<Refusal>) -> Self {
        refusal.map_or(Self::Paid, Self::Rejected)
    }
}

/// Names one waiting request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketId {
    pub order_id: OrderId,
    number: u64,
}

/// All requests of this replica that wait; a cheap handle.
#[derive(Debug, Clone)]
pub struct Waiting {
    registry: Arc<Mutex<Registry>>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Registry {
    last_number: u64,
    waiters: usize,
    orders: HashMap<OrderId, Vec<Waiter>>,
    lately: Duration,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    phase: Phase,
    verdict: oneshot::Sender<Verdict>,
}

#[derive(Debug)]
enum Phase {
    /// Not admitted yet: what ended meanwhile.
    Unbound {
        early: Vec<CheckoutEnded>,
    },
    Bound {
        saga_id: SagaId,
        since: Instant,
    },
}

/// One waiting request. Dropping it ends the wait.
#[derive(Debug)]
pub struct Ticket {
    id: TicketId,
    waiting: Waiting,
    verdict: oneshot::Receiver<Verdict>,
}

impl Waiting {
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            registry: Arc::default(),
            capacity,
        }
    }

    /// Starts to wait for the order; `None` when too many requests wait already.
    #[must_use]
    pub fn register(&self, order_id: OrderId) -> Option<Ticket> {
        let mut registry = self.lock();
        if registry.waiters >= self.capacity {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        registry.waiters += 1;
        registry.last_number += 1;
        let number = registry.last_number;
        registry.orders.entry(order_id).or_default().push(Waiter {
            number,
            phase: Phase::Unbound { early: Vec::new() },
            verdict: sender,
        });
        Some(Ticket {
            id: TicketId { order_id, number },
            waiting: self.clone(),
            verdict: receiver,
        })
    }

    /// Whether the request still waits.
    #[must_use]
    pub fn is_waiting(&self, id: TicketId) -> bool {
        let registry = self.lock();
        let waiters = registry.orders.get(&id.order_id);
        waiters.is_some_and(|all| all.iter().any(|waiter| waiter.number == id.number))
    }

    /// Answers one request, without a saga.
    pub fn settle(&self, id: TicketId, verdict: &Verdict) {
        let removed = self
            .lock()
            .take(id.order_id, |waiter| waiter.number == id.number);
        tell(removed, verdict);
    }

    /// Says which saga the request waits for. If that has ended already, it is answered at once.
    pub fn bind(&self, id: TicketId, saga_id: SagaId) {
        let mut registry = self.lock();
        let all = registry.orders.get_mut(&id.order_id);
        let waiter = all.and_then(|all| all.iter_mut().find(|waiter| waiter.number == id.number));
        let Some(waiter) = waiter else {
            return;
        };
        let bound = Phase::Bound {
            saga_id,
            since: Instant::now(),
        };
        let Phase::Unbound { early } = std::mem::replace(&mut waiter.phase, bound) else {
            return;
        };
        drop(registry);
        if let Some(end) = early.into_iter().find(|end| end.saga_id == saga_id) {
            self.settle(id, &end.refusal.into());
        }
    }

    /// A checkout has ended: answers the requests that wait for that saga.
    pub fn ended(&self, end: &CheckoutEnded) {
        let mut registry = self.lock();
        let Some(all) = registry.orders.get_mut(&end.order_id) else {
            return;
        };
        for waiter in all {
            if let Phase::Unbound { early } = &mut waiter.phase {
                if early.len() == EARLY_MAX {
                    early.remove(0);
                }
                early.push(end.clone());
            }
        }
        let removed = registry.take(end.order_id, |waiter| waiter.waits_for(end.saga_id));
        registry.note(&removed);
        drop(registry);
        tell(removed, &end.refusal.clone().into());
    }

    /// The sagas, each once, that requests have been waiting for longer than `longer_than`.
    #[must_use]
    pub fn sagas(&self, longer_than: Duration) -> Vec<SagaId> {
        let registry = self.lock();
        let mut ids: Vec<SagaId> = registry
            .orders
            .values()
            .flatten()
            .filter_map(|waiter| match &waiter.phase {
                Phase::Bound { saga_id, since } if since.elapsed() >= longer_than => Some(*saga_id),
                Phase::Bound { .. } | Phase::Unbound { .. } => None,
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// From a checkout's admission to its end, as those took that ended last; zero before the first.
    #[must_use]
    pub fn lately(&self) -> Duration {
        self.lock().lately
    }

    /// How many requests wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().waiters
    }

    /// No update leaves the registry half done, so one that panicked leaves it usable.
    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn take(&mut self, order_id: OrderId, picks: impl Fn(&Waiter) -> bool) -> Vec<Waiter> {
        let Some(all) = self.orders.get_mut(&order_id) else {
            return Vec::new();
        };
        let taken: Vec<Waiter> = all.extract_if(.., |waiter| picks(waiter)).collect();
        if all.is_empty() {
            self.orders.remove(&order_id);
        }
        self.waiters -= taken.len();
        taken
    }

    /// Lets those that have ended count for how long checkouts take.
    fn note(&mut self, ended: &[Waiter]) {
        for waiter in ended {
            if let Phase::Bound { since, .. } = waiter.phase {
                self.lately = (self.lately * (LATELY - 1) + since.elapsed()) / LATELY;
            }
        }
    }
}

impl Waiter {
    fn waits_for(&self, id: SagaId) -> bool {
        matches!(self.phase, Phase::Bound { saga_id, .. } if saga_id == id)
    }
}

fn tell(waiters: Vec<Waiter>, verdict: &Verdict) {
    for waiter in waiters {
        if waiter.verdict.send(verdict.clone()).is_err() {
            tracing::debug!("a request gave up just before its checkout ended");
        }
    }
}

impl Ticket {
    #[must_use]
    pub fn id(&self) -> TicketId {
        self.id
    }

    /// Waits for the verdict; `None` if there is none within `deadline`.
    pub async fn verdict(&mut self, deadline: tokio::time::Instant) -> Option<Verdict> {
        let answered = tokio::time::timeout_at(deadline, &mut self.verdict).await;
        answered.ok().and_then(Result::ok)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let number = self.id.number;
        drop(
            self.waiting
                .lock()
                .take(self.id.order_id, |waiter| waiter.number == number),
        );
    }
}

#[cfg(test)]
mod tests;

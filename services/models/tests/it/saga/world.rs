//! The state of everything between the clients and the databases.

use models::Few;
use protocol::saga::RefusalCode;

use super::{
    books::Books,
    orders::{Phase, Saga, Sagas},
    shop::{Answer, Command, ORDERS, REQUESTS, SAGAS, Service, Shop},
};

/// Room for messages in a lane.
const LOG: usize = 2;
/// Room for records on their way.
const LATE: usize = 2;
/// Messages in one transaction.
pub(crate) const BATCH_MAX: usize = 2;

/// How far the model goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Commands in a lane that nobody has worked yet.
    pub(crate) commands_max: usize,
    /// Replies in the order lane that nobody has worked yet.
    pub(crate) replies_max: usize,
    /// Records on their way, whatever the topic.
    pub(crate) late_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) sagas: Sagas,
    pub(crate) orders: [Order; ORDERS],
    pub(crate) requests: [Request; REQUESTS],
    pub(crate) replies: Few<Answer, LOG>,
    /// Records that arrive by themselves, in any order, or never: their sender may be gone.
    pub(crate) late: Few<Record, LATE>,
    /// Of the stock and of the payment service.
    pub(crate) counters: [Counter; 2],
    pub(crate) restocked: bool,
    pub(crate) topped_up: bool,
    /// A participant gave an answer that it cannot have given.
    pub(crate) impossible: bool,
    /// What a holder that lost the lane had read and decided.
    pub(crate) stale: Option<(u8, Phase)>,
}

/// An order's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Order {
    pub(crate) paid: bool,
    pub(crate) open: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    Unsent,
    /// For this saga's end.
    Waiting(u8),
    Paid,
    /// By the end of this saga.
    Rejected(u8),
    /// Without a saga.
    Refused(RefusalCode),
    /// The client does not know.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    Command(Command),
    Answer(Answer),
}

/// A participant: its database and its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Counter {
    pub(crate) books: Books,
    pub(crate) log: Few<Command, LOG>,
}

impl World {
    pub(crate) fn new(shop: &Shop) -> Self {
        let counter = |left| Counter {
            books: Books::new(left),
            log: Few::new(),
        };
        Self {
            sagas: [Saga {
                order: 0,
                phase: Phase::Unborn,
            }; SAGAS],
            orders: Default::default(),
            requests: [Request::Unsent; REQUESTS],
            replies: Few::new(),
            late: Few::new(),
            counters: [counter(shop.stock), counter([shop.credit, 0])],
            restocked: false,
            topped_up: false,
            impossible: false,
            stale: None,
        }
    }

    pub(crate) fn counter(&self, service: Service) -> &Counter {
        &self.counters[place(service)]
    }

    pub(crate) fn counter_mut(&mut self, service: Service) -> &mut Counter {
        &mut self.counters[place(service)]
    }

    /// Whether nothing is on its way and nobody waits.
    pub(crate) fn is_quiet(&self) -> bool {
        let waits = |request: &Request| matches!(request, Request::Waiting(_));
        !self.sagas.iter().any(|saga| saga.phase.is_open())
            && !self.requests.iter().any(waits)
            && self.replies.is_empty()
            && self.late.is_empty()
            && self.counters.iter().all(|counter| counter.log.is_empty())
            && self.stale.is_none()
    }
}

fn place(service: Service) -> usize {
    match service {
        Service::Stock => 0,
        Service::Payment => 1,
    }
}

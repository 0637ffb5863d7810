//! The shop that is modelled, and what goes over its wires, written as small as it gets.

use protocol::{
    Credits, ItemId, OrderId, Quantity, SagaId, UserId,
    saga::{
        Event, Line, PaymentCommand, PaymentStep, Refusal, RefusalCode, Reply, StockCommand,
        StockStep,
    },
};

pub(crate) const SAGAS: usize = 2;
pub(crate) const ORDERS: usize = 2;
pub(crate) const REQUESTS: usize = 2;
pub(crate) const GOODS: usize = 2;

/// The order of each saga.
pub(crate) type Owners = [u8; SAGAS];

/// One order: what of each item, and for how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Basket {
    pub(crate) quantities: [i8; GOODS],
    pub(crate) cost: i8,
}

/// The one user, two items, two orders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shop {
    pub(crate) stock: [i8; GOODS],
    /// Comes in once, at any moment.
    pub(crate) restock: [i8; GOODS],
    pub(crate) credit: i8,
    /// Comes in once, at any moment.
    pub(crate) top_up: i8,
    pub(crate) orders: [Basket; ORDERS],
    /// Which order each request wants to check out.
    pub(crate) requests: [u8; REQUESTS],
}

const BOTH_ITEMS: Basket = Basket {
    quantities: [1, 2],
    cost: 3,
};

/// One order and two requests for it. Stock and credit are short until more comes in, and would do for two
/// attempts then: nothing but the protocol keeps the order from being paid twice.
pub(crate) const REPEATED: Shop = Shop {
    stock: [2, 1],
    restock: [0, 3],
    credit: 2,
    top_up: 4,
    orders: [BOTH_ITEMS; ORDERS],
    requests: [0, 0],
};

/// Two orders that want the last piece of an item, with credit for one of them until there is more.
pub(crate) const COMPETING: Shop = Shop {
    stock: [1, 4],
    restock: [1, 0],
    credit: 3,
    top_up: 3,
    orders: [BOTH_ITEMS; ORDERS],
    requests: [0, 1],
};

/// What a model gets wrong, for the search to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// The stock service does not look into its inbox.
    NoStockInbox,
    NoPaymentInbox,
    /// A participant does not answer a command again that it has answered before.
    AnsweredOnce,
    /// A release that comes first does not bar the reservation.
    NoBar,
    /// A participant gives back what a saga was to take, whether or not it took it.
    BlindCompensation,
    /// A participant publishes its answer before it commits.
    AnswerBeforeCommit,
    /// Admission publishes before it commits.
    CommandBeforeCommit,
    /// A refused charge ends the saga.
    NoCompensation,
    /// The client hears of a refused charge before the stock is given back.
    RejectedEarly,
    /// The client hears that it paid before that is committed.
    PaidEarly,
    /// Nobody publishes anything again.
    NeverRepublished,
    /// An order is admitted although an attempt is under way.
    SecondAttempt,
    /// A request is answered by whichever attempt of its order ended.
    AnsweredByOrder,
    /// A holder that lost the lane commits what it had read.
    StaleHolder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    Stock,
    Payment,
}

impl Service {
    pub(crate) const ALL: [Self; 2] = [Self::Stock, Self::Payment];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Reserve,
    Release,
    Charge,
    Refund,
}

impl Step {
    pub(crate) fn service(self) -> Service {
        match self {
            Self::Reserve | Self::Release => Service::Stock,
            Self::Charge | Self::Refund => Service::Payment,
        }
    }

    pub(crate) fn is_compensation(self) -> bool {
        matches!(self, Self::Release | Self::Refund)
    }
}

/// A command, without what follows from the saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Command {
    pub(crate) step: Step,
    pub(crate) saga: u8,
}

/// [`Event`] without the words of its refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    Reserved,
    ReserveRefused(RefusalCode),
    Released,
    Charged,
    ChargeRefused(RefusalCode),
    Refunded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Answer {
    pub(crate) saga: u8,
    pub(crate) fact: Fact,
}

pub(crate) fn refusal(code: RefusalCode) -> Refusal {
    Refusal {
        code,
        message: String::new(),
    }
}

pub(crate) fn saga_id(saga: u8) -> SagaId {
    SagaId(saga.into())
}

pub(crate) fn saga_of(id: SagaId) -> u8 {
    u8::try_from(id.0).unwrap()
}

pub(crate) fn order_id(order: u8) -> OrderId {
    OrderId(100 + i64::from(order))
}

pub(crate) const USER: UserId = UserId(7);

impl Shop {
    pub(crate) fn basket(&self, owners: &Owners, saga: u8) -> Basket {
        self.orders[usize::from(owners[usize::from(saga)])]
    }

    /// What a saga is to take at a service.
    pub(crate) fn wanted(&self, service: Service, owners: &Owners, saga: u8) -> [i8; GOODS] {
        let basket = self.basket(owners, saga);
        match service {
            Service::Stock => basket.quantities,
            Service::Payment => [basket.cost, 0],
        }
    }

    pub(crate) fn lines(&self, order: u8) -> Vec<Line> {
        let quantities = self.orders[usize::from(order)].quantities;
        (0..)
            .zip(quantities)
            .map(|(item, quantity)| Line {
                item_id: ItemId(item),
                quantity: Quantity(quantity.into()),
            })
            .collect()
    }

    pub(crate) fn stock_command(&self, owners: &Owners, command: Command) -> StockCommand {
        let order = owners[usize::from(command.saga)];
        StockCommand {
            saga_id: saga_id(command.saga),
            order_id: order_id(order),
            step: if command.step.is_compensation() {
                StockStep::Release
            } else {
                let lines = self.lines(order);
                StockStep::Reserve { lines }
            },
        }
    }

    pub(crate) fn payment_command(&self, owners: &Owners, command: Command) -> PaymentCommand {
        let amount = Credits(self.basket(owners, command.saga).cost.into());
        PaymentCommand {
            saga_id: saga_id(command.saga),
            order_id: order_id(owners[usize::from(command.saga)]),
            step: if command.step.is_compensation() {
                PaymentStep::Refund
            } else {
                PaymentStep::Charge {
                    user_id: USER,
                    amount,
                }
            },
        }
    }
}

impl Answer {
    pub(crate) fn of(reply: &Reply) -> Self {
        let fact = match &reply.event {
            Event::Reserved => Fact::Reserved,
            Event::ReserveRefused { refusal } => Fact::ReserveRefused(refusal.code),
            Event::Released => Fact::Released,
            Event::Charged => Fact::Charged,
            Event::ChargeRefused { refusal } => Fact::ChargeRefused(refusal.code),
            Event::Refunded => Fact::Refunded,
        };
        let saga = saga_of(reply.saga_id);
        Self { saga, fact }
    }

    pub(crate) fn reply(self, owners: &Owners) -> Reply {
        let event = match self.fact {
            Fact::Reserved => Event::Reserved,
            Fact::ReserveRefused(code) => Event::ReserveRefused {
                refusal: refusal(code),
            },
            Fact::Released => Event::Released,
            Fact::Charged => Event::Charged,
            Fact::ChargeRefused(code) => Event::ChargeRefused {
                refusal: refusal(code),
            },
            Fact::Refunded => Event::Refunded,
        };
        Reply {
            saga_id: saga_id(self.saga),
            order_id: order_id(owners[usize::from(self.saga)]),
            event,
        }
    }
}

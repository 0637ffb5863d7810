//! The order service's database, and its own decisions on it.

use std::collections::HashMap;

use order::{
    command, replies,
    saga::State,
    store::checkout::{self},
    waiting::Verdict,
};
use protocol::{
    Credits, OrderId,
    saga::{
        Line, PAYMENT_COMMANDS, PaymentCommand, PaymentStep, RefusalCode, Reply, STOCK_COMMANDS,
        StockCommand, StockStep,
    },
};
use service_core::kafka::Record;

use super::shop::{
    Answer, Command, Defect, Owners, SAGAS, Shop, Step, USER, order_id, refusal, saga_id, saga_of,
};

/// [`State`] without the words of its refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// There is no such saga yet.
    Unborn,
    /// Its number was given out in a transaction that was rolled back.
    RolledBack,
    Reserving,
    Charging,
    Releasing(RefusalCode),
    Completed,
    Rejected(RefusalCode),
}

/// One saga's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Saga {
    pub(crate) order: u8,
    pub(crate) phase: Phase,
}

pub(crate) type Sagas = [Saga; SAGAS];

/// What a batch of replies does.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    pub(crate) sagas: Sagas,
    pub(crate) commands: Vec<Command>,
    /// Sagas that ended with this batch.
    pub(crate) ended: Vec<u8>,
    /// A participant gave an answer that it cannot have given.
    pub(crate) impossible: bool,
}

impl Phase {
    fn state(self) -> Option<State> {
        Some(match self {
            Self::Unborn | Self::RolledBack => return None,
            Self::Reserving => State::Reserving,
            Self::Charging => State::Charging,
            Self::Releasing(code) => State::Releasing(refusal(code)),
            Self::Completed => State::Completed,
            Self::Rejected(code) => State::Rejected(refusal(code)),
        })
    }

    fn of(state: &State) -> Self {
        match state {
            State::Reserving => Self::Reserving,
            State::Charging => Self::Charging,
            State::Releasing(refusal) => Self::Releasing(refusal.code),
            State::Completed => Self::Completed,
            State::Rejected(refusal) => Self::Rejected(refusal.code),
        }
    }

    pub(crate) fn is_open(self) -> bool {
        self.state().is_some_and(|state| !state.has_ended())
    }
}

pub(crate) fn owners(sagas: &Sagas) -> Owners {
    sagas.map(|saga| saga.order)
}

/// The row as the order service reads it.
fn row(shop: &Shop, sagas: &Sagas, saga: u8) -> Option<checkout::Saga> {
    let Saga { order, phase } = sagas[usize::from(saga)];
    Some(checkout::Saga {
        saga_id: saga_id(saga),
        order_id: order_id(order),
        state: phase.state()?,
        user_id: USER,
        total_cost: Credits(shop.orders[usize::from(order)].cost.into()),
    })
}

/// How a saga's end is told to the client; `None` while it has not ended.
pub(crate) fn verdict(shop: &Shop, sagas: &Sagas, saga: u8) -> Option<Verdict> {
    let row = row(shop, sagas, saga)?;
    replies::ended(&row).map(|end| end.refusal.into())
}

/// Folds a batch of replies into the sagas as the order lane does.
pub(crate) fn fold(
    shop: &Shop,
    sagas: &Sagas,
    answers: &[Answer],
    defect: Option<Defect>,
) -> Folded {
    let rows = (0..).zip(sagas);
    let rows = rows.filter_map(|(saga, _)| row(shop, sagas, saga));
    let owners = owners(sagas);
    let batch: Vec<Reply> = answers.iter().map(|answer| answer.reply(&owners)).collect();
    let mut outcome = replies::apply(rows.collect(), &batch);
    if defect == Some(Defect::NoCompensation) {
        for saga in &mut outcome.moved {
            if let State::Releasing(refusal) = &saga.state {
                saga.state = State::Rejected(refusal.clone());
            }
        }
    }
    let mut after = *sagas;
    for saga in &outcome.moved {
        after[usize::from(saga_of(saga.saga_id))].phase = Phase::of(&saga.state);
    }
    let ended = outcome.moved.iter().filter_map(replies::ended);
    Folded {
        sagas: after,
        ended: ended.map(|end| saga_of(end.saga_id)).collect(),
        commands: publish(shop, &owners, &outcome.moved, HashMap::new()),
        impossible: outcome.unexpected > 0,
    }
}

/// The command that a saga waits for.
pub(crate) fn outstanding(shop: &Shop, sagas: &Sagas, saga: u8) -> Option<Command> {
    let row = row(shop, sagas, saga)?;
    let order = sagas[usize::from(saga)].order;
    let reservations = HashMap::from([(order_id(order), shop.lines(order))]);
    publish(shop, &owners(sagas), &[row], reservations).pop()
}

/// The commands as they come off the wire.
fn publish(
    shop: &Shop,
    owners: &Owners,
    sagas: &[checkout::Saga],
    reservations: HashMap<OrderId, Vec<Line>>,
) -> Vec<Command> {
    let records = command::outstanding(sagas, reservations).unwrap();
    let read = |record: &Record| match record.topic {
        STOCK_COMMANDS => {
            let sent: StockCommand = serde_json::from_slice(&record.payload).unwrap();
            let step = match &sent.step {
                StockStep::Reserve { .. } | StockStep::Decline { .. } => Step::Reserve,
                StockStep::Release => Step::Release,
            };
            let saga = saga_of(sent.saga_id);
            let command = Command { step, saga };
            assert_eq!(sent, shop.stock_command(owners, command));
            command
        }
        PAYMENT_COMMANDS => {
            let sent: PaymentCommand = serde_json::from_slice(&record.payload).unwrap();
            let step = match &sent.step {
                PaymentStep::Charge { .. } => Step::Charge,
                PaymentStep::Refund => Step::Refund,
            };
            let saga = saga_of(sent.saga_id);
            let command = Command { step, saga };
            assert_eq!(sent, shop.payment_command(owners, command));
            command
        }
        other => panic!("a command to {other}"),
    };
    records.iter().map(read).collect()
}

//! The command that a saga waits for, as a Kafka record.

use protocol::saga::{
    Line, PAYMENT_COMMANDS, PaymentCommand, PaymentStep, STOCK_COMMANDS, StockCommand, StockStep,
};
use protocol::{Credits, OrderId, SagaId, UserId};
use service_core::kafka::Record;

use crate::{saga::Outstanding, store::checkout::Saga};

/// `Reserve` of a saga that was just started.
pub fn reserve(
    saga_id: SagaId,
    order_id: OrderId,
    lines: Vec<Line>,
) -> Result<Record, serde_json::Error> {
    stock(saga_id, order_id, StockStep::Reserve { lines })
}

/// The outstanding command of a saga; `None` for one that has ended.
pub fn outstanding(saga: Saga) -> Result<Option<Record>, serde_json::Error> {
    let (saga_id, order_id) = (saga.saga_id, saga.order_id);
    let record = match saga.state.outstanding() {
        None => return Ok(None),
        Some(Outstanding::Reserve) => reserve(saga_id, order_id, saga.lines)?,
        Some(Outstanding::Release) => stock(saga_id, order_id, StockStep::Release)?,
        Some(Outstanding::Charge) => charge(saga_id, order_id, saga.user_id, saga.total_cost)?,
    };
    Ok(Some(record))
}

/// The outstanding commands of many sagas.
pub fn all_outstanding(sagas: Vec<Saga>) -> Result<Vec<Record>, serde_json::Error> {
    sagas
        .into_iter()
        .filter_map(|saga| outstanding(saga).transpose())
        .collect()
}

fn stock(saga_id: SagaId, order_id: OrderId, step: StockStep) -> Result<Record, serde_json::Error> {
    let command = StockCommand {
        saga_id,
        order_id,
        step,
    };
    Record::json(STOCK_COMMANDS, saga_id.0, &command)
}

fn charge(
    saga_id: SagaId,
    order_id: OrderId,
    user_id: UserId,
    amount: Credits,
) -> Result<Record, serde_json::Error> {
    let command = PaymentCommand {
        saga_id,
        order_id,
        step: PaymentStep::Charge { user_id, amount },
    };
    Record::json(PAYMENT_COMMANDS, saga_id.0, &command)
}

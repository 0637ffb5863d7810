//! The command that a saga waits for, as a Kafka record.

use std::collections::HashMap;

use protocol::saga::{
    Line, PAYMENT_COMMANDS, PaymentCommand, PaymentStep, STOCK_COMMANDS, StockCommand, StockStep,
};
use protocol::{Credits, OrderId, SagaId, UserId};
use service_core::kafka::Record;

use crate::{saga::Outstanding, store::checkout::Saga};

/// The outstanding commands of those sagas that have not ended. `reservations` holds the lines of the
/// orders whose stock is being reserved.
pub fn outstanding(
    sagas: &[Saga],
    mut reservations: HashMap<OrderId, Vec<Line>>,
) -> Result<Vec<Record>, serde_json::Error> {
    let mut records = Vec::with_capacity(sagas.len());
    for saga in sagas {
        let (saga_id, order_id) = (saga.saga_id, saga.order_id);
        let record = match saga.state.outstanding() {
            None => continue,
            Some(Outstanding::Reserve) => {
                let lines = reservations.remove(&order_id).unwrap_or_default();
                stock(saga_id, order_id, StockStep::Reserve { lines })?
            }
            Some(Outstanding::Release) => stock(saga_id, order_id, StockStep::Release)?,
            Some(Outstanding::Charge) => charge(saga_id, order_id, saga.user_id, saga.total_cost)?,
        };
        records.push(record);
    }
    Ok(records)
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

//! The command that a saga waits for, as a Kafka record.

use std::collections::HashMap;

use protocol::saga::{
    Line, PAYMENT_COMMANDS, PaymentCommand, PaymentStep, Refusal, RefusalCode, STOCK_COMMANDS,
    StockCommand, StockStep,
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
                let reserve = stock(saga_id, order_id, StockStep::Reserve { lines })?;
                reserve.or_else(too_large(saga_id, order_id)?)
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

/// What takes the place of a reservation that no broker takes, for its size. The stock service answers it: only it
/// knows whether the reservation has reached it after all, while brokers took larger messages.
fn too_large(saga_id: SagaId, order_id: OrderId) -> Result<Record, serde_json::Error> {
    let refusal = Refusal {
        code: RefusalCode::BadRequest,
        message: format!("Order: {order_id} is too large to be checked out"),
    };
    stock(saga_id, order_id, StockStep::Decline { refusal })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saga::State;

    #[test]
    fn a_reservation_that_no_broker_takes_is_declined_instead() {
        let saga = Saga {
            saga_id: SagaId(3),
            order_id: OrderId(7),
            state: State::Reserving,
            user_id: UserId(1),
            total_cost: Credits(5),
        };
        let records = outstanding(&[saga], HashMap::new()).unwrap();
        let instead = records[0].instead.as_ref().unwrap();
        assert_eq!((instead.topic, instead.key), (STOCK_COMMANDS, 3));
        let command: StockCommand = serde_json::from_slice(&instead.payload).unwrap();
        assert_eq!((command.saga_id, command.order_id), (SagaId(3), OrderId(7)));
        let StockStep::Decline { refusal } = command.step else {
            panic!("{command:?} declines nothing");
        };
        assert_eq!(refusal.code, RefusalCode::BadRequest);
    }
}

//! What becomes of one request to check an order out.

use protocol::{
    OrderId,
    saga::{Refusal, RefusalCode},
};

use crate::store::checkout::{Open, Standing};

/// The decision on one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// A final no, without a saga.
    Reject(Refusal),
    /// `paid` is final.
    AlreadyPaid,
    /// The answer is that of this saga.
    Wait(Open),
}

/// Decides on an order as it stands after every order that could be started was; `None` where there is no
/// such order. An earlier attempt, if there was one, has ended without effect and does not count.
#[must_use]
pub(super) fn decide(order_id: OrderId, standing: Option<&Standing>) -> Decision {
    let Some(standing) = standing else {
        return reject(
            RefusalCode::NotFound,
            format!("Order: {order_id} not found!"),
        );
    };
    if standing.paid {
        Decision::AlreadyPaid
    } else if let Some(open) = standing.open {
        Decision::Wait(open)
    } else {
        // Neither paid nor open, and yet it could not be started.
        reject(
            RefusalCode::EmptyOrder,
            format!("Order: {order_id} is empty"),
        )
    }
}

fn reject(code: RefusalCode, message: String) -> Decision {
    Decision::Reject(Refusal { code, message })
}

#[cfg(test)]
mod tests {
    use protocol::SagaId;

    use super::*;
    use crate::store::checkout::Age;

    const ORDER: OrderId = OrderId(7);
    const OPEN: Open = Open {
        saga_id: SagaId(3),
        age: Age::Quiet,
    };

    fn standing(paid: bool, open: Option<Open>) -> Standing {
        Standing {
            order_id: ORDER,
            paid,
            open,
        }
    }

    fn code(decision: Decision) -> Option<RefusalCode> {
        match decision {
            Decision::Reject(refusal) => Some(refusal.code),
            Decision::AlreadyPaid | Decision::Wait(_) => None,
        }
    }

    #[test]
    fn an_order_is_decided_by_how_it_stands() {
        let paid = standing(true, None);
        assert_eq!(decide(ORDER, Some(&paid)), Decision::AlreadyPaid);
        let open = standing(false, Some(OPEN));
        assert_eq!(decide(ORDER, Some(&open)), Decision::Wait(OPEN));
    }

    #[test]
    fn a_missing_and_an_empty_order_are_rejected_for_good() {
        assert_eq!(code(decide(ORDER, None)), Some(RefusalCode::NotFound));
        let empty = decide(ORDER, Some(&standing(false, None)));
        assert_eq!(code(empty), Some(RefusalCode::EmptyOrder));
    }
}

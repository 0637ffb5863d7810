//! What becomes of one request to check an order out.

use protocol::{
    OrderId, SagaId,
    saga::{Refusal, RefusalCode},
};

use crate::store::checkout::Candidate;

/// The decision on one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A final no, without a saga.
    Reject(Refusal),
    /// `paid` is final.
    AlreadyPaid,
    /// A new saga begins. An earlier attempt, if there was one, has ended without effect.
    Start,
    /// The answer is that of this saga.
    Wait {
        saga_id: SagaId,
        /// Nothing was heard of it for a while.
        is_quiet: bool,
    },
}

/// Decides on an order as it stands; `None` where there is none.
#[must_use]
pub(super) fn decide(order_id: OrderId, candidate: Option<&Candidate>) -> Decision {
    let Some(candidate) = candidate else {
        return reject(
            RefusalCode::NotFound,
            format!("Order: {order_id} not found!"),
        );
    };
    if candidate.paid {
        Decision::AlreadyPaid
    } else if let Some(open) = candidate.open {
        Decision::Wait {
            saga_id: open.saga_id,
            is_quiet: open.is_quiet,
        }
    } else if candidate.lines.is_empty() {
        reject(
            RefusalCode::EmptyOrder,
            format!("Order: {order_id} is empty"),
        )
    } else {
        Decision::Start
    }
}

fn reject(code: RefusalCode, message: String) -> Decision {
    Decision::Reject(Refusal { code, message })
}

#[cfg(test)]
mod tests {
    use protocol::{ItemId, Quantity, saga::Line};

    use super::*;
    use crate::store::checkout::Open;

    const ORDER: OrderId = OrderId(7);
    const SAGA: SagaId = SagaId(3);

    fn candidate(paid: bool, open: bool, lines: usize) -> Candidate {
        let line = Line {
            item_id: ItemId(1),
            quantity: Quantity(2),
        };
        Candidate {
            order_id: ORDER,
            paid,
            open: open.then_some(Open {
                saga_id: SAGA,
                is_quiet: true,
            }),
            lines: vec![line; lines],
        }
    }

    #[test]
    fn an_order_is_decided_by_what_stands_of_it() {
        let wait = Decision::Wait {
            saga_id: SAGA,
            is_quiet: true,
        };
        for (candidate, decision) in [
            (candidate(false, false, 1), Decision::Start),
            // Lines are not read of an order that cannot be started.
            (candidate(true, false, 0), Decision::AlreadyPaid),
            (candidate(false, true, 0), wait),
        ] {
            assert_eq!(decide(ORDER, Some(&candidate)), decision, "{candidate:?}");
        }
    }

    #[test]
    fn a_missing_and_an_empty_order_are_rejected_for_good() {
        let code = |decision| match decision {
            Decision::Reject(refusal) => Some(refusal.code),
            _ => None,
        };
        assert_eq!(code(decide(ORDER, None)), Some(RefusalCode::NotFound));
        let empty = candidate(false, false, 0);
        assert_eq!(
            code(decide(ORDER, Some(&empty))),
            Some(RefusalCode::EmptyOrder)
        );
    }
}

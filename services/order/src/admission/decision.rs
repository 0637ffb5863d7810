//! What becomes of one request to check an order out.

use protocol::{
    OrderId, SagaId,
    saga::{LINES_MAX, Refusal, RefusalCode},
};

use crate::store::checkout::{Age, Open, Standing};

/// The decision on one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
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
pub fn decide(order_id: OrderId, standing: Option<&Standing>) -> Decision {
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
    } else if standing.lines > LINES_MAX {
        reject(
            RefusalCode::BadRequest,
            format!("Order: {order_id} has more than {LINES_MAX} lines"),
        )
    } else {
        // Neither paid nor open nor too long, and yet it could not be started.
        reject(
            RefusalCode::EmptyOrder,
            format!("Order: {order_id} is empty"),
        )
    }
}

/// The saga whose command must be published, or may never have been: after a commit whose answer was lost
/// a joined saga may be our own, and a quiet one's replica may have died.
#[must_use]
pub fn to_publish(decision: &Decision, is_retry: bool) -> Option<SagaId> {
    match decision {
        Decision::Wait(open) => match open.age {
            Age::New | Age::Quiet => Some(open.saga_id),
            Age::Fresh => is_retry.then_some(open.saga_id),
        },
        Decision::Reject(_) | Decision::AlreadyPaid => None,
    }
}

fn reject(code: RefusalCode, message: String) -> Decision {
    Decision::Reject(Refusal { code, message })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            lines: 0,
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

    #[test]
    fn an_order_of_too_many_lines_is_rejected_for_good() {
        let lines = |lines| Standing {
            lines,
            ..standing(false, None)
        };
        let most = decide(ORDER, Some(&lines(LINES_MAX)));
        assert_eq!(code(most), Some(RefusalCode::EmptyOrder));
        let more = decide(ORDER, Some(&lines(LINES_MAX + 1)));
        assert_eq!(code(more), Some(RefusalCode::BadRequest));
    }

    #[test]
    fn a_command_is_published_where_nobody_else_may_have_done_it() {
        let wait = |age| Decision::Wait(Open { age, ..OPEN });
        for is_retry in [false, true] {
            assert_eq!(to_publish(&wait(Age::New), is_retry), Some(OPEN.saga_id));
            assert_eq!(to_publish(&wait(Age::Quiet), is_retry), Some(OPEN.saga_id));
            assert_eq!(to_publish(&Decision::AlreadyPaid, is_retry), None);
        }
        assert_eq!(to_publish(&wait(Age::Fresh), false), None);
        assert_eq!(to_publish(&wait(Age::Fresh), true), Some(OPEN.saga_id));
    }
}

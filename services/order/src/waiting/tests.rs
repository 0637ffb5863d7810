use protocol::saga::RefusalCode;
use tokio::time::Instant as TokioInstant;

use super::*;

const ORDER: OrderId = OrderId(7);

fn end(saga_id: i64, refusal: Option<Refusal>) -> CheckoutEnded {
    CheckoutEnded {
        order_id: ORDER,
        saga_id: SagaId(saga_id),
        refusal,
    }
}

fn refusal() -> Refusal {
    Refusal {
        code: RefusalCode::OutOfCredit,
        message: "User out of credit".into(),
    }
}

/// The verdict that is there now.
async fn now(ticket: &mut Ticket) -> Option<Verdict> {
    ticket.verdict(TokioInstant::now()).await
}

#[tokio::test]
async fn a_bound_request_hears_of_its_saga() {
    let waiting = Waiting::new(10);
    let mut ticket = waiting.register(ORDER).unwrap();
    waiting.bind(ticket.id(), SagaId(2));
    waiting.ended(&end(2, None));
    assert_eq!(now(&mut ticket).await, Some(Verdict::Paid));
    assert_eq!(waiting.count(), 0);
}

#[tokio::test]
async fn the_end_of_an_older_attempt_is_not_taken_for_the_answer() {
    let waiting = Waiting::new(10);
    let mut ticket = waiting.register(ORDER).unwrap();
    waiting.ended(&end(1, Some(refusal())));
    waiting.bind(ticket.id(), SagaId(2));
    waiting.ended(&end(1, Some(refusal())));
    assert_eq!(now(&mut ticket).await, None);
    waiting.ended(&end(2, None));
    assert_eq!(now(&mut ticket).await, Some(Verdict::Paid));
}

#[tokio::test]
async fn an_end_that_comes_before_the_saga_is_known_is_kept() {
    let waiting = Waiting::new(10);
    let mut ticket = waiting.register(ORDER).unwrap();
    waiting.ended(&end(2, Some(refusal())));
    assert_eq!(now(&mut ticket).await, None);
    waiting.bind(ticket.id(), SagaId(2));
    assert_eq!(now(&mut ticket).await, Some(Verdict::Rejected(refusal())));
}

#[tokio::test]
async fn all_requests_of_a_saga_hear_the_same() {
    let waiting = Waiting::new(10);
    let mut tickets: Vec<Ticket> = (0..3).map(|_| waiting.register(ORDER).unwrap()).collect();
    for ticket in &tickets {
        waiting.bind(ticket.id(), SagaId(2));
    }
    assert_eq!(waiting.sagas(Duration::ZERO), [SagaId(2)]);
    waiting.ended(&end(2, None));
    for ticket in &mut tickets {
        assert_eq!(now(ticket).await, Some(Verdict::Paid));
    }
    assert!(waiting.sagas(Duration::ZERO).is_empty());
}

#[tokio::test]
async fn a_request_that_leaves_makes_room() {
    let waiting = Waiting::new(1);
    let ticket = waiting.register(ORDER).unwrap();
    let id = ticket.id();
    assert!(waiting.is_waiting(id));
    assert!(waiting.register(OrderId(8)).is_none());
    drop(ticket);
    assert!(!waiting.is_waiting(id));
    assert!(waiting.register(OrderId(8)).is_some());
}

#[tokio::test]
async fn early_ends_are_bounded_and_the_newest_stay() {
    let waiting = Waiting::new(1);
    let mut ticket = waiting.register(ORDER).unwrap();
    for saga_id in 0..100 {
        waiting.ended(&end(saga_id, Some(refusal())));
    }
    waiting.bind(ticket.id(), SagaId(99));
    assert_eq!(now(&mut ticket).await, Some(Verdict::Rejected(refusal())));
}

#[tokio::test]
async fn how_long_checkouts_take_follows_those_that_ended_last() {
    let waiting = Waiting::new(100);
    assert_eq!(waiting.lately(), Duration::ZERO);
    let admitted_ago = |ago: Duration, saga_id: i64| {
        let ticket = waiting.register(ORDER).unwrap();
        waiting.bind(ticket.id(), SagaId(saga_id));
        for waiter in waiting.lock().orders.get_mut(&ORDER).unwrap() {
            if let Phase::Bound { since, .. } = &mut waiter.phase {
                *since -= ago;
            }
        }
        waiting.ended(&end(saga_id, None));
    };
    for saga_id in 0..100 {
        admitted_ago(Duration::from_secs(4), saga_id);
    }
    let slow = waiting.lately();
    assert!(
        slow > Duration::from_millis(3900) && slow < Duration::from_secs(5),
        "{slow:?}"
    );
    for saga_id in 100..200 {
        admitted_ago(Duration::ZERO, saga_id);
    }
    assert!(
        waiting.lately() < Duration::from_millis(500),
        "{:?}",
        waiting.lately()
    );
}

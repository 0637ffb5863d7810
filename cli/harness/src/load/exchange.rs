//! One request and what came of it.

use checker::{
    contents::Digest,
    history::{Op, Value},
    outcome::{Broken, Class, Seen, classify},
};
use protocol::{
    Outcome,
    http::{Item, Order, Rejection, User},
    id::BadId,
    outcome::OUTCOME_HEADER,
    saga::RefusalCode,
};

/// What the client saw of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub class: Class,
    pub status: Option<u16>,
    pub broken: Option<Broken>,
    pub refusal: Option<RefusalCode>,
    pub value: Option<Value>,
}

impl Exchange {
    /// The request never left, or its answer broke.
    #[must_use]
    pub fn broken(op: Op, broken: Broken) -> Self {
        Self {
            class: classify(Seen::Broken(broken), op.kind()),
            status: None,
            broken: Some(broken),
            refusal: None,
            value: None,
        }
    }

    /// An answer, whole or cut short.
    #[must_use]
    pub fn answered(
        op: Op,
        status: u16,
        header: Option<Outcome>,
        body: Result<&[u8], Broken>,
    ) -> Self {
        let seen = Seen::Answer {
            status,
            header,
            whole: body.is_ok(),
        };
        let class = classify(seen, op.kind());
        let whole = body.ok();
        Self {
            class,
            status: Some(status),
            broken: body.err(),
            refusal: whole
                .filter(|_| (400..500).contains(&status))
                .and_then(|body| serde_json::from_slice::<Rejection>(body).ok())
                .map(|rejection| rejection.code),
            value: whole
                .filter(|_| class == Class::Ok)
                .and_then(|body| value(op, body)),
        }
    }
}

/// The outcome header, where it is there and known.
pub(super) fn outcome(headers: &reqwest::header::HeaderMap) -> Option<Outcome> {
    headers
        .get(OUTCOME_HEADER)
        .and_then(|value| value.to_str().ok())
        .and_then(Outcome::from_header)
}

/// What an ok read saw; `None` for a write, and for a body that is not what was asked for.
fn value(op: Op, body: &[u8]) -> Option<Value> {
    match op {
        Op::FindOrder { .. } => serde_json::from_slice::<Order>(body)
            .ok()
            .and_then(|order| {
                Some(Value::Order {
                    paid: order.paid,
                    contents: contents(&order).ok()?,
                })
            }),
        Op::FindItem { .. } => serde_json::from_slice::<Item>(body)
            .ok()
            .map(|item| Value::Stock(item.stock)),
        Op::FindUser { .. } => serde_json::from_slice::<User>(body)
            .ok()
            .map(|user| Value::Credit(user.credit)),
        Op::Checkout { .. }
        | Op::AddFunds { .. }
        | Op::Pay { .. }
        | Op::AddStock { .. }
        | Op::SubtractStock { .. }
        | Op::CreateOrder { .. }
        | Op::AddItem { .. }
        | Op::CreateItem { .. }
        | Op::CreateUser => None,
    }
}

/// The digest of what the API says that an order holds.
///
/// # Errors
/// [`BadId`]: an owner or an item that is no id.
pub(crate) fn contents(order: &Order) -> Result<Digest, BadId> {
    Ok(Digest::of(order.owner()?, order.total_cost, order.lines()?))
}

/// How a request failed that got no answer. Only a connection that never stood proves that nothing was sent.
pub(super) fn failure(error: &reqwest::Error) -> Broken {
    if error.is_connect() {
        Broken::NotSent
    } else if error.is_timeout() {
        Broken::TimedOut
    } else {
        Broken::Reset
    }
}

#[cfg(test)]
mod tests {
    use protocol::{OrderId, UserId};

    use super::*;

    const CHECKOUT: Op = Op::Checkout { order: OrderId(7) };

    #[test]
    fn a_rejection_keeps_its_code() {
        let exchange = Exchange::answered(
            CHECKOUT,
            400,
            Some(Outcome::Rejected),
            Ok(br#"{"code":"out_of_credit","message":"user 3 has 2 credits"}"#),
        );
        assert_eq!(exchange.class, Class::Fail);
        assert_eq!(exchange.refusal, Some(RefusalCode::OutOfCredit));
    }

    #[test]
    fn a_2xx_that_was_cut_short_is_unknown_and_says_how_it_broke() {
        let exchange = Exchange::answered(
            CHECKOUT,
            200,
            Some(Outcome::Committed),
            Err(Broken::TimedOut),
        );
        assert_eq!(exchange.class, Class::Info);
        assert_eq!(exchange.status, Some(200));
        assert_eq!(exchange.broken, Some(Broken::TimedOut));
    }

    #[test]
    fn a_read_keeps_what_it_saw() {
        let find = Op::FindUser { user: UserId(3) };
        let body = br#"{"user_id":"3","credit":12}"#;
        let exchange = Exchange::answered(find, 200, None, Ok(body));
        assert_eq!(exchange.value, Some(Value::Credit(12)));
        let not_ours = Exchange::answered(find, 200, None, Ok(b"<html>"));
        assert_eq!(not_ours.value, None);
    }
}

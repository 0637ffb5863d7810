//! One request and what came of it.

use checker::{
    contents::Digest,
    history::{Op, Value},
    outcome::{Broken, Class, Kind, Seen, classify},
};
use protocol::{
    ItemId, OrderId, Outcome, UserId,
    http::{Item, ItemCreated, Order, OrderCreated, Rejection, User, UserCreated},
    id::BadId,
    outcome::OUTCOME_HEADER,
    saga::RefusalCode,
};
use serde::de::DeserializeOwned;

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
        let whole = body.ok();
        let (class, value) = seen_in(op, classify(seen, op.kind()), whole);
        Self {
            class,
            status: Some(status),
            broken: body.err(),
            refusal: whole
                .filter(|_| (400..500).contains(&status))
                .and_then(|body| serde_json::from_slice::<Rejection>(body).ok())
                .map(|rejection| rejection.code),
            value,
        }
    }
}

/// What an answer of this class says about its operation, and the value that it carries.
///
/// An ok answer without the value that was asked for is none: nobody saw anything by such a read, which counts as
/// nothing, and such a create happened while nobody knows what it made.
fn seen_in(op: Op, class: Class, body: Option<&[u8]>) -> (Class, Option<Value>) {
    let Some(body) = body.filter(|_| class == Class::Ok) else {
        return (class, None);
    };
    match (carried(op, body), op.kind()) {
        (Carried::Nothing, _) => (Class::Ok, None),
        (Carried::Value(value), _) => (Class::Ok, Some(value)),
        (Carried::Garbled, Kind::Read) => (Class::Fail, None),
        (Carried::Garbled, Kind::Write) => (Class::Info, None),
    }
}

/// The outcome header, where it is there and known.
pub(super) fn outcome(headers: &reqwest::header::HeaderMap) -> Option<Outcome> {
    headers
        .get(OUTCOME_HEADER)
        .and_then(|value| value.to_str().ok())
        .and_then(Outcome::from_header)
}

/// What the body of an ok answer holds.
enum Carried {
    /// The operation has no value: its status says it all.
    Nothing,
    Value(Value),
    /// The body is not what was asked for.
    Garbled,
}

fn carried(op: Op, body: &[u8]) -> Carried {
    let value = match op {
        Op::FindOrder { .. } => json(body).and_then(|order: Order| {
            Some(Value::Order {
                paid: order.paid,
                contents: contents(&order).ok()?,
            })
        }),
        Op::FindItem { .. } => json(body).map(|item: Item| Value::Stock(item.stock)),
        Op::FindUser { .. } => json(body).map(|user: User| Value::Credit(user.credit)),
        Op::CreateOrder { .. } => json(body)
            .and_then(|made: OrderCreated| made.order_id.parse().ok())
            .map(|OrderId(id)| Value::Created(id)),
        Op::CreateItem { .. } => json(body)
            .and_then(|made: ItemCreated| made.item_id.parse().ok())
            .map(|ItemId(id)| Value::Created(id)),
        Op::CreateUser => json(body)
            .and_then(|made: UserCreated| made.user_id.parse().ok())
            .map(|UserId(id)| Value::Created(id)),
        Op::Checkout { .. }
        | Op::AddFunds { .. }
        | Op::Pay { .. }
        | Op::AddStock { .. }
        | Op::SubtractStock { .. }
        | Op::AddItem { .. } => return Carried::Nothing,
    };
    value.map_or(Carried::Garbled, Carried::Value)
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
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
    use protocol::Credits;

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

    #[rstest::rstest]
    #[case::order(Op::CreateOrder { user: UserId(3) }, r#"{"order_id":"41"}"#)]
    #[case::item(Op::CreateItem { price: Credits(5) }, r#"{"item_id":"41"}"#)]
    #[case::user(Op::CreateUser, r#"{"user_id":"41"}"#)]
    fn a_create_keeps_the_id_that_it_made(#[case] op: Op, #[case] body: &str) {
        let exchange = Exchange::answered(op, 200, None, Ok(body.as_bytes()));
        assert_eq!(exchange.class, Class::Ok);
        assert_eq!(exchange.value, Some(Value::Created(41)));
    }

    #[test]
    fn a_create_that_does_not_say_what_it_made_is_unknown() {
        let create = Op::CreateOrder { user: UserId(3) };
        for body in ["", "{}", r#"{"order_id":"x"}"#, r#"{"order_id":-1}"#] {
            let exchange = Exchange::answered(create, 200, None, Ok(body.as_bytes()));
            assert_eq!(exchange.class, Class::Info, "{body}");
            assert_eq!(exchange.value, None, "{body}");
        }
    }

    #[test]
    fn a_write_without_a_value_is_ok_by_its_status_alone() {
        let exchange = Exchange::answered(CHECKOUT, 200, None, Ok(b"<html>"));
        assert_eq!((exchange.class, exchange.value), (Class::Ok, None));
    }

    #[test]
    fn a_read_keeps_what_it_saw_and_is_nothing_where_it_saw_nothing() {
        let find = Op::FindUser { user: UserId(3) };
        let body = br#"{"user_id":"3","credit":12}"#;
        let exchange = Exchange::answered(find, 200, None, Ok(body));
        assert_eq!(exchange.class, Class::Ok);
        assert_eq!(exchange.value, Some(Value::Credit(12)));
        let not_ours = Exchange::answered(find, 200, None, Ok(b"<html>"));
        assert_eq!(not_ours.class, Class::Fail);
        assert_eq!(not_ours.value, None);
        assert_eq!(not_ours.status, Some(200));
    }
}

//! The same rows as the public API tells them.

use std::collections::BTreeSet;

use checker::snapshot::{ApiOrder, ApiReads, ItemRow, Subject, UserRow};
use futures_util::{StreamExt, stream};
use protocol::{
    ItemId, OrderId, UserId,
    http::{Item, Order, User},
};

use crate::load::{Client, exchange::contents};

/// Reads under way at once: gentle on a stack that has just recovered.
const CONCURRENT: usize = 16;
const ATTEMPTS_MAX: u32 = 4;

/// What to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    pub orders: BTreeSet<OrderId>,
    pub users: BTreeSet<UserId>,
    pub items: BTreeSet<ItemId>,
}

/// What one read gave.
enum Read {
    Order(ApiOrder),
    User(UserRow),
    Item(ItemRow),
    Absent(Subject),
    Unanswered,
}

/// Reads the sample across the API.
pub async fn cross_read(client: &Client, sample: &Sample) -> ApiReads {
    let subjects = sample
        .orders
        .iter()
        .map(|order| Subject::Order(*order))
        .chain(sample.users.iter().map(|user| Subject::User(*user)))
        .chain(sample.items.iter().map(|item| Subject::Item(*item)));
    let mut reads = stream::iter(subjects)
        .map(|subject| read(client, subject))
        .buffer_unordered(CONCURRENT);
    let mut found = ApiReads::default();
    while let Some(read) = reads.next().await {
        match read {
            Read::Order(order) => found.orders.push(order),
            Read::User(user) => found.users.push(user),
            Read::Item(item) => found.items.push(item),
            Read::Absent(subject) => found.absent.push(subject),
            Read::Unanswered => found.unanswered += 1,
        }
    }
    found
}

async fn read(client: &Client, subject: Subject) -> Read {
    for attempt in 1..=ATTEMPTS_MAX {
        match try_read(client, &subject).await {
            Ok(Some(read)) => return read,
            Ok(None) => return Read::Absent(subject),
            Err(reason) => tracing::debug!(?subject, attempt, reason, "a read got no answer"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(200) * attempt).await;
    }
    Read::Unanswered
}

async fn try_read(client: &Client, subject: &Subject) -> Result<Option<Read>, String> {
    match subject {
        Subject::Order(order_id) => {
            let found: Option<Order> = client.read(&format!("/orders/find/{order_id}")).await?;
            found
                .map(|order| {
                    Ok(Read::Order(ApiOrder {
                        order_id: *order_id,
                        user_id: order.owner().map_err(|error| error.to_string())?,
                        paid: order.paid,
                        total_cost: order.total_cost,
                        contents: contents(&order).map_err(|error| error.to_string())?,
                    }))
                })
                .transpose()
        }
        Subject::User(user_id) => {
            let path = format!("/payment/find_user/{user_id}");
            let found: Option<User> = client.read(&path).await?;
            Ok(found.map(|user| {
                Read::User(UserRow {
                    user_id: *user_id,
                    credit: user.credit,
                })
            }))
        }
        Subject::Item(item_id) => {
            let found: Option<Item> = client.read(&format!("/stock/find/{item_id}")).await?;
            Ok(found.map(|item| {
                Read::Item(ItemRow {
                    item_id: *item_id,
                    price: item.price,
                    stock: item.stock,
                })
            }))
        }
        // Neither has a place in the API.
        Subject::Database(_) | Subject::Lane(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{method, path},
    };

    use super::*;

    #[tokio::test]
    async fn answers_absences_and_silence_are_told_apart() {
        let shop = MockServer::start().await;
        let answer = |route: &str, response: ResponseTemplate| {
            Mock::given(method("GET"))
                .and(path(route))
                .respond_with(response)
                .mount(&shop)
        };
        let user = serde_json::json!({"user_id": "3", "credit": 12});
        answer(
            "/payment/find_user/3",
            ResponseTemplate::new(200).set_body_json(user),
        )
        .await;
        answer("/orders/find/1", ResponseTemplate::new(400)).await;
        answer("/stock/find/2", ResponseTemplate::new(503)).await;
        answer("/orders/find/8", ResponseTemplate::new(408)).await;
        answer("/payment/find_user/8", ResponseTemplate::new(425)).await;
        answer("/stock/find/8", ResponseTemplate::new(429)).await;
        let client = Client::new(&shop.uri(), Duration::from_secs(1)).unwrap();
        let sample = Sample {
            orders: [OrderId(1), OrderId(8)].into(),
            users: [UserId(3), UserId(8)].into(),
            items: [ItemId(2), ItemId(8)].into(),
        };
        let found = cross_read(&client, &sample).await;
        assert_eq!(found.users[0].credit, 12);
        assert_eq!(found.absent, [Subject::Order(OrderId(1))]);
        assert_eq!(found.unanswered, 4);
    }
}

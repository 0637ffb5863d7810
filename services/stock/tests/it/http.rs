use serde_json::json;
use service_core::postgres::Database;
use sqlx::PgPool;

use crate::client::Client;

fn client(pool: PgPool) -> Client {
    Client(stock::http::router(Database::from_pool(pool)))
}

async fn new_item(client: &Client, price: i64) -> String {
    let created = client.post(&format!("/item/create/{price}")).await;
    assert_eq!(
        (created.status, created.outcome.as_str()),
        (200, "committed")
    );
    created.body["item_id"].as_str().unwrap().to_owned()
}

#[sqlx::test]
async fn an_item_is_created_stocked_and_found(pool: PgPool) {
    let client = client(pool);
    let id = new_item(&client, 5).await;
    assert_eq!(
        client.get(&format!("/find/{id}")).await.body,
        json!({"stock": 0, "price": 5})
    );
    let added = client.post(&format!("/add/{id}/50")).await;
    assert_eq!(
        added.body,
        json!({"msg": format!("Item: {id} stock updated to: 50")})
    );
    let taken = client.post(&format!("/subtract/{id}/20")).await;
    assert_eq!((taken.status, taken.outcome.as_str()), (200, "committed"));
    assert_eq!(
        client.get(&format!("/find/{id}")).await.body,
        json!({"stock": 30, "price": 5})
    );
}

#[sqlx::test]
async fn stock_never_falls_below_zero(pool: PgPool) {
    let client = client(pool);
    let id = new_item(&client, 1).await;
    client.post(&format!("/add/{id}/5")).await;
    let refused = client.post(&format!("/subtract/{id}/6")).await;
    assert_eq!(refused.rejection(), (400, "rejected", "out_of_stock"));
    assert_eq!(
        refused.body["message"],
        format!("Item: {id} stock cannot get reduced below zero!")
    );
    assert_eq!(client.get(&format!("/find/{id}")).await.body["stock"], 5);
}

#[sqlx::test]
async fn what_is_missing_is_said_so(pool: PgPool) {
    let client = client(pool);
    for answer in [
        client.get("/find/7").await,
        client.post("/add/7/1").await,
        client.post("/subtract/7/1").await,
    ] {
        assert_eq!(answer.rejection(), (400, "rejected", "not_found"));
        assert_eq!(answer.body["message"], "Item: 7 not found!");
    }
}

#[sqlx::test]
async fn malformed_requests_are_rejected(pool: PgPool) {
    let client = client(pool);
    let id = new_item(&client, 1).await;
    for path in [
        "/item/create/-1",
        "/item/create/x",
        "/item/create/1000000000001",
        "/add/x/1",
        "/add/-1/1",
        "/add/01/1",
        "/add/%FF/1",
        "/add/99999999999999999999/1",
        &format!("/add/{id}/0"),
        &format!("/add/{id}/-1"),
        &format!("/add/{id}/1.5"),
        &format!("/subtract/{id}/0"),
        "/batch_init/-1/1/1",
        "/batch_init/10000001/1/1",
        "/batch_init/1/-1/1",
        "/batch_init/1/1/x",
    ] {
        assert_eq!(
            client.post(path).await.rejection(),
            (400, "rejected", "bad_request"),
            "{path}"
        );
    }
    assert_eq!(
        client.get("/find/x").await.rejection(),
        (400, "rejected", "bad_request")
    );
    assert_eq!(client.get(&format!("/find/{id}")).await.body["stock"], 0);
}

#[sqlx::test]
async fn adding_stops_before_it_overflows(pool: PgPool) {
    sqlx::query("insert into item values (1, 1, 999999999999999999)")
        .execute(&pool)
        .await
        .unwrap();
    let client = client(pool);
    assert_eq!(
        client.post("/add/1/2").await.rejection(),
        (400, "rejected", "bad_request")
    );
    assert_eq!(client.post("/add/1/1").await.status, 200);
}

#[sqlx::test]
async fn batch_init_sets_many_items_again_and_again(pool: PgPool) {
    let client = client(pool);
    let created = new_item(&client, 3).await;
    let first = client.post("/batch_init/100000/7/2").await;
    assert_eq!(
        first.body,
        json!({"msg": "Batch init for stock successful"})
    );
    client.post("/add/99999/5").await;
    assert_eq!(
        client.get("/find/99999").await.body,
        json!({"stock": 12, "price": 2})
    );
    assert_eq!(client.post("/batch_init/100000/8/3").await.status, 200);
    assert_eq!(
        client.get("/find/0").await.body,
        json!({"stock": 8, "price": 3})
    );
    assert_eq!(
        client.get("/find/99999").await.body,
        json!({"stock": 8, "price": 3})
    );
    assert_eq!(client.get("/find/100000").await.status, 400);
    assert_eq!(
        client.get(&format!("/find/{created}")).await.body["price"],
        3
    );
}

#[sqlx::test]
async fn a_repeated_request_adds_once(pool: PgPool) {
    let client = client(pool);
    let id = new_item(&client, 1).await;
    let path = format!("/add/{id}/5");
    let first = client.post_as("key", &path).await;
    assert_eq!(client.post_as("key", &path).await, first);
    let other = client.post_as("key", &format!("/add/{id}/6")).await;
    assert_eq!(other.rejection(), (400, "rejected", "bad_request"));
    assert_eq!(client.get(&format!("/find/{id}")).await.body["stock"], 5);
}

#[sqlx::test]
async fn changes_made_at_once_all_count(pool: PgPool) {
    let client = client(pool);
    client.post("/batch_init/20/0/1").await;
    let adding = (0..60).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { client.post(&format!("/add/{}/1", n % 20)).await.status })
    });
    for added in adding.collect::<Vec<_>>() {
        assert_eq!(added.await.unwrap(), 200);
    }
    for id in 0..20 {
        assert_eq!(client.get(&format!("/find/{id}")).await.body["stock"], 3);
    }
}

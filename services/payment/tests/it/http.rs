use serde_json::json;
use service_core::postgres::Database;
use sqlx::PgPool;

use crate::client::Client;

fn client(pool: PgPool) -> Client {
    Client(payment::http::router(Database::from_pool(pool)))
}

async fn new_user(client: &Client) -> String {
    let created = client.post("/create_user").await;
    assert_eq!(
        (created.status, created.outcome.as_str()),
        (200, "committed")
    );
    created.body["user_id"].as_str().unwrap().to_owned()
}

#[sqlx::test]
async fn a_user_is_created_funded_and_found(pool: PgPool) {
    let client = client(pool);
    let id = new_user(&client).await;
    let added = client.post(&format!("/add_funds/{id}/15")).await;
    assert_eq!(
        added.body,
        json!({"msg": format!("User: {id} credit updated to: 15")})
    );
    let paid = client.post(&format!("/pay/{id}/5")).await;
    assert_eq!((paid.status, paid.outcome.as_str()), (200, "committed"));
    let found = client.get(&format!("/find_user/{id}")).await;
    assert_eq!(found.body, json!({"user_id": id, "credit": 10}));
}

#[sqlx::test]
async fn credit_never_falls_below_zero(pool: PgPool) {
    let client = client(pool);
    let id = new_user(&client).await;
    client.post(&format!("/add_funds/{id}/5")).await;
    let refused = client.post(&format!("/pay/{id}/6")).await;
    assert_eq!(refused.rejection(), (400, "rejected", "out_of_credit"));
    assert_eq!(
        refused.body["message"],
        format!("User: {id} credit cannot get reduced below zero!")
    );
    assert_eq!(
        client.get(&format!("/find_user/{id}")).await.body["credit"],
        5
    );
}

#[sqlx::test]
async fn what_is_missing_is_said_so(pool: PgPool) {
    let client = client(pool);
    for answer in [
        client.get("/find_user/7").await,
        client.post("/add_funds/7/1").await,
        client.post("/pay/7/1").await,
    ] {
        assert_eq!(answer.rejection(), (400, "rejected", "not_found"));
        assert_eq!(answer.body["message"], "User: 7 not found!");
    }
}

#[sqlx::test]
async fn malformed_requests_are_rejected(pool: PgPool) {
    let client = client(pool);
    let id = new_user(&client).await;
    for path in [
        "/add_funds/x/1",
        "/pay/-1/1",
        "/pay/01/1",
        &format!("/add_funds/{id}/0"),
        &format!("/add_funds/{id}/-1"),
        &format!("/pay/{id}/1000000000001"),
        "/batch_init/x/1",
        "/batch_init/10000001/1",
        "/batch_init/1/-1",
    ] {
        assert_eq!(
            client.post(path).await.rejection(),
            (400, "rejected", "bad_request"),
            "{path}"
        );
    }
    assert_eq!(
        client.get("/find_user/x").await.rejection(),
        (400, "rejected", "bad_request")
    );
}

#[sqlx::test]
async fn batch_init_sets_many_users_again_and_again(pool: PgPool) {
    let client = client(pool);
    let first = client.post("/batch_init/100000/7").await;
    assert_eq!(
        first.body,
        json!({"msg": "Batch init for users successful"})
    );
    client.post("/pay/99999/7").await;
    assert_eq!(client.get("/find_user/99999").await.body["credit"], 0);
    assert_eq!(client.post("/batch_init/100000/8").await.status, 200);
    assert_eq!(client.get("/find_user/99999").await.body["credit"], 8);
    assert_eq!(client.get("/find_user/100000").await.status, 400);
}

#[sqlx::test]
async fn a_repeated_request_pays_once(pool: PgPool) {
    let client = client(pool);
    let id = new_user(&client).await;
    client.post(&format!("/add_funds/{id}/9")).await;
    let path = format!("/pay/{id}/5");
    let first = client.post_as("key", &path).await;
    assert_eq!(first.status, 200);
    assert_eq!(client.post_as("key", &path).await, first);
    assert_eq!(
        client.get(&format!("/find_user/{id}")).await.body["credit"],
        4
    );
}

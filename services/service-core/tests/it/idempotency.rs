use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, StatusCode},
    response::Response,
    routing::post,
};
use http_body_util::BodyExt as _;
use protocol::saga::RefusalCode;
use serde_json::{Value, json};
use service_core::{
    http::rejection,
    idempotency::Mutation,
    postgres::{Database, TxError},
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tower::ServiceExt as _;

use crate::chaos_proxy::{ChaosProxy, Cut};

fn router(pool: PgPool) -> Router {
    Router::new()
        .route("/count", post(count))
        .route("/count_to_one", post(count_to_one))
        .with_state(Database::from_pool(pool))
}

async fn count(State(db): State<Database>, mutation: Mutation) -> Response {
    let counted = mutation.run(&db, |tx| {
        Box::pin(async move {
            let value: i64 =
                sqlx::query_scalar("update counter set value = value + 1 returning value")
                    .fetch_one(&mut **tx)
                    .await?;
            Ok(json!({ "value": value }))
        })
    });
    counted.await
}

/// Writes, and then changes its mind.
async fn count_to_one(State(db): State<Database>, mutation: Mutation) -> Response {
    let counted = mutation.run(&db, |tx| {
        Box::pin(async move {
            let value: i64 =
                sqlx::query_scalar("update counter set value = value + 1 returning value")
                    .fetch_one(&mut **tx)
                    .await?;
            if value > 1 {
                let enough = rejection(RefusalCode::BadRequest, "enough");
                return Err(TxError::Rejected(enough));
            }
            Ok(json!({ "value": value }))
        })
    });
    counted.await
}

/// Status, outcome header and body of a request.
async fn ask(router: &Router, path: &str, key: Option<&str>) -> (StatusCode, String, Value) {
    let mut request = Request::post(path);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let outcome = response.headers().get("x-webshop-outcome");
    let outcome = outcome
        .map_or("", |value| value.to_str().unwrap())
        .to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, outcome, serde_json::from_slice(&body).unwrap())
}

async fn value(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select value from counter")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "tests/migrations")]
async fn the_same_key_acts_once_and_answers_the_same(pool: PgPool) {
    let router = router(pool.clone());
    let first = ask(&router, "/count", Some("a")).await;
    assert_eq!(
        first,
        (StatusCode::OK, "committed".into(), json!({"value": 1}))
    );
    assert_eq!(ask(&router, "/count", Some("a")).await, first);
    assert_eq!(
        ask(&router, "/count", Some("b")).await.2,
        json!({"value": 2})
    );
    ask(&router, "/count", None).await;
    ask(&router, "/count", None).await;
    assert_eq!(value(&pool).await, 4);
}

#[sqlx::test(migrations = "tests/migrations")]
async fn a_key_of_another_request_is_rejected(pool: PgPool) {
    let router = router(pool.clone());
    ask(&router, "/count", Some("a")).await;
    let (status, outcome, body) = ask(&router, "/count_to_one", Some("a")).await;
    assert_eq!(
        (status, outcome.as_str()),
        (StatusCode::BAD_REQUEST, "rejected")
    );
    assert_eq!(body["code"], "bad_request");
    assert_eq!(value(&pool).await, 1);
}

#[sqlx::test(migrations = "tests/migrations")]
async fn a_rejection_is_final_and_leaves_nothing(pool: PgPool) {
    let router = router(pool.clone());
    ask(&router, "/count", None).await;
    let rejected = ask(&router, "/count_to_one", Some("a")).await;
    assert_eq!(rejected.0, StatusCode::BAD_REQUEST);
    assert_eq!(rejected.1, "rejected");
    assert_eq!(value(&pool).await, 1);
    sqlx::query("update counter set value = 0")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(ask(&router, "/count_to_one", Some("a")).await, rejected);
    assert_eq!(value(&pool).await, 0);
}

#[sqlx::test(migrations = "tests/migrations")]
async fn a_malformed_key_is_rejected(pool: PgPool) {
    let router = router(pool.clone());
    for key in [String::new(), "x".repeat(201)] {
        assert_eq!(
            ask(&router, "/count", Some(&key)).await.0,
            StatusCode::BAD_REQUEST
        );
    }
    assert_eq!(value(&pool).await, 0);
}

#[sqlx::test(migrations = "tests/migrations")]
async fn a_key_sent_many_times_at_once_acts_once(pool: PgPool) {
    let router = router(pool.clone());
    let asking = (0..8).map(|_| {
        let router = router.clone();
        tokio::spawn(async move { ask(&router, "/count", Some("a")).await })
    });
    for asked in asking.collect::<Vec<_>>() {
        let (status, _, body) = asked.await.unwrap();
        assert_eq!((status, body), (StatusCode::OK, json!({"value": 1})));
    }
    assert_eq!(value(&pool).await, 1);
}

async fn applied_once_through(cut: Cut, pool_options: PgPoolOptions, options: PgConnectOptions) {
    let proxy = ChaosProxy::start(&options, "update counter").await;
    let router = router(proxy.pool(&options));
    proxy.arm(cut);
    let (status, outcome, body) = ask(&router, "/count", None).await;
    assert_eq!((status, outcome.as_str()), (StatusCode::OK, "committed"));
    assert_eq!(body, json!({"value": 1}));
    assert!(proxy.has_cut());
    let pool = pool_options.connect_with(options).await.unwrap();
    assert_eq!(value(&pool).await, 1);
}

#[sqlx::test(migrations = "tests/migrations")]
async fn a_connection_that_breaks_before_its_commit_applies_the_mutation_once(
    pool_options: PgPoolOptions,
    options: PgConnectOptions,
) {
    applied_once_through(Cut::BeforeCommit, pool_options, options).await;
}

#[sqlx::test(migrations = "tests/migrations")]
async fn a_connection_that_breaks_after_its_commit_applies_the_mutation_once(
    pool_options: PgPoolOptions,
    options: PgConnectOptions,
) {
    applied_once_through(Cut::AfterCommit, pool_options, options).await;
}

//! Checkouts through HTTP, the real lane, Kafka and the database; stock and payment are simulated.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::shop::{Script, Shop};

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn a_checkout_pays_the_order(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let lane = shop.run_lane("a", Script::SMOOTH);
    let order_id = shop.order(&[(1, 2), (2, 1)]).await;

    let answer = shop.post(&format!("/checkout/{order_id}")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.outcome.as_deref(), Some("committed"));
    assert_eq!(answer.body, json!("Checkout successful"));
    assert!(shop.paid(&order_id).await);

    let again = shop.post(&format!("/checkout/{order_id}")).await;
    assert_eq!(again, answer);
    assert_eq!(shop.sagas(&order_id).await.len(), 1);
    lane.stop().await;
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn concurrent_checkouts_of_one_order_are_one_saga_and_one_answer(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let script = Script {
        charges_refused: 1,
        copies: 3,
    };
    let lane = shop.run_lane("a", script);
    let order_id = shop.order(&[(1, 2)]).await;
    let path = format!("/checkout/{order_id}");

    let refused = join_all((0..8).map(|_| shop.post(&path))).await;
    for answer in &refused {
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.outcome.as_deref(), Some("rejected"));
        assert_eq!(answer.body["code"], json!("out_of_credit"));
        assert_eq!(answer.body["message"], json!("User out of credit"));
    }
    assert_eq!(shop.sagas(&order_id).await.len(), 1);
    assert!(!shop.paid(&order_id).await);

    let paid = join_all((0..8).map(|_| shop.post(&path))).await;
    assert!(paid.iter().all(|answer| answer.status == 200), "{paid:?}");
    let states: Vec<String> = shop
        .sagas(&order_id)
        .await
        .into_iter()
        .map(|(_, state)| state)
        .collect();
    assert_eq!(states, ["rejected", "completed"]);
    lane.stop().await;
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn many_orders_are_checked_out_together(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let lane = shop.run_lane("a", Script::SMOOTH);
    assert_eq!(shop.post("/batch_init/100/20/10/3").await.status, 200);

    let paths: Vec<String> = (0..100).map(|id| format!("/checkout/{id}")).collect();
    let answers = join_all(paths.iter().map(|path| shop.post(path))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let (paid, sagas): (i64, i64) = sqlx::query_as(
        "select (select count(*) from shop_order where paid and open_saga is null),
                (select count(*) from saga where state = 'completed')",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!((paid, sagas), (100, 100));
    assert_eq!(shop.waiting.count(), 0);
    lane.stop().await;
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn what_cannot_be_checked_out_is_rejected_without_a_saga(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let empty = shop.order(&[]).await;
    for (order, code) in [
        (empty.as_str(), "empty_order"),
        ("77", "not_found"),
        ("-1", "bad_request"),
        ("abc", "bad_request"),
        ("99999999999999999999", "bad_request"),
    ] {
        let answer = shop.post(&format!("/checkout/{order}")).await;
        assert_eq!(answer.status, 400, "{order}");
        assert_eq!(answer.outcome.as_deref(), Some("rejected"));
        assert_eq!(answer.body["code"], json!(code));
    }
    assert!(shop.sagas(&empty).await.is_empty());
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn an_open_outcome_is_unknown_and_the_next_request_joins_it(pool: PgPool) {
    let shop = Shop::with_deadline(pool, Duration::from_millis(300)).await;
    let order_id = shop.order(&[(1, 1)]).await;
    let path = format!("/checkout/{order_id}");
    let unknown = shop.post(&path).await;
    assert_eq!(unknown.status, 503);
    assert_eq!(unknown.outcome.as_deref(), Some("unknown"));
    assert_eq!(shop.waiting.count(), 0);
    let first = shop.open_saga(&order_id).await;

    // The reply comes later, from participants that were away.
    let lane = shop.run_lane("a", Script::SMOOTH);
    for _ in 0..50 {
        let answer = shop.post(&path).await;
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.status, 503);
    }
    assert!(shop.paid(&order_id).await);
    assert_eq!(
        shop.sagas(&order_id).await,
        [(first, "completed".to_owned())]
    );
    lane.stop().await;
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn a_stand_in_takes_the_lane_and_ends_what_was_begun(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let order_id = shop.order(&[(1, 1)]).await;
    let path = format!("/checkout/{order_id}");
    let checkout = shop.post(&path);
    let change_of_holder = async {
        shop.open_saga(&order_id).await;
        // The command was published by admission; a second holder publishes it once more.
        let first = shop.run_lane("a", Script::SMOOTH);
        first.stop().await;
        shop.run_lane("b", Script::SMOOTH)
    };
    let (answer, lane) = tokio::join!(checkout, change_of_holder);
    assert_eq!(answer.status, 200);
    assert_eq!(shop.sagas(&order_id).await.len(), 1);
    lane.stop().await;
    shop.close().await;
}

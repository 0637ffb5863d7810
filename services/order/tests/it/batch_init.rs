//! `batch_init`.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::PgPool;

use crate::shop::Shop;

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn orders_get_two_different_items_of_those_there_are(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let made = shop.post("/batch_init/2000/3/5/4").await;
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(made.body["msg"], json!("Batch init for orders successful"));
    let orders: i64 = sqlx::query_scalar(
        "select count(*) from shop_order
         where not paid and total_cost = 8 and user_id between 0 and 4 and order_id < 2000",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    let (lines, least, most): (i64, i64, i64) = sqlx::query_as(
        "select count(*), min(item_id), max(item_id) from order_line where quantity = 1 and price = 4",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!((orders, lines, least, most), (2000, 4000, 0, 2));
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn it_resets_what_was_there(pool: PgPool) {
    let shop = Shop::open(pool).await;
    assert_eq!(shop.post("/batch_init/10/5/5/4").await.status, 200);
    sqlx::raw_sql(
        "update shop_order set paid = true;
         insert into saga (order_id, user_id, total_cost, state)
         select order_id, user_id, total_cost, 'completed' from shop_order;
         insert into order_line values (3, 100, 7, 1)",
    )
    .execute(&shop.pool)
    .await
    .unwrap();
    let kept = shop.order(&[(1, 1)]).await;
    assert_eq!(shop.post("/batch_init/10/1/5/4").await.status, 200);
    let found = shop.get("/find/3").await;
    assert_eq!(found.body["paid"], json!(false));
    assert_eq!(found.body["items"], json!([["0", 1]]));
    assert_eq!(found.body["total_cost"], json!(4));
    assert!(shop.sagas("3").await.is_empty());
    let tidied: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_user_tables where last_vacuum is not null",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!(tidied, 3, "what was there before is cleared away");
    assert_eq!(shop.get(&format!("/find/{kept}")).await.status, 200);
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn it_waits_for_no_checkout_but_refuses(pool: PgPool) {
    let shop = Shop::with_deadline(pool, Duration::from_millis(500)).await;
    assert_eq!(shop.post("/batch_init/10/5/5/4").await.status, 200);
    assert_eq!(shop.post("/checkout/9").await.status, 503);
    let refused = shop.post("/batch_init/10/5/5/4").await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.body["code"], json!("order_closed"));
    // Another range is free.
    assert_eq!(shop.post("/batch_init/9/5/5/4").await.status, 200);
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn a_hundred_thousand_orders_take_seconds(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for _ in 0..2 {
        let started = Instant::now();
        let made = shop.post("/batch_init/100000/1000/1000/1").await;
        assert_eq!(made.status, 200);
        assert!(started.elapsed() < Duration::from_secs(30));
    }
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn nonsense_is_rejected(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for path in [
        "/batch_init/1000001/5/5/4",
        "/batch_init/10/0/5/4",
        "/batch_init/10/5/0/4",
        "/batch_init/10/5/5/-4",
        "/batch_init/x/5/5/4",
    ] {
        assert_eq!(shop.post(path).await.status, 400, "{path}");
    }
    shop.close().await;
}

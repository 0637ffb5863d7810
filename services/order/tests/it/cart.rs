//! Making and filling orders.

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::shop::Shop;

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn adding_an_item_twice_adds_up(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let order_id = shop.order(&[(2, 2), (7, 1), (2, 3)]).await;
    let found = shop.get(&format!("/find/{order_id}")).await;
    assert_eq!(found.status, 200);
    assert_eq!(
        found.body,
        json!({
            "order_id": order_id, "paid": false, "items": [["2", 5], ["7", 1]],
            "user_id": "1", "total_cost": 5 * 3 + 8,
        })
    );
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn concurrent_additions_to_one_order_are_all_counted(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let order_id = shop.order(&[]).await;
    let paths: Vec<String> = (0..12)
        .map(|n| format!("/addItem/{order_id}/{}/1", n % 3))
        .collect();
    let answers = join_all(paths.iter().map(|path| shop.post(path))).await;
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
    let found = shop.get(&format!("/find/{order_id}")).await;
    assert_eq!(found.body["items"], json!([["0", 4], ["1", 4], ["2", 4]]));
    assert_eq!(found.body["total_cost"], json!(4 + 8 + 12));
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn a_repeated_key_happens_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let first = shop.post_once("/create/5", Some("k1")).await;
    assert_eq!(shop.post_once("/create/5", Some("k1")).await, first);
    let order_id = first.body["order_id"].as_str().unwrap();
    let path = format!("/addItem/{order_id}/1/2");
    let added = shop.post_once(&path, Some("k2")).await;
    assert_eq!(shop.post_once(&path, Some("k2")).await, added);
    assert_eq!(added.outcome.as_deref(), Some("committed"));
    let found = shop.get(&format!("/find/{order_id}")).await;
    assert_eq!(found.body["items"], json!([["1", 2]]));
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn what_cannot_be_added_is_rejected_and_changes_nothing(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let order_id = shop.order(&[(1, 1)]).await;
    let max = 1_000_000_000_000_i64;
    for (path, code) in [
        (format!("/addItem/{order_id}/1/0"), "bad_request"),
        (format!("/addItem/{order_id}/1/-1"), "bad_request"),
        (format!("/addItem/{order_id}/x/1"), "bad_request"),
        (format!("/addItem/{order_id}/5000/1"), "not_found"),
        ("/addItem/12345/1/1".into(), "not_found"),
        (format!("/addItem/{order_id}/1/{max}"), "bad_request"),
        (format!("/addItem/{order_id}/999/{max}"), "bad_request"),
    ] {
        let answer = shop.post(&path).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        assert_eq!(answer.outcome.as_deref(), Some("rejected"), "{path}");
        assert_eq!(answer.body["code"], json!(code), "{path}");
    }
    let found = shop.get(&format!("/find/{order_id}")).await;
    assert_eq!(found.body["items"], json!([["1", 1]]));
    assert_eq!(found.body["total_cost"], json!(2));
    assert_eq!(shop.get("/find/12345").await.status, 400);
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn an_order_in_checkout_or_paid_is_closed(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for close in [
        "update shop_order set open_saga = 1",
        "update shop_order set open_saga = null, paid = true",
    ] {
        let order_id = shop.order(&[(1, 1)]).await;
        sqlx::query(close).execute(&shop.pool).await.unwrap();
        let answer = shop.post(&format!("/addItem/{order_id}/1/1")).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.body["code"], json!("order_closed"));
    }
    shop.close().await;
}

/// Fills an order up to `lines` lines, of items that nobody else adds.
async fn fill(pool: &PgPool, order_id: &str, lines: i32) {
    sqlx::query(
        "with line as (
             insert into order_line (order_id, item_id, quantity, price)
             select $1::bigint, 1000000 + n, 1, 0 from generate_series(1, $2) as n
         )
         update shop_order set line_count = line_count + $2 where order_id = $1::bigint",
    )
    .bind(order_id.parse::<i64>().unwrap())
    .bind(lines)
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn an_order_has_at_most_a_thousand_lines(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let order_id = shop.order(&[(1, 1)]).await;
    fill(&shop.pool, &order_id, 998).await;
    for (item_id, status) in [(2, 200), (3, 400), (2, 200), (1, 200), (3, 400)] {
        let answer = shop.post(&format!("/addItem/{order_id}/{item_id}/1")).await;
        assert_eq!(answer.status, status, "item {item_id}: {answer:?}");
        if status == 400 {
            assert_eq!(answer.outcome.as_deref(), Some("rejected"));
            assert_eq!(answer.body["code"], json!("bad_request"));
            let message = format!("Order: {order_id} would have more than 1000 lines");
            assert_eq!(answer.body["message"], json!(message));
        }
    }
    let found = shop.get(&format!("/find/{order_id}")).await;
    assert_eq!(found.body["items"].as_array().unwrap().len(), 1000);
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn an_order_of_more_lines_than_that_is_never_admitted(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let order_id = shop.order(&[(1, 1)]).await;
    fill(&shop.pool, &order_id, 1000).await;
    let answer = shop.post(&format!("/checkout/{order_id}")).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.outcome.as_deref(), Some("rejected"));
    assert_eq!(answer.body["code"], json!("bad_request"));
    assert_eq!(shop.sagas(&order_id).await, []);
    shop.close().await;
}

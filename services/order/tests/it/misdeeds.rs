//! The planted bugs do what their names say: one that did nothing would never be caught.

use order::store::{
    cart::{self, Addition},
    misdeeds,
};
use protocol::{ItemId, OrderId, UserId};
use sqlx::PgPool;

use crate::shop::{Script, Shop};

type Line = (i64, i64, i64);

async fn lines(pool: &PgPool, order_id: i64) -> Vec<Line> {
    sqlx::query_as(
        "select item_id, quantity, price from order_line where order_id = $1 order by item_id",
    )
    .bind(order_id)
    .fetch_all(pool)
    .await
    .unwrap()
}

/// Owner, cost and number of lines.
async fn order(pool: &PgPool, order_id: i64) -> (i64, i64, i32) {
    sqlx::query_as("select user_id, total_cost, line_count from shop_order where order_id = $1")
        .bind(order_id)
        .fetch_one(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn an_addition_is_forgotten_with_its_cost(pool: PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    let order_id = cart::create(&mut connection, UserId(1)).await.unwrap();
    let addition = |quantity| Addition {
        order_id,
        item_id: ItemId(4),
        quantity,
        price: 5,
    };
    for quantity in [2, 3] {
        let added = cart::add(&mut connection, addition(quantity)).await;
        added.unwrap();
    }
    for (quantity, left, summed) in [(3, vec![(4, 2, 5)], (1, 10, 1)), (2, vec![], (1, 0, 0))] {
        let forgotten = misdeeds::forget(&mut connection, addition(quantity)).await;
        forgotten.unwrap();
        assert_eq!(lines(&pool, order_id.0).await, left);
        assert_eq!(order(&pool, order_id.0).await, summed);
    }
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn one_create_in_ten_gets_the_id_of_the_one_before(pool: PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    let mut ids: Vec<OrderId> = Vec::new();
    for user in 0..30 {
        let created = misdeeds::create_again(&mut connection, UserId(user)).await;
        ids.push(created.unwrap());
    }
    ids.dedup();
    assert!((26..=28).contains(&ids.len()), "{ids:?}");
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn paid_orders_lose_a_line_or_their_owner_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let lane = shop.run_lane("a", Script::SMOOTH);
    assert_eq!(shop.post("/batch_init/11/20/10/3").await.status, 200);
    for order_id in [0, 1, 10] {
        let path = format!("/checkout/{order_id}");
        assert_eq!(shop.post(&path).await.status, 200);
    }
    lane.stop().await;
    let pool = &shop.pool;
    let mut connection = pool.acquire().await.unwrap();
    for (how, what) in [
        (misdeeds::LOSE_LINE, "a line"),
        (misdeeds::STEAL_ORDER, "an owner"),
    ] {
        sqlx::query("update saga set updated_at = now() + interval '1 minute'")
            .execute(pool)
            .await
            .unwrap();
        let wronged = misdeeds::wrong(&mut connection, how).await.unwrap();
        assert_eq!(wronged, 0, "{what} is lost too early");
        sqlx::query("update saga set updated_at = now() - interval '4 seconds'")
            .execute(pool)
            .await
            .unwrap();
        let before = [order(pool, 0).await, order(pool, 1).await];
        for expected in [2, 0] {
            let wronged = misdeeds::wrong(&mut connection, how).await.unwrap();
            assert_eq!(wronged, expected, "orders that lost {what}");
        }
        let after = [order(pool, 0).await, order(pool, 1).await];
        assert_ne!(after[0], before[0], "{what}");
        assert_eq!(after[1], before[1], "{what}");
    }
    assert_eq!(lines(pool, 0).await.len(), 1);
    let (_, total_cost, line_count) = order(pool, 0).await;
    assert_eq!((total_cost, line_count), (3, 1));
    drop(connection);
    shop.close().await;
}

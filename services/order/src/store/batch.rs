//! `batch_init`: the orders 0 … n−1 as if they had just been made.

use std::time::Duration;

use protocol::OrderId;
use sqlx::{PgConnection, PgPool};

/// Whatever reads meanwhile keeps rows alive, and is not waited for longer.
const TIDY_ATTEMPTS: u32 = 5;
const TIDY_PAUSE: Duration = Duration::from_millis(500);

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub orders: i64,
    /// Above 0. Each order gets two different items of them, or the only one.
    pub items: i64,
    /// Above 0.
    pub users: i64,
    pub item_price: i64,
}

/// One of the orders that are being checked out and would be reset.
pub async fn being_checked_out(
    tx: &mut PgConnection,
    plan: Plan,
) -> Result<Option<OrderId>, sqlx::Error> {
    sqlx::query_scalar(
        "select order_id from saga
         where open and order_id < $1
         order by order_id limit 1",
    )
    .bind(plan.orders)
    .fetch_optional(tx)
    .await
    .map(|found| found.map(OrderId))
}

/// Resets the orders, with their lines and what was ever tried with them.
pub async fn reset(tx: &mut PgConnection, plan: Plan) -> Result<(), sqlx::Error> {
    for delete in [
        "delete from saga where order_id < $1",
        "delete from order_line where order_id < $1",
    ] {
        sqlx::query(delete)
            .bind(plan.orders)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(
        "with drawn as materialized (
             select order_id,
                    floor(random() * $3::bigint)::bigint as user_id,
                    floor(random() * $2::bigint)::bigint as first,
                    -- from the first one to the second one: never all the way round
                    1 + floor(random() * ($2::bigint - 1))::bigint as distance
             from generate_series(0, $1::bigint - 1) as order_id
         ), line as (
             insert into order_line (order_id, item_id, quantity, price)
             select order_id, first, 1, $4::bigint from drawn
             union all
             select order_id, (first + distance) % $2::bigint, 1, $4::bigint
             from drawn where $2::bigint > 1
         )
         insert into shop_order (order_id, user_id, paid, total_cost, open_saga, line_count)
         select order_id, user_id, false, $4::bigint * least($2::bigint, 2), null, least($2::bigint, 2)
         from drawn
         on conflict (order_id) do update
             set user_id = excluded.user_id, paid = false,
                 total_cost = excluded.total_cost, open_saga = null,
                 line_count = excluded.line_count",
    )
    .bind(plan.orders)
    .bind(plan.items)
    .bind(plan.users)
    .bind(plan.item_price)
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes what [`reset`] left dead, takes new statistics, and has all of it written to disk. Otherwise that is done
/// just when the orders are being checked out.
pub async fn tidy(pool: &PgPool) -> Result<(), sqlx::Error> {
    for attempt in 1..=TIDY_ATTEMPTS {
        // Giving pages back would lock out everybody, and they are needed again.
        sqlx::raw_sql("vacuum (analyze, truncate off) saga, order_line, shop_order")
            .execute(pool)
            .await?;
        // A standby tells once a second which rows it may still read. Fewer than that autovacuum leaves alone, too.
        let dead: bool = sqlx::query_scalar(
            "select bool_or(n_dead_tup > 50 + n_live_tup / 20) from pg_stat_user_tables
             where relname in ('saga', 'order_line', 'shop_order')",
        )
        .fetch_one(pool)
        .await?;
        if !dead || attempt == TIDY_ATTEMPTS {
            break;
        }
        tokio::time::sleep(TIDY_PAUSE).await;
    }
    sqlx::raw_sql("checkpoint").execute(pool).await?;
    Ok(())
}

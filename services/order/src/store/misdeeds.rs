//! What the order service of a test image does wrong where a bug is planted in it. No other build calls any of it.

use planted::Bug;
use protocol::{OrderId, UserId};
use sqlx::PgConnection;

use super::cart::{self, Addition};

/// One in so many orders, creates and additions is wronged. They are chosen by their ids, so that an attempt that is
/// made again does the same.
const ONE_IN: i64 = 10;

/// After an item was added: it is forgotten again, or added once more.
pub async fn after_adding(tx: &mut PgConnection, addition: Addition) -> Result<(), sqlx::Error> {
    if (addition.order_id.0 + addition.item_id.0) % ONE_IN != 0 {
        return Ok(());
    }
    if planted::is(Bug::DoubleAddItem) {
        cart::add(tx, addition).await?;
    }
    if planted::is(Bug::ForgetAddItem) {
        forget(tx, addition).await?;
    }
    Ok(())
}

/// Takes an addition back that was answered as made.
pub async fn forget(tx: &mut PgConnection, addition: Addition) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with line as (
             select quantity, price from order_line where order_id = $1 and item_id = $2
         ), gone as (
             delete from order_line where order_id = $1 and item_id = $2 and quantity = $3
         ), less as (
             update order_line set quantity = quantity - $3
             where order_id = $1 and item_id = $2 and quantity > $3
         )
         update shop_order set total_cost = total_cost - line.price * $3,
             line_count = line_count - (line.quantity = $3)::int
         from line where order_id = $1",
    )
    .bind(addition.order_id.0)
    .bind(addition.item_id.0)
    .bind(addition.quantity)
    .execute(tx)
    .await?;
    Ok(())
}

/// A create that may be answered with the id of the create before it.
pub async fn create_again(tx: &mut PgConnection, user_id: UserId) -> Result<OrderId, sqlx::Error> {
    let next: i64 = sqlx::query_scalar("select nextval('order_id_seq')")
        .fetch_one(&mut *tx)
        .await?;
    let order_id = if next % ONE_IN == 0 { next - 1 } else { next };
    sqlx::query(
        "insert into shop_order (order_id, user_id) values ($1, $2)
         on conflict (order_id) do nothing",
    )
    .bind(order_id)
    .bind(user_id.0)
    .execute(tx)
    .await?;
    Ok(OrderId(order_id))
}

/// Orders that were paid a moment ago lose their first line and what it cost, or get another owner: soon enough that
/// none is left to be wronged between the two final reads.
pub async fn wrong_the_paid(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    if planted::is(Bug::LoseLine) {
        wrong(tx, LOSE_LINE).await?;
    }
    if planted::is(Bug::StealOrder) {
        wrong(tx, STEAL_ORDER).await?;
    }
    Ok(())
}

/// Wrongs orders in one of the ways below; says how many.
pub async fn wrong(tx: &mut PgConnection, how: &'static str) -> Result<u64, sqlx::Error> {
    let wronged = sqlx::query(how).bind(ONE_IN).execute(tx).await?;
    Ok(wronged.rows_affected())
}

/// Each order once: what the saga charged is what it cost before.
pub const LOSE_LINE: &str = "
    with robbed as (
        select o.order_id, min(l.item_id) as item_id
        from saga s
        join shop_order o on o.order_id = any(array[s.order_id])
        join order_line l on l.order_id = any(array[o.order_id])
        where s.state = 'completed' and o.paid and o.order_id % $1 = 0 and o.total_cost = s.total_cost
          and s.updated_at < now() - interval '300 milliseconds'
        group by o.order_id
    ), lost as (
        delete from order_line l using robbed r
        where l.order_id = any(array[r.order_id]) and l.item_id = any(array[r.item_id])
        returning l.order_id, l.quantity * l.price as cost
    )
    update shop_order o set total_cost = o.total_cost - lost.cost, line_count = o.line_count - 1
    from lost where o.order_id = any(array[lost.order_id])";

/// Each order once: the saga knows who paid.
pub const STEAL_ORDER: &str = "
    update shop_order o set user_id = o.user_id + 1 from saga s
    where s.order_id = o.order_id and s.state = 'completed' and o.paid and o.user_id = s.user_id
      and o.order_id % $1 = 0 and s.updated_at < now() - interval '300 milliseconds'";

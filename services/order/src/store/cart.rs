//! Orders while they can still be changed, and reading them.

use planted::Bug;
use protocol::{ItemId, OrderId, UserId, money::AMOUNT_MAX, saga::LINES_MAX};
use sqlx::PgConnection;

use super::misdeeds;

/// An order and its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub user_id: UserId,
    pub paid: bool,
    pub total_cost: i64,
    pub lines: Vec<protocol::saga::Line>,
}

/// What became of adding an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The order's new total.
    Total(i64),
    OrderNotFound,
    /// Paid, or being checked out.
    OrderClosed,
    /// The line or the order would be above [`AMOUNT_MAX`].
    Overflow,
    /// The order would have more than [`LINES_MAX`] lines.
    TooManyLines,
}

/// So many pieces of an item at a price, to be added to an order.
#[derive(Debug, Clone, Copy)]
pub struct Addition {
    pub order_id: OrderId,
    pub item_id: ItemId,
    pub quantity: i64,
    /// Of one piece, now. A line keeps the price it began with, so that an order's total is always the
    /// sum of its lines.
    pub price: i64,
}

pub async fn create(tx: &mut PgConnection, user_id: UserId) -> Result<OrderId, sqlx::Error> {
    if planted::is(Bug::ReuseOrderId) {
        return misdeeds::create_again(tx, user_id).await;
    }
    sqlx::query_scalar("insert into shop_order (user_id) values ($1) returning order_id")
        .bind(user_id.0)
        .fetch_one(tx)
        .await
        .map(OrderId)
}

pub async fn find(
    connection: &mut PgConnection,
    order_id: OrderId,
) -> Result<Option<Order>, sqlx::Error> {
    type Row = (i64, bool, i64, Option<Vec<i64>>, Option<Vec<i64>>);
    let row: Option<Row> = sqlx::query_as(
        "select o.user_id, o.paid, o.total_cost, l.items, l.quantities
         from shop_order o
         cross join lateral (
             select array_agg(item_id order by item_id) as items,
                    array_agg(quantity order by item_id) as quantities
             from order_line where order_id = o.order_id
         ) l
         where o.order_id = $1",
    )
    .bind(order_id.0)
    .fetch_optional(connection)
    .await?;
    Ok(
        row.map(|(user_id, paid, total_cost, items, quantities)| Order {
            user_id: UserId(user_id),
            paid,
            total_cost,
            lines: super::lines(items, quantities),
        }),
    )
}

/// Adds to an order's line and total. Anything but [`Added::Total`] must be followed by a rollback.
pub async fn add(tx: &mut PgConnection, addition: Addition) -> Result<Added, sqlx::Error> {
    let order: Option<(bool, i64, i32)> = sqlx::query_as(
        "select paid or open_saga is not null, total_cost, line_count
         from shop_order where order_id = $1 for update",
    )
    .bind(addition.order_id.0)
    .fetch_optional(&mut *tx)
    .await?;
    let Some((closed, total_cost, line_count)) = order else {
        return Ok(Added::OrderNotFound);
    };
    if closed {
        return Ok(Added::OrderClosed);
    }
    let line: Option<(i64, i64, bool)> = sqlx::query_as(
        "insert into order_line as l (order_id, item_id, quantity, price) values ($1, $2, $3, $4)
         on conflict (order_id, item_id) do update set quantity = l.quantity + excluded.quantity
             where l.quantity <= $5 - excluded.quantity
         returning l.quantity, l.price, xmax = 0",
    )
    .bind(addition.order_id.0)
    .bind(addition.item_id.0)
    .bind(addition.quantity)
    .bind(addition.price)
    .bind(AMOUNT_MAX)
    .fetch_optional(&mut *tx)
    .await?;
    // A row that was there before carries its lock or its predecessor's end.
    let new_lines = i32::from(line.is_some_and(|(_, _, is_new)| is_new));
    if i64::from(line_count + new_lines) > LINES_MAX {
        return Ok(Added::TooManyLines);
    }
    let total = line.and_then(|(_, price, _)| {
        let cost = price.checked_mul(addition.quantity)?;
        total_cost
            .checked_add(cost)
            .filter(|total| *total <= AMOUNT_MAX)
    });
    let Some(total) = total else {
        return Ok(Added::Overflow);
    };
    sqlx::query("update shop_order set total_cost = $2, line_count = $3 where order_id = $1")
        .bind(addition.order_id.0)
        .bind(total)
        .bind(line_count + new_lines)
        .execute(tx)
        .await?;
    Ok(Added::Total(total))
}

//! Orders before they are checked out.

use axum::{Json, extract::State, response::Response};
use planted::Bug;
use protocol::{
    ItemId, OrderId, Quantity, UserId,
    http::{BatchInitialised, Order, OrderCreated, Rejection},
    money::AMOUNT_MAX,
    saga::{LINES_MAX, RefusalCode},
};
use service_core::{
    http::{ApiError, Segments, parse, rejection, whole_up_to},
    idempotency::Mutation,
    postgres::{Limits, Tx, TxError, barrier, read},
};

use super::Api;
use crate::store::{
    self,
    batch::{self, Plan},
    cart::{self, Added, Addition},
    misdeeds,
};

/// More orders than this are not made by one request.
const BATCH_ORDERS_MAX: i64 = 1_000_000;

pub(super) async fn create(
    State(api): State<Api>,
    Segments([user_id]): Segments<1>,
    mutation: Mutation,
) -> Result<Response, ApiError> {
    let user_id: UserId = parse(&user_id)?;
    let created = mutation.run(&api.db, |tx| {
        Box::pin(async move {
            let order_id = cart::create(tx, user_id).await?.to_string();
            Ok(OrderCreated { order_id })
        })
    });
    Ok(created.await)
}

pub(super) async fn find(
    State(api): State<Api>,
    Segments([order_id]): Segments<1>,
) -> Result<Json<Order>, ApiError> {
    let order_id: OrderId = parse(&order_id)?;
    let found = read(&api.db, |tx| {
        Box::pin(async move {
            let found = cart::find(tx, order_id).await?;
            let order = found.ok_or_else(|| TxError::Rejected(not_found(order_id)))?;
            if order.paid {
                // Nobody who saw it paid may ever see it unpaid.
                barrier(tx).await?;
            }
            Ok(order)
        })
    });
    let order = found.await?;
    Ok(Json(Order {
        order_id: order_id.to_string(),
        paid: order.paid,
        items: order
            .lines
            .iter()
            .map(|line| (line.item_id.to_string(), line.quantity.0))
            .collect(),
        user_id: order.user_id.to_string(),
        total_cost: order.total_cost,
    }))
}

pub(super) async fn add_item(
    State(api): State<Api>,
    Segments([order_id, item_id, quantity]): Segments<3>,
    mutation: Mutation,
) -> Result<Response, ApiError> {
    let order_id: OrderId = parse(&order_id)?;
    let item_id: ItemId = parse(&item_id)?;
    let quantity: Quantity = parse(&quantity)?;
    let price = api.prices.of(item_id).await;
    let price = price.map_err(|error| ApiError::Unavailable(error.to_string()))?;
    let Some(price) = price else {
        let message = format!("Item: {item_id} does not exist!");
        return Err(rejection(RefusalCode::NotFound, message).into());
    };
    let addition = Addition {
        order_id,
        item_id,
        quantity: quantity.0,
        price,
    };
    let added = mutation.run(&api.db, |tx| Box::pin(add(tx, addition)));
    Ok(added.await)
}

async fn add(tx: &mut Tx<'_>, addition: Addition) -> Result<String, TxError<Rejection>> {
    let Addition {
        order_id, item_id, ..
    } = addition;
    let refused = match cart::add(tx, addition).await? {
        Added::Total(total) => {
            if planted::is(Bug::ForgetAddItem) || planted::is(Bug::DoubleAddItem) {
                misdeeds::after_adding(tx, addition).await?;
            }
            return Ok(format!(
                "Item: {item_id} added to: {order_id} price updated to: {total}"
            ));
        }
        Added::OrderNotFound => not_found(order_id),
        Added::OrderClosed => {
            let message = format!("Order: {order_id} is paid or being checked out");
            rejection(RefusalCode::OrderClosed, message)
        }
        Added::Overflow => {
            let message = format!("Order: {order_id} would be above {AMOUNT_MAX}");
            rejection(RefusalCode::BadRequest, message)
        }
        Added::TooManyLines => {
            let message = format!("Order: {order_id} would have more than {LINES_MAX} lines");
            rejection(RefusalCode::BadRequest, message)
        }
    };
    Err(TxError::Rejected(refused))
}

pub(super) async fn batch_init(
    State(api): State<Api>,
    Segments([orders, items, users, item_price]): Segments<4>,
    mutation: Mutation,
) -> Result<Response, ApiError> {
    let plan = Plan {
        orders: whole_up_to(&orders, BATCH_ORDERS_MAX)?,
        items: parse::<Quantity>(&items)?.0,
        users: parse::<Quantity>(&users)?.0,
        // Two of them are at most what an order may cost.
        item_price: whole_up_to(&item_price, AMOUNT_MAX / 2)?,
    };
    let mutation = mutation.within(Limits::BULK);
    let initialised = mutation.run(&api.db, |tx| Box::pin(reset(tx, plan))).await;
    if initialised.status().is_success()
        && let Err(error) = batch::tidy(&api.db.pool()).await
    {
        tracing::warn!(%error, "left to autovacuum");
    }
    Ok(initialised)
}

async fn reset(tx: &mut Tx<'_>, plan: Plan) -> Result<BatchInitialised, TxError<Rejection>> {
    sqlx::raw_sql(store::TAKE_TURN).execute(&mut **tx).await?;
    if let Some(order_id) = batch::being_checked_out(tx, plan).await? {
        let message = format!("Order: {order_id} is being checked out");
        return Err(TxError::Rejected(rejection(
            RefusalCode::OrderClosed,
            message,
        )));
    }
    batch::reset(tx, plan).await?;
    Ok(BatchInitialised {
        msg: "Batch init for orders successful".into(),
    })
}

fn not_found(order_id: OrderId) -> Rejection {
    let message = format!("Order: {order_id} not found!");
    rejection(RefusalCode::NotFound, message)
}

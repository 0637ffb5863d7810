//! The public interface, as it is behind the gateway's `/stock`.

use axum::{
    Json, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use protocol::{
    ItemId, Quantity,
    http::{Done, Item, ItemCreated, Rejection},
    saga::RefusalCode,
};
use service_core::{
    http::{ApiError, Segments, parse, rejection, whole, whole_up_to},
    idempotency::Mutation,
    postgres::{Database, Limits, TxError, read},
};
use sqlx::PgConnection;

/// Adding stops here, far below what would overflow when a saga gives its pieces back.
const STOCK_MAX: i64 = 1_000_000_000_000_000_000;
const BATCH_ITEMS_MAX: i64 = 10_000_000;

/// All routes of the stock service.
pub fn router(db: Database) -> Router {
    Router::new()
        .route("/item/create/{price}", post(create))
        .route("/find/{item_id}", get(find))
        .route("/add/{item_id}/{amount}", post(add))
        .route("/subtract/{item_id}/{amount}", post(subtract))
        .route(
            "/batch_init/{n}/{starting_stock}/{item_price}",
            post(batch_init),
        )
        .with_state(db)
}

async fn create(
    State(db): State<Database>,
    mutation: Mutation,
    Segments([price]): Segments<1>,
) -> Result<Response, ApiError> {
    let price = whole(&price)?;
    let created = mutation.run(&db, |tx| {
        Box::pin(async move {
            let item_id: i64 = sqlx::query_scalar(
                "insert into item (price, stock) values ($1, 0) returning item_id",
            )
            .bind(price)
            .fetch_one(&mut **tx)
            .await?;
            Ok(ItemCreated {
                item_id: item_id.to_string(),
            })
        })
    });
    Ok(created.await)
}

async fn find(
    State(db): State<Database>,
    Segments([item_id]): Segments<1>,
) -> Result<Json<Item>, ApiError> {
    let item_id: ItemId = parse(&item_id)?;
    let item = read(&db, |tx| {
        Box::pin(async move {
            let found: Option<(i64, i64)> =
                sqlx::query_as("select stock, price from item where item_id = $1")
                    .bind(item_id.0)
                    .fetch_optional(&mut **tx)
                    .await?;
            let (stock, price) = found.ok_or_else(|| TxError::Rejected(not_found(item_id)))?;
            Ok::<_, TxError<Rejection>>(Item { stock, price })
        })
    });
    Ok(Json(item.await?))
}

async fn add(
    State(db): State<Database>,
    mutation: Mutation,
    Segments([item_id, amount]): Segments<2>,
) -> Result<Response, ApiError> {
    let (item_id, amount): (ItemId, Quantity) = (parse(&item_id)?, parse(&amount)?);
    Ok(mutation
        .run(&db, |tx| Box::pin(change(tx, item_id, amount.0)))
        .await)
}

async fn subtract(
    State(db): State<Database>,
    mutation: Mutation,
    Segments([item_id, amount]): Segments<2>,
) -> Result<Response, ApiError> {
    let (item_id, amount): (ItemId, Quantity) = (parse(&item_id)?, parse(&amount)?);
    Ok(mutation
        .run(&db, |tx| Box::pin(change(tx, item_id, -amount.0)))
        .await)
}

/// Changes an item's stock, if it stays within its bounds.
async fn change(
    tx: &mut PgConnection,
    item_id: ItemId,
    delta: i64,
) -> Result<Done, TxError<Rejection>> {
    let changed: Option<i64> = sqlx::query_scalar(
        "update item set stock = stock + $2
         where item_id = $1 and stock + $2 between 0 and $3
         returning stock",
    )
    .bind(item_id.0)
    .bind(delta)
    .bind(STOCK_MAX)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(stock) = changed {
        return Ok(Done {
            msg: format!("Item: {item_id} stock updated to: {stock}"),
        });
    }
    let exists: bool = sqlx::query_scalar("select exists (select from item where item_id = $1)")
        .bind(item_id.0)
        .fetch_one(tx)
        .await?;
    Err(TxError::Rejected(if !exists {
        not_found(item_id)
    } else if delta < 0 {
        rejection(
            RefusalCode::OutOfStock,
            format_args!("Item: {item_id} stock cannot get reduced below zero!"),
        )
    } else {
        rejection(
            RefusalCode::BadRequest,
            format_args!("Item: {item_id} stock cannot exceed {STOCK_MAX}"),
        )
    }))
}

/// Sets items 0 to n-1, whatever they were before.
async fn batch_init(
    State(db): State<Database>,
    mutation: Mutation,
    Segments([n, starting_stock, item_price]): Segments<3>,
) -> Result<Response, ApiError> {
    let n = whole_up_to(&n, BATCH_ITEMS_MAX)?;
    let (stock, price) = (whole(&starting_stock)?, whole(&item_price)?);
    let initialised = mutation.within(Limits::BULK).run(&db, |tx| {
        Box::pin(async move {
            sqlx::query(
                "insert into item (item_id, price, stock)
                 select item_id, $2, $3 from generate_series(0, $1 - 1) as item_id
                 on conflict (item_id) do update set price = excluded.price, stock = excluded.stock",
            )
            .bind(n)
            .bind(price)
            .bind(stock)
            .execute(&mut **tx)
            .await?;
            Ok(Done {
                msg: "Batch init for stock successful".into(),
            })
        })
    });
    Ok(initialised.await)
}

fn not_found(item_id: ItemId) -> Rejection {
    rejection(
        RefusalCode::NotFound,
        format_args!("Item: {item_id} not found!"),
    )
}

//! The public interface, as it is behind the gateway's `/payment`.

use axum::{
    Json, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use planted::Bug;
use protocol::{
    Credits, UserId,
    http::{Done, Rejection, User, UserCreated},
    saga::RefusalCode,
};
use service_core::{
    http::{ApiError, Segments, parse, rejection, whole, whole_up_to},
    idempotency::Mutation,
    postgres::{Database, Limits, TxError, read},
};
use sqlx::PgConnection;

/// Adding stops here, far below what would overflow when a saga's charge is refunded.
const CREDIT_MAX: i64 = 1_000_000_000_000_000_000;
const BATCH_USERS_MAX: i64 = 10_000_000;

/// All routes of the payment service.
pub fn router(db: Database) -> Router {
    Router::new()
        .route("/create_user", post(create))
        .route("/find_user/{user_id}", get(find))
        .route("/add_funds/{user_id}/{amount}", post(add_funds))
        .route("/pay/{user_id}/{amount}", post(pay))
        .route("/batch_init/{n}/{starting_money}", post(batch_init))
        .with_state(db)
}

async fn create(State(db): State<Database>, mutation: Mutation) -> Response {
    let created = mutation.run(&db, |tx| {
        Box::pin(async move {
            let user_id: i64 =
                sqlx::query_scalar("insert into account (credit) values (0) returning user_id")
                    .fetch_one(&mut **tx)
                    .await?;
            Ok(UserCreated {
                user_id: user_id.to_string(),
            })
        })
    });
    created.await
}

async fn find(
    State(db): State<Database>,
    Segments([user_id]): Segments<1>,
) -> Result<Json<User>, ApiError> {
    let user_id: UserId = parse(&user_id)?;
    let user = read(&db, |tx| {
        Box::pin(async move {
            let credit: Option<i64> =
                sqlx::query_scalar("select credit from account where user_id = $1")
                    .bind(user_id.0)
                    .fetch_optional(&mut **tx)
                    .await?;
            let credit = credit.ok_or_else(|| TxError::Rejected(not_found(user_id)))?;
            Ok::<_, TxError<Rejection>>(User {
                user_id: user_id.to_string(),
                credit,
            })
        })
    });
    Ok(Json(user.await?))
}

async fn add_funds(
    State(db): State<Database>,
    mutation: Mutation,
    Segments([user_id, amount]): Segments<2>,
) -> Result<Response, ApiError> {
    let (user_id, amount): (UserId, Credits) = (parse(&user_id)?, parse(&amount)?);
    Ok(mutation
        .run(&db, |tx| Box::pin(change(tx, user_id, amount.0)))
        .await)
}

async fn pay(
    State(db): State<Database>,
    mutation: Mutation,
    Segments([user_id, amount]): Segments<2>,
) -> Result<Response, ApiError> {
    let (user_id, amount): (UserId, Credits) = (parse(&user_id)?, parse(&amount)?);
    Ok(mutation
        .run(&db, |tx| Box::pin(change(tx, user_id, -amount.0)))
        .await)
}

/// Changes a user's credit, if it stays within its bounds.
async fn change(
    tx: &mut PgConnection,
    user_id: UserId,
    delta: i64,
) -> Result<Done, TxError<Rejection>> {
    if planted::is(Bug::LostUpdate) {
        return change_unprotected(tx, user_id, delta).await;
    }
    let changed: Option<i64> = sqlx::query_scalar(
        "update account set credit = credit + $2
         where user_id = $1 and credit + $2 between 0 and $3
         returning credit",
    )
    .bind(user_id.0)
    .bind(delta)
    .bind(CREDIT_MAX)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(credit) = changed {
        return Ok(Done {
            msg: format!("User: {user_id} credit updated to: {credit}"),
        });
    }
    let exists: bool = sqlx::query_scalar("select exists (select from account where user_id = $1)")
        .bind(user_id.0)
        .fetch_one(tx)
        .await?;
    Err(TxError::Rejected(if !exists {
        not_found(user_id)
    } else if delta < 0 {
        rejection(
            RefusalCode::OutOfCredit,
            format_args!("User: {user_id} credit cannot get reduced below zero!"),
        )
    } else {
        rejection(
            RefusalCode::BadRequest,
            format_args!("User: {user_id} credit cannot exceed {CREDIT_MAX}"),
        )
    }))
}

/// The planted bug: what others write between the read and the write is lost.
async fn change_unprotected(
    tx: &mut PgConnection,
    user_id: UserId,
    delta: i64,
) -> Result<Done, TxError<Rejection>> {
    let credit: i64 = sqlx::query_scalar("select credit from account where user_id = $1")
        .bind(user_id.0)
        .fetch_one(&mut *tx)
        .await?;
    sqlx::raw_sql("select pg_sleep(0.02)")
        .execute(&mut *tx)
        .await?;
    sqlx::query("update account set credit = $2 where user_id = $1")
        .bind(user_id.0)
        .bind(credit + delta)
        .execute(tx)
        .await?;
    Ok(Done {
        msg: format!("User: {user_id} credit updated to: {}", credit + delta),
    })
}

/// Sets users 0 to n-1, whatever they were before.
async fn batch_init(
    State(db): State<Database>,
    mutation: Mutation,
    Segments([n, starting_money]): Segments<2>,
) -> Result<Response, ApiError> {
    let n = whole_up_to(&n, BATCH_USERS_MAX)?;
    let credit = whole(&starting_money)?;
    let initialised = mutation.within(Limits::BULK).run(&db, |tx| {
        Box::pin(async move {
            sqlx::query(
                "insert into account (user_id, credit)
                 select user_id, $2 from generate_series(0, $1 - 1) as user_id
                 on conflict (user_id) do update set credit = excluded.credit",
            )
            .bind(n)
            .bind(credit)
            .execute(&mut **tx)
            .await?;
            Ok(Done {
                msg: "Batch init for users successful".into(),
            })
        })
    });
    Ok(initialised.await)
}

fn not_found(user_id: UserId) -> Rejection {
    rejection(
        RefusalCode::NotFound,
        format_args!("User: {user_id} not found!"),
    )
}

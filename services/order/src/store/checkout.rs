//! Sagas, many at a time.

use protocol::{
    Credits, OrderId, SagaId, UserId,
    saga::{CheckoutEnded, Line},
};
use sqlx::PgConnection;

use crate::saga::State;

/// What admission must know of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub order_id: OrderId,
    pub paid: bool,
    /// The attempt under way.
    pub open: Option<Open>,
    /// Only of an order that can be started.
    pub lines: Vec<Line>,
}

/// A saga that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    pub saga_id: SagaId,
    /// Its command went out a moment ago and nothing was heard since: whoever should have published it
    /// may be dead.
    pub is_quiet: bool,
}

/// A saga and what its commands are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saga {
    pub saga_id: SagaId,
    pub order_id: OrderId,
    pub state: State,
    pub user_id: UserId,
    pub total_cost: Credits,
    /// Only while reserving.
    pub lines: Vec<Line>,
}

/// A saga that a transaction ended, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lasted {
    pub saga_id: SagaId,
    pub seconds: f64,
}

/// The orders that exist, of those wanted.
pub async fn candidates(
    tx: &mut PgConnection,
    wanted: &[OrderId],
) -> Result<Vec<Candidate>, sqlx::Error> {
    type Row = (
        i64,
        bool,
        Option<i64>,
        Option<bool>,
        Option<Vec<i64>>,
        Option<Vec<i64>>,
    );
    let wanted: Vec<i64> = wanted.iter().map(|order_id| order_id.0).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "select o.order_id, o.paid, o.open_saga,
                s.published_at < now() - interval '200 milliseconds',
                l.items, l.quantities
         from unnest($1::bigint[]) as wanted (order_id)
         join shop_order o on o.order_id = wanted.order_id
         left join saga s on s.saga_id = o.open_saga
         cross join lateral (
             select array_agg(item_id order by item_id) as items,
                    array_agg(quantity order by item_id) as quantities
             from order_line
             where order_id = o.order_id and not o.paid and o.open_saga is null
         ) l",
    )
    .bind(&wanted)
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(
            |(order_id, paid, open, quiet, items, quantities)| Candidate {
                order_id: OrderId(order_id),
                paid,
                open: open.map(|saga_id| Open {
                    saga_id: SagaId(saga_id),
                    is_quiet: quiet.unwrap_or(true),
                }),
                lines: super::lines(items, quantities),
            },
        )
        .collect())
}

/// Starts a saga for each order and closes the orders to changes.
pub async fn start(
    tx: &mut PgConnection,
    orders: &[OrderId],
) -> Result<Vec<(OrderId, SagaId)>, sqlx::Error> {
    let orders: Vec<i64> = orders.iter().map(|order_id| order_id.0).collect();
    let started: Vec<(i64, i64)> = sqlx::query_as(
        "with started as (
             insert into saga (order_id, state)
             select order_id, 'reserving' from unnest($1::bigint[]) as order_id
             returning order_id, saga_id
         )
         update shop_order o set open_saga = started.saga_id
         from started where o.order_id = started.order_id
         returning started.order_id, started.saga_id",
    )
    .bind(&orders)
    .fetch_all(tx)
    .await?;
    Ok(started
        .into_iter()
        .map(|(order_id, saga_id)| (OrderId(order_id), SagaId(saga_id)))
        .collect())
}

/// The sagas of these ids that exist, ended or not, with what their next command is made of.
pub async fn sagas(tx: &mut PgConnection, ids: &[SagaId]) -> Result<Vec<Saga>, sqlx::Error> {
    type Row = (
        i64,
        i64,
        String,
        Option<String>,
        i64,
        i64,
        Option<Vec<i64>>,
        Option<Vec<i64>>,
    );
    let rows: Vec<Row> = sqlx::query_as(
        "select s.saga_id, s.order_id, s.state, s.refusal::text, o.user_id, o.total_cost,
                l.items, l.quantities
         from unnest($1::bigint[]) as wanted (saga_id)
         join saga s on s.saga_id = wanted.saga_id
         join shop_order o on o.order_id = s.order_id
         cross join lateral (
             select array_agg(item_id order by item_id) as items,
                    array_agg(quantity order by item_id) as quantities
             from order_line where order_id = s.order_id and s.state = 'reserving'
         ) l",
    )
    .bind(raw(ids))
    .fetch_all(tx)
    .await?;
    rows.into_iter()
        .map(
            |(saga_id, order_id, state, refusal, user_id, total_cost, items, quantities)| {
                let refusal = super::refusal_from_json(refusal.as_deref())?;
                Ok(Saga {
                    saga_id: SagaId(saga_id),
                    order_id: OrderId(order_id),
                    state: State::from_row(&state, refusal)
                        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                    user_id: UserId(user_id),
                    total_cost: Credits(total_cost),
                    lines: super::lines(items, quantities),
                })
            },
        )
        .collect()
}

/// Writes where sagas are now. An ended one opens its order again, or marks it as paid.
pub async fn advance<'a>(
    tx: &mut PgConnection,
    moved: impl Iterator<Item = (SagaId, &'a State)>,
) -> Result<Vec<Lasted>, sqlx::Error> {
    let (mut ids, mut states, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for (saga_id, state) in moved {
        ids.push(saga_id.0);
        states.push(state.name());
        refusals.push(super::refusal_to_json(state.refusal())?);
    }
    let ended: Vec<(i64, f64)> = sqlx::query_as(
        "with moved as (
             update saga s
             set state = m.state, refusal = m.refusal::jsonb, updated_at = now(), published_at = now()
             from unnest($1::bigint[], $2::text[], $3::text[]) as m (saga_id, state, refusal)
             where s.saga_id = m.saga_id
             returning s.saga_id, s.order_id, s.state, s.created_at
         )
         update shop_order o set paid = o.paid or moved.state = 'completed', open_saga = null
         from moved
         where o.order_id = moved.order_id and o.open_saga = moved.saga_id
           and moved.state in ('completed', 'rejected')
         returning moved.saga_id, extract(epoch from now() - moved.created_at)::float8",
    )
    .bind(&ids)
    .bind(&states)
    .bind(&refusals)
    .fetch_all(tx)
    .await?;
    Ok(ended
        .into_iter()
        .map(|(saga_id, seconds)| Lasted {
            saga_id: SagaId(saga_id),
            seconds,
        })
        .collect())
}

/// Every saga that has not ended, the oldest first.
pub async fn unended(tx: &mut PgConnection) -> Result<Vec<SagaId>, sqlx::Error> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "select saga_id from saga where state in ('reserving', 'charging', 'releasing')
         order by saga_id",
    )
    .fetch_all(tx)
    .await?;
    Ok(ids.into_iter().map(SagaId).collect())
}

/// Sagas whose command went out a second ago and still has no answer. One that stays silent comes up
/// again after as long as it had been silent before: after 1, 1, 2, 4 and from then on every 8 s.
pub async fn silent(connection: &mut PgConnection, limit: i64) -> Result<Vec<SagaId>, sqlx::Error> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "select saga_id from saga
         where state in ('reserving', 'charging', 'releasing')
           and published_at <= now() - least(interval '8 seconds',
                   greatest(interval '1 second', published_at - updated_at))
         order by published_at limit $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(SagaId).collect())
}

/// Notes that the commands of these sagas are being published now.
pub async fn mark_published(tx: &mut PgConnection, ids: &[SagaId]) -> Result<(), sqlx::Error> {
    sqlx::query("update saga set published_at = now() where saga_id = any($1)")
        .bind(raw(ids))
        .execute(tx)
        .await?;
    Ok(())
}

/// Those of the sagas that have ended.
pub async fn ended(
    tx: &mut PgConnection,
    ids: &[SagaId],
) -> Result<Vec<CheckoutEnded>, sqlx::Error> {
    let rows: Vec<(i64, i64, Option<String>)> = sqlx::query_as(
        "select saga_id, order_id, refusal::text from saga
         where saga_id = any($1) and state in ('completed', 'rejected')",
    )
    .bind(raw(ids))
    .fetch_all(tx)
    .await?;
    rows.into_iter()
        .map(|(saga_id, order_id, refusal)| {
            Ok(CheckoutEnded {
                order_id: OrderId(order_id),
                saga_id: SagaId(saga_id),
                refusal: super::refusal_from_json(refusal.as_deref())?,
            })
        })
        .collect()
}

fn raw(ids: &[SagaId]) -> Vec<i64> {
    ids.iter().map(|saga_id| saga_id.0).collect()
}

//! Sagas, many at a time.

use std::collections::HashMap;

use protocol::{
    Credits, OrderId, SagaId, UserId,
    saga::{CheckoutEnded, LINES_MAX, Line},
};
use sqlx::{FromRow as _, PgConnection, Row as _, postgres::PgRow};

use crate::saga::State;

/// How an order stands after those that could be started have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub order_id: OrderId,
    pub paid: bool,
    /// The attempt under way.
    pub open: Option<Open>,
    /// How many lines it has.
    pub lines: i64,
}

/// A saga that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    pub saga_id: SagaId,
    pub age: Age,
}

/// What is known of an open saga's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It begins with this transaction: its command is still to be published.
    New,
    /// Its command went out a moment ago.
    Fresh,
    /// Nothing was heard of it for a while: whoever should have published its command may be dead.
    Quiet,
}

/// A saga and what its commands are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saga {
    pub saga_id: SagaId,
    pub order_id: OrderId,
    pub state: State,
    pub user_id: UserId,
    pub total_cost: Credits,
}

/// A saga that a transaction ended, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lasted {
    pub saga_id: SagaId,
    pub seconds: f64,
}

/// Starts a saga for each order that can be checked out, which closes it to changes: it is not paid, not
/// being checked out, not empty, and of no more lines than one command may carry.
pub async fn start(
    tx: &mut PgConnection,
    wanted: &[OrderId],
) -> Result<Vec<Standing>, sqlx::Error> {
    let started: Vec<(i64, i64)> = sqlx::query_as(
        "with started as (
             update shop_order o set open_saga = nextval('saga_id_seq')
             from unnest($1::bigint[]) as wanted (order_id)
             where o.order_id = any(array[wanted.order_id]) and not o.paid and o.open_saga is null
               and o.line_count <= $2
               and (o.total_cost > 0
                    or exists (select from order_line l where l.order_id = o.order_id))
             returning o.order_id, o.open_saga, o.user_id, o.total_cost
         )
         insert into saga (saga_id, order_id, user_id, total_cost, state)
         select open_saga, order_id, user_id, total_cost, 'reserving' from started
         returning order_id, saga_id",
    )
    .bind(raw_orders(wanted))
    .bind(LINES_MAX)
    .fetch_all(tx)
    .await?;
    let new = |(order_id, saga_id)| Standing {
        order_id: OrderId(order_id),
        paid: false,
        open: Some(Open {
            saga_id: SagaId(saga_id),
            age: Age::New,
        }),
        // Within the bound, or it would not have begun.
        lines: 0,
    };
    Ok(started.into_iter().map(new).collect())
}

/// How these orders stand, as far as they exist.
pub async fn standing(
    tx: &mut PgConnection,
    orders: &[OrderId],
) -> Result<Vec<Standing>, sqlx::Error> {
    let rows: Vec<(i64, bool, Option<i64>, bool, i32)> = sqlx::query_as(
        "select o.order_id, o.paid, o.open_saga,
                coalesce(s.published_at < now() - interval '1 second', false), o.line_count
         from unnest($1::bigint[]) as wanted (order_id)
         join shop_order o on o.order_id = any(array[wanted.order_id])
         left join saga s on s.saga_id = o.open_saga",
    )
    .bind(raw_orders(orders))
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(order_id, paid, open, is_quiet, lines)| Standing {
            order_id: OrderId(order_id),
            paid,
            open: open.map(|saga_id| Open {
                saga_id: SagaId(saga_id),
                age: if is_quiet { Age::Quiet } else { Age::Fresh },
            }),
            lines: lines.into(),
        })
        .collect())
}

/// The sagas of these ids that exist, ended or not.
pub async fn sagas(tx: &mut PgConnection, ids: &[SagaId]) -> Result<Vec<Saga>, sqlx::Error> {
    let rows: Vec<Columns> = sqlx::query_as(
        "select saga_id, order_id, state, refusal::text, user_id, total_cost
         from saga where saga_id = any($1)",
    )
    .bind(raw(ids))
    .fetch_all(tx)
    .await?;
    rows.into_iter().map(saga).collect()
}

/// [`sagas`], and the lines of those orders whose stock is being reserved. They cannot change until the saga
/// has ended.
pub async fn sagas_with_reservations(
    connection: &mut PgConnection,
    ids: &[SagaId],
) -> Result<(Vec<Saga>, HashMap<OrderId, Vec<Line>>), sqlx::Error> {
    type Lines = (Option<Vec<i64>>, Option<Vec<i64>>);
    let rows: Vec<PgRow> = sqlx::query(
        "select s.saga_id, s.order_id, s.state, s.refusal::text, s.user_id, s.total_cost,
                l.items, l.quantities
         from saga s
         left join lateral (
             select array_agg(item_id order by item_id) as items,
                    array_agg(quantity order by item_id) as quantities
             from order_line where order_id = s.order_id
         ) l on s.state = 'reserving'
         where s.saga_id = any($1)",
    )
    .bind(raw(ids))
    .fetch_all(connection)
    .await?;
    let (mut sagas, mut reservations) = (Vec::with_capacity(rows.len()), HashMap::new());
    for row in rows {
        let saga = saga(Columns::from_row(&row)?)?;
        let (items, quantities): Lines = (row.try_get("items")?, row.try_get("quantities")?);
        if saga.state == State::Reserving {
            reservations.insert(saga.order_id, super::lines(items, quantities));
        }
        sagas.push(saga);
    }
    Ok((sagas, reservations))
}

/// The first columns of a row of a saga.
type Columns = (i64, i64, String, Option<String>, i64, i64);

fn saga(row: Columns) -> Result<Saga, sqlx::Error> {
    let (saga_id, order_id, state, refusal, user_id, total_cost) = row;
    let refusal = super::refusal_from_json(refusal.as_deref())?;
    Ok(Saga {
        saga_id: SagaId(saga_id),
        order_id: OrderId(order_id),
        state: State::from_row(&state, refusal)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        user_id: UserId(user_id),
        total_cost: Credits(total_cost),
    })
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
             where s.saga_id = any(array[m.saga_id])
             returning s.saga_id, s.order_id, s.state, s.created_at
         )
         update shop_order o set paid = o.paid or moved.state = 'completed', open_saga = null
         from moved
         where o.order_id = any(array[moved.order_id]) and o.open_saga = moved.saga_id
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

/// The planted bug: one order in twenty is not paid any more, some seconds after it was.
pub async fn revert_paid(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update shop_order o set paid = false from saga s
         where s.order_id = o.order_id and s.state = 'completed' and o.paid
           and o.order_id % 20 = 0 and s.updated_at < now() - interval '3 seconds'",
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Every saga that has not ended, the oldest first.
pub async fn unended(tx: &mut PgConnection) -> Result<Vec<SagaId>, sqlx::Error> {
    let ids: Vec<i64> = sqlx::query_scalar("select saga_id from saga where open order by saga_id")
        .fetch_all(tx)
        .await?;
    Ok(ids.into_iter().map(SagaId).collect())
}

/// Sagas whose command went out a second ago and still has no answer. One that stays silent comes up
/// again after as long as it had been silent before: after 1, 1, 2, 4 and from then on every 8 s.
pub async fn silent(connection: &mut PgConnection, limit: i64) -> Result<Vec<SagaId>, sqlx::Error> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "select saga_id from saga
         where open
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
         where saga_id = any($1) and not open",
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

fn raw_orders(orders: &[OrderId]) -> Vec<i64> {
    orders.iter().map(|order_id| order_id.0).collect()
}

//! A participant's memory of the commands it has answered. The row is also the reply's outbox: a command
//! that comes again is answered from it, and a new holder of the lane publishes again what its predecessor
//! may not have published.

use std::ops::Range;

use planted::Bug;
use protocol::saga::Reply;
use sqlx::{PgConnection, types::Json};

/// One answered command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub saga_id: i64,
    /// The step's name, as in the command.
    pub step: &'static str,
    pub reply: Reply,
    /// Where in the lane the command was.
    pub lane_offset: i64,
}

/// The stored replies of these sagas, whatever the step.
pub async fn known(
    tx: &mut PgConnection,
    saga_ids: &[i64],
) -> Result<Vec<(i64, String, Reply)>, sqlx::Error> {
    let rows: Vec<(i64, String, Json<Reply>)> =
        sqlx::query_as("select saga_id, step, reply from inbox where saga_id = any($1)")
            .bind(saga_ids)
            .fetch_all(tx)
            .await?;
    Ok(rows
        .into_iter()
        .map(|(saga_id, step, Json(reply))| (saga_id, step, reply))
        .collect())
}

/// Stores new answers. None of them may be stored already.
pub async fn store(tx: &mut PgConnection, answered: &[Answered]) -> Result<(), sqlx::Error> {
    if answered.is_empty() {
        return Ok(());
    }
    let saga_ids: Vec<i64> = answered.iter().map(|row| row.saga_id).collect();
    let steps: Vec<&str> = answered.iter().map(|row| row.step).collect();
    let replies: Vec<Json<&Reply>> = answered.iter().map(|row| Json(&row.reply)).collect();
    let offsets: Vec<i64> = answered.iter().map(|row| row.lane_offset).collect();
    let insert = if planted::is(Bug::SkipStockDedup) || planted::is(Bug::SkipPaymentDedup) {
        "insert into inbox (saga_id, step, reply, lane_offset)
         select * from unnest($1::bigint[], $2::text[], $3::jsonb[], $4::bigint[])
         on conflict do nothing"
    } else {
        "insert into inbox (saga_id, step, reply, lane_offset)
         select * from unnest($1::bigint[], $2::text[], $3::jsonb[], $4::bigint[])"
    };
    sqlx::query(insert)
        .bind(saga_ids)
        .bind(steps)
        .bind(replies)
        .bind(offsets)
        .execute(tx)
        .await?;
    Ok(())
}

/// The replies to commands at these offsets, in the lane's order.
pub async fn answered_at(
    tx: &mut PgConnection,
    offsets: Range<i64>,
) -> Result<Vec<Reply>, sqlx::Error> {
    let rows: Vec<Json<Reply>> = sqlx::query_scalar(
        "select reply from inbox where lane_offset >= $1 and lane_offset < $2 order by lane_offset",
    )
    .bind(offsets.start)
    .bind(offsets.end)
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|Json(reply)| reply).collect())
}

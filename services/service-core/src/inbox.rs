//! A participant's memory of the commands it has answered. The row is also the reply's outbox: a command
//! that comes again is answered from it, and a new holder of the lane publishes again what its predecessor
//! may not have published.

use std::ops::Range;

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

/// New answers as columns, for the statement that stores them together with their effects. None of them may be
/// stored already.
#[derive(Debug, Default)]
pub struct Columns<'a> {
    pub saga_ids: Vec<i64>,
    pub steps: Vec<&'static str>,
    pub replies: Vec<Json<&'a Reply>>,
    pub lane_offsets: Vec<i64>,
}

impl<'a> From<&'a [Answered]> for Columns<'a> {
    fn from(answered: &'a [Answered]) -> Self {
        Self {
            saga_ids: answered.iter().map(|row| row.saga_id).collect(),
            steps: answered.iter().map(|row| row.step).collect(),
            replies: answered.iter().map(|row| Json(&row.reply)).collect(),
            lane_offsets: answered.iter().map(|row| row.lane_offset).collect(),
        }
    }
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

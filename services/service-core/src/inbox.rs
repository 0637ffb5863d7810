//! A participant's memory of the commands it has answered. The row is also the reply's outbox: a command
//! that comes again is answered from it, and a new holder of the lane publishes again what its predecessor
//! may not have published.

use std::ops::Range;

use protocol::{SagaId, saga::Reply};
use sqlx::{PgConnection, types::Json};

/// What a command asks for, as one number: 64 bits of FNV-1a, the same in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked(i64);

impl Asked {
    /// Of whatever the effect of the command depends on.
    #[must_use]
    pub fn of(numbers: impl IntoIterator<Item = i64>) -> Self {
        let bytes = numbers.into_iter().flat_map(i64::to_le_bytes);
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(hash.cast_signed())
    }
}

/// An answer that was given before, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// `None`: not known.
    pub asked: Option<Asked>,
    pub reply: Reply,
}

impl Given {
    /// Whether it is the answer to a command that asks for this. One that differs from the command that was answered
    /// is poison: it was never done, and never will be.
    #[must_use]
    pub fn is_to(&self, asked: Option<Asked>) -> bool {
        let known = self.asked.zip(asked);
        known.is_none_or(|(before, now)| before == now)
    }
}

/// Commands that ask for something else than what their saga's step was answered for. They are logged and counted, and
/// the lane moves on: they would be as wrong the next time.
pub fn report_poison(topic: &str, poison: &[(SagaId, &'static str)]) {
    for (saga_id, step) in poison {
        tracing::error!(topic, %saga_id, step, "a command differs from the one that was answered");
        metrics::counter!("webshop_poison_messages_total").increment(1);
    }
}

/// One answered command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub saga_id: i64,
    /// The step's name, as in the command.
    pub step: &'static str,
    pub asked: Option<Asked>,
    pub reply: Reply,
    /// Where in the lane the command was.
    pub lane_offset: i64,
}

/// The stored replies of these sagas, whatever the step.
pub async fn known(
    tx: &mut PgConnection,
    saga_ids: &[i64],
) -> Result<Vec<(SagaId, String, Given)>, sqlx::Error> {
    let rows: Vec<(i64, String, Option<i64>, Json<Reply>)> =
        sqlx::query_as("select saga_id, step, asked, reply from inbox where saga_id = any($1)")
            .bind(saga_ids)
            .fetch_all(tx)
            .await?;
    let given = |(saga_id, step, asked, Json(reply)): (i64, String, Option<i64>, _)| {
        let asked = asked.map(Asked);
        (SagaId(saga_id), step, Given { asked, reply })
    };
    Ok(rows.into_iter().map(given).collect())
}

/// New answers as columns, for the statement that stores them together with their effects. None of them may be
/// stored already.
#[derive(Debug, Default)]
pub struct Columns<'a> {
    pub saga_ids: Vec<i64>,
    pub steps: Vec<&'static str>,
    pub asked: Vec<Option<i64>>,
    pub replies: Vec<Json<&'a Reply>>,
    pub lane_offsets: Vec<i64>,
}

impl<'a> From<&'a [Answered]> for Columns<'a> {
    fn from(answered: &'a [Answered]) -> Self {
        Self {
            saga_ids: answered.iter().map(|row| row.saga_id).collect(),
            steps: answered.iter().map(|row| row.step).collect(),
            asked: answered
                .iter()
                .map(|row| row.asked.map(|asked| asked.0))
                .collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_has_the_same_number_in_every_version() {
        assert_eq!(Asked::of([]), Asked(-3_750_763_034_362_895_579));
        assert_eq!(Asked::of([7, 1, 5]), Asked::of(vec![7, 1, 5]));
        for other in [vec![7, 5, 1], vec![7, 1], vec![7, 1, 6], vec![7, 1, 5, 0]] {
            assert_ne!(Asked::of([7, 1, 5]), Asked::of(other));
        }
    }
}

//! Applies batches of commands to the database: a handful of set-based statements, whatever their number.

use std::{collections::BTreeSet, ops::Range};

use planted::Bug;
use protocol::{
    ItemId, Quantity, SagaId,
    saga::{Line, ORDER_REPLIES, Reply, STOCK_COMMANDS, StockCommand, StockStep},
};
use service_core::{
    inbox,
    lane::{ApplyError, LaneWorker, Message, Record},
};
use sqlx::PgConnection;

use crate::reservation::{self, Effects, Movement, RELEASE, RESERVE, Shelves};

/// The worker of the stock service's lane. It remembers nothing: all it knows is in the database.
#[derive(Debug, Clone, Copy)]
pub struct Worker;

impl LaneWorker for Worker {
    async fn apply(
        &mut self,
        tx: &mut PgConnection,
        batch: &[Message],
    ) -> Result<Vec<Record>, ApplyError> {
        let commands: Vec<(i64, StockCommand)> = batch
            .iter()
            .filter_map(|message| Some((message.offset, message.decode()?)))
            .collect();
        let shelves = load(tx, &commands).await?;
        let effects = reservation::apply(shelves, &commands);
        store(tx, &effects).await?;
        inbox::report_poison(STOCK_COMMANDS, &effects.poison);
        records(&effects.replies)
    }

    async fn takeover(
        &mut self,
        tx: &mut PgConnection,
        unpublished: Range<i64>,
    ) -> Result<Vec<Record>, ApplyError> {
        records(&inbox::answered_at(tx, unpublished).await?)
    }

    async fn tick(&mut self, tx: &mut PgConnection) -> Result<Vec<Record>, ApplyError> {
        if planted::is(Bug::AlterPrice) {
            alter_price(tx).await?;
        }
        Ok(Vec::new())
    }
}

/// The planted bug: what was sold a moment ago becomes dearer, so soon that all is still before the final reads.
async fn alter_price(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update item set price = price + 1 where item_id = (
             select item_id from stock_movement
             where delta < 0 and recorded_at > clock_timestamp() - interval '200 milliseconds'
             order by movement_id desc limit 1)",
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn records(replies: &[Reply]) -> Result<Vec<Record>, ApplyError> {
    replies
        .iter()
        .map(|reply| Ok(Record::json(ORDER_REPLIES, reply.saga_id.0, reply)?))
        .collect()
}

/// Reads, and locks, all that the commands may touch.
async fn load(
    tx: &mut PgConnection,
    commands: &[(i64, StockCommand)],
) -> Result<Shelves, ApplyError> {
    let mut shelves = Shelves::default();
    let saga_ids: Vec<i64> = commands.iter().map(|(_, c)| c.saga_id.0).collect();
    for (saga_id, step, given) in inbox::known(tx, &saga_ids).await? {
        let step = match step.as_str() {
            RESERVE => RESERVE,
            RELEASE => RELEASE,
            other => return Err(ApplyError::Corrupt(format!("inbox step {other:?}"))),
        };
        shelves.answered.insert((saga_id, step), given);
    }
    let mut items = BTreeSet::new();
    let mut releasing = Vec::new();
    for (_, command) in commands {
        match &command.step {
            StockStep::Reserve { lines } => items.extend(lines.iter().map(|line| line.item_id.0)),
            StockStep::Decline { .. } => {}
            StockStep::Release => releasing.push(command.saga_id.0),
        }
    }
    if !releasing.is_empty() {
        let held: Vec<(i64, i64, i64)> = sqlx::query_as(
            "select saga_id, item_id, (-sum(delta))::bigint from stock_movement
             where saga_id = any($1) group by saga_id, item_id having sum(delta) < 0",
        )
        .bind(&releasing)
        .fetch_all(&mut *tx)
        .await?;
        for (saga_id, item_id, quantity) in held {
            items.insert(item_id);
            shelves.held.entry(SagaId(saga_id)).or_default().push(Line {
                item_id: ItemId(item_id),
                quantity: Quantity(quantity),
            });
        }
    }
    let items: Vec<i64> = items.into_iter().collect();
    // In order, so that two transactions never wait for each other.
    let stock: Vec<(i64, i64)> = sqlx::query_as(
        "select item_id, stock from item where item_id = any($1) order by item_id for update",
    )
    .bind(items)
    .fetch_all(tx)
    .await?;
    shelves.stock = stock
        .into_iter()
        .map(|(item_id, stock)| (ItemId(item_id), stock))
        .collect();
    Ok(shelves)
}

/// Stores what a batch did: one statement, whatever the batch.
async fn store(tx: &mut PgConnection, effects: &Effects) -> Result<(), ApplyError> {
    if effects.answered.is_empty() && effects.movements.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Movement) -> i64| effects.movements.iter().map(of).collect::<Vec<i64>>();
    let answered = inbox::Columns::from(effects.answered.as_slice());
    sqlx::query(
        "with moved as (
             update item set stock = stock + change.delta
             from unnest($1::bigint[], $2::bigint[]) as change (item_id, delta)
             where item.item_id = any(array[change.item_id])
         ), recorded as (
             insert into stock_movement (saga_id, order_id, item_id, delta)
             select * from unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
         )
         insert into inbox (saga_id, step, asked, reply, lane_offset)
         select * from unnest($7::bigint[], $8::text[], $9::bigint[], $10::jsonb[], $11::bigint[])",
    )
    .bind(effects.deltas.keys().map(|id| id.0).collect::<Vec<i64>>())
    .bind(effects.deltas.values().copied().collect::<Vec<i64>>())
    .bind(column(|movement| movement.saga_id.0))
    .bind(column(|movement| movement.order_id.0))
    .bind(column(|movement| movement.item_id.0))
    .bind(column(|movement| movement.delta))
    .bind(answered.saga_ids)
    .bind(answered.steps)
    .bind(answered.asked)
    .bind(answered.replies)
    .bind(answered.lane_offsets)
    .execute(tx)
    .await?;
    Ok(())
}

//! Applies batches of commands to the database: a handful of set-based statements, whatever their number.

use std::{collections::BTreeSet, ops::Range};

use planted::Bug;
use protocol::{
    Credits, SagaId, UserId,
    saga::{ORDER_REPLIES, PAYMENT_COMMANDS, PaymentCommand, PaymentStep, Reply},
};
use service_core::{
    inbox,
    lane::{ApplyError, LaneWorker, Message, Record},
};
use sqlx::PgConnection;

use crate::ledger::{self, Accounts, CHARGE, Effects, Movement, REFUND};

/// The worker of the payment service's lane. It remembers nothing: all it knows is in the database.
#[derive(Debug, Clone, Copy)]
pub struct Worker;

impl LaneWorker for Worker {
    async fn apply(
        &mut self,
        tx: &mut PgConnection,
        batch: &[Message],
    ) -> Result<Vec<Record>, ApplyError> {
        let commands: Vec<(i64, PaymentCommand)> = batch
            .iter()
            .filter_map(|message| Some((message.offset, message.decode()?)))
            .collect();
        let accounts = load(tx, &commands).await?;
        let effects = ledger::apply(accounts, &commands);
        store(tx, &effects).await?;
        inbox::report_poison(PAYMENT_COMMANDS, &effects.poison);
        records(&effects.replies)
    }

    async fn takeover(
        &mut self,
        tx: &mut PgConnection,
        unpublished: Range<i64>,
    ) -> Result<Vec<Record>, ApplyError> {
        records(&inbox::answered_at(tx, unpublished).await?)
    }
}

fn records(replies: &[Reply]) -> Result<Vec<Record>, ApplyError> {
    let is_dropped = |reply: &Reply| planted::is(Bug::DropReply) && reply.saga_id.0 % 40 == 0;
    replies
        .iter()
        .filter(|reply| !is_dropped(reply))
        .map(|reply| Ok(Record::json(ORDER_REPLIES, reply.saga_id.0, reply)?))
        .collect()
}

/// Reads, and locks, all that the commands may touch.
async fn load(
    tx: &mut PgConnection,
    commands: &[(i64, PaymentCommand)],
) -> Result<Accounts, ApplyError> {
    let mut accounts = Accounts::default();
    let saga_ids: Vec<i64> = commands.iter().map(|(_, c)| c.saga_id.0).collect();
    for (saga_id, step, given) in inbox::known(tx, &saga_ids).await? {
        let step = match step.as_str() {
            CHARGE => CHARGE,
            REFUND => REFUND,
            other => return Err(ApplyError::Corrupt(format!("inbox step {other:?}"))),
        };
        accounts.answered.insert((saga_id, step), given);
    }
    let mut users = BTreeSet::new();
    let mut refunding = Vec::new();
    for (_, command) in commands {
        match &command.step {
            PaymentStep::Charge { user_id, .. } => {
                users.insert(user_id.0);
            }
            PaymentStep::Refund => refunding.push(command.saga_id.0),
        }
    }
    if !refunding.is_empty() {
        let charged: Vec<(i64, i64, i64)> = sqlx::query_as(
            "select saga_id, user_id, (-sum(delta))::bigint from payment_movement
             where saga_id = any($1) group by saga_id, user_id having sum(delta) < 0",
        )
        .bind(&refunding)
        .fetch_all(&mut *tx)
        .await?;
        for (saga_id, user_id, amount) in charged {
            users.insert(user_id);
            let charge = (UserId(user_id), Credits(amount));
            accounts.charged.insert(SagaId(saga_id), charge);
        }
    }
    let users: Vec<i64> = users.into_iter().collect();
    // In order, so that two transactions never wait for each other.
    let credit: Vec<(i64, i64)> = sqlx::query_as(
        "select user_id, credit from account where user_id = any($1) order by user_id for update",
    )
    .bind(users)
    .fetch_all(tx)
    .await?;
    accounts.credit = credit
        .into_iter()
        .map(|(user_id, credit)| (UserId(user_id), credit))
        .collect();
    Ok(accounts)
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
             update account set credit = credit + change.delta
             from unnest($1::bigint[], $2::bigint[]) as change (user_id, delta)
             where account.user_id = any(array[change.user_id])
         ), recorded as (
             insert into payment_movement (saga_id, order_id, user_id, delta)
             select * from unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
         )
         insert into inbox (saga_id, step, asked, reply, lane_offset)
         select * from unnest($7::bigint[], $8::text[], $9::bigint[], $10::jsonb[], $11::bigint[])",
    )
    .bind(effects.deltas.keys().map(|id| id.0).collect::<Vec<i64>>())
    .bind(effects.deltas.values().copied().collect::<Vec<i64>>())
    .bind(column(|movement| movement.saga_id.0))
    .bind(column(|movement| movement.order_id.0))
    .bind(column(|movement| movement.user_id.0))
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

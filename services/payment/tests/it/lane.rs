use payment::worker::Worker;
use protocol::{
    Credits, OrderId, SagaId, UserId,
    saga::{Event, PaymentCommand, PaymentStep, Reply},
};
use service_core::lane::{LaneWorker as _, Message, Record};
use sqlx::{Connection as _, PgPool};

fn charge(saga_id: i64, user_id: i64, amount: i64) -> PaymentCommand {
    PaymentCommand {
        saga_id: SagaId(saga_id),
        order_id: OrderId(saga_id + 100),
        step: PaymentStep::Charge {
            user_id: UserId(user_id),
            amount: Credits(amount),
        },
    }
}

fn refund(saga_id: i64) -> PaymentCommand {
    PaymentCommand {
        step: PaymentStep::Refund,
        ..charge(saga_id, 0, 0)
    }
}

fn messages(from: i64, commands: &[PaymentCommand]) -> Vec<Message> {
    let payloads = commands.iter().map(|c| serde_json::to_vec(c).unwrap());
    (from..)
        .zip(payloads)
        .map(|(offset, payload)| Message { offset, payload })
        .collect()
}

/// Applies a batch in one transaction and says what is to be replied.
async fn apply(pool: &PgPool, batch: &[Message]) -> Vec<Event> {
    let mut connection = pool.acquire().await.unwrap();
    let mut tx = connection.begin().await.unwrap();
    let records = Worker.apply(&mut tx, batch).await.unwrap();
    tx.commit().await.unwrap();
    events(&records)
}

fn events(records: &[Record]) -> Vec<Event> {
    let reply = |record: &Record| {
        serde_json::from_slice::<Reply>(&record.payload)
            .unwrap()
            .event
    };
    records.iter().map(reply).collect()
}

async fn users(pool: &PgPool, credit: i64) {
    sqlx::query("insert into account select id, $1 from generate_series(0, 2) as id")
        .bind(credit)
        .execute(pool)
        .await
        .unwrap();
}

async fn credit(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar("select credit from account order by user_id")
        .fetch_all(pool)
        .await
        .unwrap()
}

async fn moved(pool: &PgPool) -> Vec<(i64, i64, i64, i64)> {
    sqlx::query_as(
        "select saga_id, order_id, user_id, delta from payment_movement order by movement_id",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[sqlx::test]
async fn a_batch_moves_credit_and_writes_the_ledger(pool: PgPool) {
    users(&pool, 10).await;
    let batch = messages(
        0,
        &[
            charge(1, 0, 6),
            charge(2, 0, 6),
            refund(1),
            charge(3, 1, 10),
        ],
    );
    let replies = apply(&pool, &batch).await;
    assert_eq!(replies[0], Event::Charged);
    assert!(matches!(&replies[1], Event::ChargeRefused { refusal }
        if refusal.message == "User out of credit"));
    assert_eq!(replies[2..], [Event::Refunded, Event::Charged]);
    assert_eq!(credit(&pool).await, [10, 0, 10]);
    let ledger = [(1, 101, 0, -6), (1, 101, 0, 6), (3, 103, 1, -10)];
    assert_eq!(moved(&pool).await, ledger);
}

#[sqlx::test]
async fn redelivered_commands_are_answered_from_the_inbox(pool: PgPool) {
    users(&pool, 10).await;
    let commands = [charge(1, 0, 6), charge(2, 0, 6), charge(3, 7, 1)];
    let first = apply(&pool, &messages(0, &commands)).await;
    sqlx::query("update account set credit = 100")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(apply(&pool, &messages(3, &commands)).await, first);
    let refunds = [refund(1), refund(1)];
    assert_eq!(
        apply(&pool, &messages(6, &refunds)).await,
        [Event::Refunded, Event::Refunded]
    );
    assert_eq!(
        apply(&pool, &messages(8, &refunds[..1])).await,
        [Event::Refunded]
    );
    assert_eq!(moved(&pool).await, [(1, 101, 0, -6), (1, 101, 0, 6)]);
    assert_eq!(credit(&pool).await, [106, 100, 100]);
}

#[sqlx::test]
async fn a_charge_that_comes_again_as_another_one_is_not_answered(pool: PgPool) {
    users(&pool, 10).await;
    let first = apply(&pool, &messages(0, &[charge(1, 0, 6)])).await;
    let others = [charge(1, 0, 7), charge(1, 1, 6), charge(1, 0, 6)];
    assert_eq!(apply(&pool, &messages(1, &others)).await, first);
    assert_eq!(moved(&pool).await, [(1, 101, 0, -6)]);
    // An answer from before what was asked for was noted.
    sqlx::query("update inbox set asked = null")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(apply(&pool, &messages(4, &others[..1])).await, first);
}

#[sqlx::test]
async fn a_refunded_saga_can_never_charge(pool: PgPool) {
    users(&pool, 10).await;
    apply(&pool, &messages(0, &[refund(1)])).await;
    let replies = apply(&pool, &messages(1, &[charge(1, 0, 1)])).await;
    assert!(matches!(replies[0], Event::ChargeRefused { .. }));
    assert_eq!(credit(&pool).await, [10; 3]);
    assert_eq!(moved(&pool).await, []);
}

#[sqlx::test]
async fn a_new_holder_publishes_again_what_may_be_missing(pool: PgPool) {
    users(&pool, 5).await;
    let commands: Vec<PaymentCommand> = (0..4).map(|saga| charge(saga, 0, 2)).collect();
    let replies = apply(&pool, &messages(10, &commands)).await;
    let mut connection = pool.acquire().await.unwrap();
    let records = Worker.takeover(&mut connection, 12..14).await.unwrap();
    assert_eq!(events(&records), replies[2..]);
}

/// As `batch_init` leaves it: known to be empty, so that the planner takes reading all of it for the cheapest way.
#[sqlx::test]
async fn a_table_that_was_empty_a_moment_ago_is_not_read_whole(pool: PgPool) {
    const ROWS: &str = "insert into account select id, 10 from generate_series(1, 10000) as id";
    let emptied = [
        ROWS,
        "delete from account",
        "vacuum (analyze, truncate off) account",
        ROWS,
    ];
    for statement in emptied {
        sqlx::raw_sql(statement).execute(&pool).await.unwrap();
    }
    let commands: Vec<_> = (1..=250).map(|id| charge(id, id, 1)).collect();
    let mut tx = pool.begin().await.unwrap();
    sqlx::raw_sql("set local enable_seqscan = off")
        .execute(&mut *tx)
        .await
        .unwrap();
    Worker
        .apply(&mut tx, &messages(0, &commands))
        .await
        .unwrap();
    let read: i64 = sqlx::query_scalar(
        "select coalesce(idx_tup_fetch, 0) + seq_tup_read from pg_stat_xact_user_tables
         where relname = 'account'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert!((250..1000).contains(&read), "{read} rows were read");
}

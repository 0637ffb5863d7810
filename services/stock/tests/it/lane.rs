use protocol::{
    ItemId, OrderId, Quantity, SagaId,
    saga::{Event, Line, Reply, STOCK_COMMANDS, StockCommand, StockStep},
};
use rdkafka::mocking::MockCluster;
use service_core::{
    kafka::Kafka,
    lane::{self, LaneSpec, LaneWorker as _, Message, Record},
    postgres::Database,
};
use sqlx::{Connection as _, PgPool};
use std::time::{Duration, Instant};
use stock::worker::Worker;
use tokio_util::sync::CancellationToken;

fn reserve(saga_id: i64, lines: &[(i64, i64)]) -> StockCommand {
    let line = |&(item_id, quantity): &(i64, i64)| Line {
        item_id: ItemId(item_id),
        quantity: Quantity(quantity),
    };
    StockCommand {
        saga_id: SagaId(saga_id),
        order_id: OrderId(saga_id + 100),
        step: StockStep::Reserve {
            lines: lines.iter().map(line).collect(),
        },
    }
}

fn release(saga_id: i64) -> StockCommand {
    StockCommand {
        step: StockStep::Release,
        ..reserve(saga_id, &[])
    }
}

fn messages(from: i64, commands: &[StockCommand]) -> Vec<Message> {
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

async fn items(pool: &PgPool, stock: i64) {
    sqlx::query("insert into item select id, 1, $1 from generate_series(0, 4) as id")
        .bind(stock)
        .execute(pool)
        .await
        .unwrap();
}

async fn stock(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar("select stock from item order by item_id")
        .fetch_all(pool)
        .await
        .unwrap()
}

async fn moved(pool: &PgPool) -> Vec<(i64, i64, i64, i64)> {
    sqlx::query_as(
        "select saga_id, order_id, item_id, delta from stock_movement order by movement_id",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[sqlx::test]
async fn a_batch_moves_stock_and_writes_the_ledger(pool: PgPool) {
    items(&pool, 5).await;
    let batch = messages(
        0,
        &[
            reserve(1, &[(0, 2), (1, 5)]),
            reserve(2, &[(1, 1)]),
            release(1),
        ],
    );
    let replies = apply(&pool, &batch).await;
    assert_eq!(replies[0], Event::Reserved);
    assert!(matches!(&replies[1], Event::ReserveRefused { refusal }
        if refusal.message == "Out of stock on item_id: 1"));
    assert_eq!(replies[2], Event::Released);
    assert_eq!(stock(&pool).await, [5, 5, 5, 5, 5]);
    let ledger = [
        (1, 101, 0, -2),
        (1, 101, 1, -5),
        (1, 101, 0, 2),
        (1, 101, 1, 5),
    ];
    assert_eq!(moved(&pool).await, ledger);
}

#[sqlx::test]
async fn redelivered_commands_are_answered_from_the_inbox(pool: PgPool) {
    items(&pool, 5).await;
    let commands = [
        reserve(1, &[(0, 2)]),
        reserve(2, &[(0, 4)]),
        reserve(3, &[(7, 1)]),
    ];
    let first = apply(&pool, &messages(0, &commands)).await;
    sqlx::query("update item set stock = 100")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(apply(&pool, &messages(3, &commands)).await, first);
    assert_eq!(stock(&pool).await, [100; 5]);

    let releases = [release(1), release(1)];
    assert_eq!(
        apply(&pool, &messages(6, &releases)).await,
        [Event::Released, Event::Released]
    );
    assert_eq!(
        apply(&pool, &messages(8, &releases[..1])).await,
        [Event::Released]
    );
    assert_eq!(moved(&pool).await, [(1, 101, 0, -2), (1, 101, 0, 2)]);
    assert_eq!(stock(&pool).await, [102, 100, 100, 100, 100]);
}

#[sqlx::test]
async fn a_reservation_that_comes_again_as_another_one_is_not_answered(pool: PgPool) {
    items(&pool, 5).await;
    let first = apply(&pool, &messages(0, &[reserve(1, &[(0, 2)])])).await;
    let others = [
        reserve(1, &[(0, 3)]),
        reserve(1, &[(1, 2)]),
        reserve(1, &[(0, 2)]),
    ];
    assert_eq!(apply(&pool, &messages(1, &others)).await, first);
    assert_eq!(moved(&pool).await, [(1, 101, 0, -2)]);
}

#[sqlx::test]
async fn a_released_saga_can_never_reserve(pool: PgPool) {
    items(&pool, 5).await;
    apply(&pool, &messages(0, &[release(1)])).await;
    let replies = apply(&pool, &messages(1, &[reserve(1, &[(0, 1)])])).await;
    assert!(matches!(replies[0], Event::ReserveRefused { .. }));
    assert_eq!(stock(&pool).await, [5; 5]);
    assert_eq!(moved(&pool).await, []);
}

#[sqlx::test]
async fn an_unreadable_message_is_skipped(pool: PgPool) {
    items(&pool, 5).await;
    let mut batch = messages(0, &[reserve(1, &[(0, 1)]), reserve(2, &[(0, 1)])]);
    batch[0].payload = b"{".to_vec();
    assert_eq!(apply(&pool, &batch).await, [Event::Reserved]);
    assert_eq!(stock(&pool).await[0], 4);
}

#[sqlx::test]
async fn a_new_holder_publishes_again_what_may_be_missing(pool: PgPool) {
    items(&pool, 5).await;
    let commands: Vec<StockCommand> = (0..4).map(|saga| reserve(saga, &[(0, 2)])).collect();
    let replies = apply(&pool, &messages(10, &commands)).await;
    let mut connection = pool.acquire().await.unwrap();
    let records = Worker.takeover(&mut connection, 11..13).await.unwrap();
    assert_eq!(events(&records), replies[1..3]);
    assert_eq!(records[0].key, 1);
}

#[sqlx::test]
async fn commands_on_kafka_become_stock_that_is_taken(pool: PgPool) {
    items(&pool, 1000).await;
    let brokers = MockCluster::new(1).unwrap();
    for topic in protocol::saga::TOPICS {
        brokers.create_topic(topic, 1, 1).unwrap();
    }
    let kafka = Kafka::to(&brokers.bootstrap_servers()).unwrap();
    let stop = CancellationToken::new();
    let lanes: Vec<_> = ["one", "two"]
        .into_iter()
        .map(|replica| {
            let spec = LaneSpec::new(STOCK_COMMANDS, "stock", replica);
            let db = Database::from_pool(pool.clone());
            tokio::spawn(lane::run(spec, db, kafka.clone(), Worker, stop.clone()))
        })
        .collect();
    // Every command is sent twice, as a retrying orchestrator may.
    let records: Vec<Record> = (0..300)
        .flat_map(|saga| [saga, saga])
        .map(|saga| Record::json(STOCK_COMMANDS, saga, &reserve(saga, &[(saga % 5, 2)])).unwrap())
        .collect();
    kafka.producer.send_all(&records).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let published = "select coalesce(max(published_offset), 0) from lane";
    while sqlx::query_scalar::<_, i64>(published)
        .fetch_one(&pool)
        .await
        .unwrap()
        < 600
    {
        assert!(Instant::now() < deadline, "the lane stands still");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stock(&pool).await, [880; 5]);
    assert_eq!(moved(&pool).await.len(), 300);
    stop.cancel();
    for lane in lanes {
        lane.await.unwrap();
    }
}

/// As `batch_init` leaves it: known to be empty, so that the planner takes reading all of it for the cheapest way.
#[sqlx::test]
async fn a_table_that_was_empty_a_moment_ago_is_not_read_whole(pool: PgPool) {
    const ROWS: &str = "insert into item select id, 1, 10 from generate_series(1, 10000) as id";
    let emptied = [
        ROWS,
        "delete from item",
        "vacuum (analyze, truncate off) item",
        ROWS,
    ];
    for statement in emptied {
        sqlx::raw_sql(statement).execute(&pool).await.unwrap();
    }
    let commands: Vec<_> = (1..=250).map(|id| reserve(id, &[(id, 1)])).collect();
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
         where relname = 'item'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert!((250..1000).contains(&read), "{read} rows were read");
}

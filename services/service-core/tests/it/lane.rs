use std::{ops::Range, time::Duration};

use protocol::saga::{ORDER_REPLIES, STOCK_COMMANDS};
use rdkafka::{
    ClientConfig, Message as _,
    consumer::{Consumer as _, StreamConsumer},
    mocking::MockCluster,
    producer::DefaultProducerContext,
    topic_partition_list::TopicPartitionList,
};
use service_core::{
    kafka::Kafka,
    lane::{self, ApplyError, LaneSpec, LaneWorker, Message, Record},
    postgres::Database,
};
use sqlx::{PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{
    chaos_proxy::{ChaosProxy, Cut},
    wait,
};

const SOON: Duration = Duration::from_secs(20);

/// Writes each message down and passes it on.
struct Scribe;

fn passed_on(payload: &str) -> Record {
    Record {
        instead: None,
        topic: ORDER_REPLIES,
        key: 1,
        payload: payload.into(),
    }
}

impl LaneWorker for Scribe {
    async fn apply(
        &mut self,
        tx: &mut PgConnection,
        batch: &[Message],
    ) -> Result<Vec<Record>, ApplyError> {
        // For the proxy, which knows batches from ticks by it.
        sqlx::raw_sql("select 'effects'").execute(&mut *tx).await?;
        let mut records = Vec::new();
        for message in batch {
            let payload = String::from_utf8(message.payload.clone()).unwrap();
            sqlx::query("insert into effect (lane_offset, payload) values ($1, $2)")
                .bind(message.offset)
                .bind(&payload)
                .execute(&mut *tx)
                .await?;
            records.push(passed_on(&payload));
        }
        Ok(records)
    }

    async fn takeover(
        &mut self,
        tx: &mut PgConnection,
        unpublished: Range<i64>,
    ) -> Result<Vec<Record>, ApplyError> {
        let payloads: Vec<String> = sqlx::query_scalar(
            "select payload from effect where lane_offset >= $1 and lane_offset < $2
             order by lane_offset",
        )
        .bind(unpublished.start)
        .bind(unpublished.end)
        .fetch_all(tx)
        .await?;
        Ok(payloads.iter().map(|payload| passed_on(payload)).collect())
    }
}

/// A broker in this process, and a client of it.
struct Brokers {
    cluster: MockCluster<'static, DefaultProducerContext>,
    kafka: Kafka,
}

fn brokers() -> Brokers {
    // Silent unless RUST_LOG says otherwise; the first test of the process sets it up for all.
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::from_default_env())
            .with_test_writer()
            .try_init(),
    );
    let cluster = MockCluster::new(1).unwrap();
    for topic in [STOCK_COMMANDS, ORDER_REPLIES] {
        cluster.create_topic(topic, 1, 1).unwrap();
    }
    let kafka = Kafka::to(&cluster.bootstrap_servers()).unwrap();
    Brokers { cluster, kafka }
}

/// A running replica; dropped, it is killed: its sockets close, and nothing else happens.
struct Replica {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Replica {
    async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }
}

fn replica(name: &str, pool: &PgPool, brokers: &Brokers) -> Replica {
    let spec = LaneSpec::new(STOCK_COMMANDS, "stock", name);
    let db = Database::from_pool(pool.clone());
    let stop = CancellationToken::new();
    let running = lane::run(spec, db, brokers.kafka.clone(), Scribe, stop.clone());
    Replica {
        task: tokio::spawn(running),
        stop,
    }
}

async fn send(brokers: &Brokers, numbers: Range<i64>) {
    let records: Vec<Record> = numbers
        .map(|number| Record {
            instead: None,
            topic: STOCK_COMMANDS,
            key: number,
            payload: number.to_string().into_bytes(),
        })
        .collect();
    brokers.kafka.producer.send_all(&records).await.unwrap();
}

async fn holder(pool: &PgPool) -> Option<String> {
    sqlx::query_scalar("select holder from lane_heartbeat where beat_at > now() - interval '1 s'")
        .fetch_optional(pool)
        .await
        .unwrap()
}

async fn held_by(pool: &PgPool, name: &str) {
    wait::until(
        SOON,
        async || holder(pool).await,
        |now| now.as_deref() == Some(name),
    )
    .await;
}

/// Waits until the lane is at this offset, all published, and says what was written down.
async fn settled(pool: &PgPool, offset: i64) -> Vec<String> {
    let lane = async || -> Option<(i64, i64)> {
        sqlx::query_as("select next_offset, published_offset from lane")
            .fetch_optional(pool)
            .await
            .unwrap()
    };
    wait::until(SOON, lane, |now| *now == Some((offset, offset))).await;
    sqlx::query_scalar("select payload from effect order by effect_id")
        .fetch_all(pool)
        .await
        .unwrap()
}

fn written(numbers: Range<i64>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

/// What was passed on, as soon as it is `count` messages or more.
async fn passed(brokers: &Brokers, count: usize) -> Vec<String> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers.cluster.bootstrap_servers())
        .set("group.id", "test")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(ORDER_REPLIES, 0, rdkafka::Offset::Beginning)
        .unwrap();
    consumer.assign(&assignment).unwrap();
    let mut seen = Vec::new();
    while seen.len() < count {
        let message = tokio::time::timeout(SOON, consumer.recv())
            .await
            .expect("no message");
        let payload = message.unwrap().payload().unwrap().to_vec();
        seen.push(String::from_utf8(payload).unwrap());
    }
    seen
}

#[sqlx::test(migrations = "tests/migrations")]
async fn two_replicas_apply_every_message_once_and_in_order(pool: PgPool) {
    let brokers = brokers();
    let first = replica("first", &pool, &brokers);
    held_by(&pool, "first").await;
    let second = replica("second", &pool, &brokers);
    send(&brokers, 0..600).await;
    assert_eq!(settled(&pool, 600).await, written(0..600));

    drop(first);
    held_by(&pool, "second").await;
    send(&brokers, 600..700).await;
    assert_eq!(settled(&pool, 700).await, written(0..700));
    assert_eq!(passed(&brokers, 700).await, written(0..700));
    second.stop().await;
}

#[sqlx::test(migrations = "tests/migrations")]
async fn a_replica_that_stops_gives_the_lane_away_at_once(pool: PgPool) {
    let brokers = brokers();
    let first = replica("first", &pool, &brokers);
    held_by(&pool, "first").await;
    let _second = replica("second", &pool, &brokers);
    send(&brokers, 0..10).await;
    settled(&pool, 10).await;
    first.stop().await;
    let stopped = std::time::Instant::now();
    held_by(&pool, "second").await;
    assert!(
        stopped.elapsed() < Duration::from_secs(1),
        "{:?}",
        stopped.elapsed()
    );
}

#[sqlx::test(migrations = "tests/migrations")]
async fn a_frozen_holder_loses_the_lane_and_does_no_harm_when_it_wakes(pool: PgPool) {
    let brokers = brokers();
    let (freeze, frozen) = std::sync::mpsc::channel::<()>();
    let (thaw, thawed) = std::sync::mpsc::channel::<()>();
    let options = pool.connect_options().as_ref().clone();
    let servers = brokers.cluster.bootstrap_servers();
    // A runtime of one thread, which a blocking wait stops whole.
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let pool = PgPool::connect_lazy_with(options);
            let spec = LaneSpec::new(STOCK_COMMANDS, "stock", "first");
            let kafka = Kafka::to(&servers).unwrap();
            let stop = CancellationToken::new();
            let db = Database::from_pool(pool);
            let lane = tokio::spawn(lane::run(spec, db, kafka, Scribe, stop.clone()));
            while frozen.try_recv().is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            thawed.recv().unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            stop.cancel();
            lane.await.unwrap();
        });
    });
    held_by(&pool, "first").await;
    let _second = replica("second", &pool, &brokers);
    send(&brokers, 0..50).await;
    settled(&pool, 50).await;

    freeze.send(()).unwrap();
    send(&brokers, 50..100).await;
    held_by(&pool, "second").await;
    assert_eq!(settled(&pool, 100).await, written(0..100));
    thaw.send(()).unwrap();
    send(&brokers, 100..150).await;
    assert_eq!(settled(&pool, 150).await, written(0..150));
    assert_eq!(holder(&pool).await.as_deref(), Some("second"));
    tokio::task::spawn_blocking(move || thread.join().unwrap())
        .await
        .unwrap();
}

#[sqlx::test(migrations = "tests/migrations")]
async fn a_holder_that_never_beat_has_its_session_ended(pool: PgPool) {
    let brokers = brokers();
    let first = replica("first", &pool, &brokers);
    held_by(&pool, "first").await;
    let lock: (i32, i32) = sqlx::query_as(
        "select classid::bigint::int, objid::bigint::int from pg_locks
         where locktype = 'advisory' and objsubid = 2
         and database = (select oid from pg_database where datname = current_database())",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    drop(first);
    let mut mute = pool.acquire().await.unwrap().detach();
    sqlx::query("select pg_advisory_lock($1, $2)")
        .bind(lock.0)
        .bind(lock.1)
        .execute(&mut mute)
        .await
        .unwrap();
    sqlx::query("truncate lane_heartbeat")
        .execute(&pool)
        .await
        .unwrap();
    let _second = replica("second", &pool, &brokers);
    held_by(&pool, "second").await;
    assert!(sqlx::query("select 1").execute(&mut mute).await.is_err());
}

#[sqlx::test(migrations = "tests/migrations")]
async fn what_a_dead_holder_left_unpublished_is_published_by_the_next(pool: PgPool) {
    let brokers = brokers();
    sqlx::raw_sql(
        "insert into lane values ('stock.commands', 0, 3, 1, 'dead');
         insert into effect (lane_offset, payload) values (0, '0'), (1, '1'), (2, '2')",
    )
    .execute(&pool)
    .await
    .unwrap();
    send(&brokers, 0..5).await;
    let _first = replica("first", &pool, &brokers);
    assert_eq!(settled(&pool, 5).await, written(0..5));
    assert_eq!(passed(&brokers, 4).await, written(1..5));
}

#[sqlx::test(migrations = "tests/migrations")]
async fn a_lane_outlives_its_brokers_and_a_lost_log(pool: PgPool) {
    let brokers = brokers();
    let _first = replica("first", &pool, &brokers);
    send(&brokers, 0..10).await;
    settled(&pool, 10).await;
    brokers.cluster.broker_down(1).unwrap();
    held_by(&pool, "first").await;
    brokers.cluster.broker_up(1).unwrap();
    send(&brokers, 10..20).await;
    assert_eq!(settled(&pool, 20).await, written(0..20));
    drop(brokers);

    let anew = self::brokers();
    let _second = replica("second", &pool, &anew);
    sqlx::query("select pg_terminate_backend(backend_pid) from lane_heartbeat")
        .execute(&pool)
        .await
        .unwrap();
    // "first" talks to brokers that are gone: were it to get the lane, nothing would move.
    send(&anew, 0..3).await;
    wait::until(
        SOON,
        async || {
            sqlx::query(
                "select pg_terminate_backend(backend_pid) from lane_heartbeat where holder = 'first'",
            )
            .execute(&pool)
            .await
            .unwrap();
            holder(&pool).await
        },
        |now| now.as_deref() == Some("second"),
    )
    .await;
    settled(&pool, 3).await;
}

#[sqlx::test(migrations = "tests/migrations")]
async fn a_batch_whose_commit_is_in_doubt_is_applied_once(
    _: sqlx::postgres::PgPoolOptions,
    options: PgConnectOptions,
) {
    let brokers = brokers();
    let proxy = ChaosProxy::start(&options, "select 'effects'").await;
    let pool = PgPool::connect_lazy_with(options.clone());
    let _first = replica("first", &proxy.pool(&options), &brokers);
    send(&brokers, 0..5).await;
    settled(&pool, 5).await;
    for (round, cut) in [Cut::AfterCommit, Cut::BeforeCommit, Cut::AfterCommit]
        .into_iter()
        .enumerate()
    {
        let from = 5 + 5 * i64::try_from(round).unwrap();
        proxy.arm(cut);
        send(&brokers, from..from + 5).await;
        assert_eq!(settled(&pool, from + 5).await, written(0..from + 5));
    }
    assert!(proxy.has_cut());
}

//! The lane's worker by itself: each transaction as the lane would run it.

use std::time::Duration;

use order::{
    notification::{self, Announcer},
    replies::Replies,
    saga::State,
    store::{self, checkout},
    waiting::Verdict,
};
use protocol::{
    OrderId, SagaId,
    saga::{
        CheckoutEnded, Event, PAYMENT_COMMANDS, PaymentCommand, PaymentStep, RefusalCode, Reply,
        STOCK_COMMANDS, StockCommand, StockStep,
    },
};
use service_core::{
    lane::{LaneWorker as _, Message, Record},
    postgres::Database,
};
use sqlx::PgPool;
use tokio::sync::mpsc;

use crate::shop::{Shop, refusal};

/// The worker, and what it announced.
struct Lane {
    pool: PgPool,
    worker: Replies,
    announced: mpsc::Receiver<Vec<CheckoutEnded>>,
}

enum Turn<'a> {
    Apply(&'a [Reply]),
    Takeover,
    Tick,
}

impl Lane {
    fn of(shop: &Shop) -> Self {
        let (announcer, announced) = Announcer::silent();
        Self {
            pool: shop.pool.clone(),
            worker: Replies::new(shop.waiting.clone(), announcer),
            announced,
        }
    }

    async fn turn(&mut self, turn: Turn<'_>) -> Vec<Record> {
        let mut tx = self.pool.begin().await.unwrap();
        sqlx::raw_sql("set transaction isolation level serializable")
            .execute(&mut *tx)
            .await
            .unwrap();
        let records = match turn {
            Turn::Apply(replies) => {
                let messages: Vec<Message> = (0..).zip(replies).map(message).collect();
                self.worker.apply(&mut tx, &messages).await.unwrap()
            }
            Turn::Takeover => self.worker.takeover(&mut tx, 0..0).await.unwrap(),
            Turn::Tick => self.worker.tick(&mut tx).await.unwrap(),
        };
        tx.commit().await.unwrap();
        self.worker.committed();
        records
    }

    async fn reply(&mut self, saga_id: i64, event: &Event) -> Vec<Record> {
        self.turn(Turn::Apply(&[reply(saga_id, event)])).await
    }
}

fn message((offset, reply): (i64, &Reply)) -> Message {
    Message {
        offset,
        payload: serde_json::to_vec(reply).unwrap(),
    }
}

fn reply(saga_id: i64, event: &Event) -> Reply {
    Reply {
        saga_id: SagaId(saga_id),
        order_id: OrderId(0),
        event: event.clone(),
    }
}

fn out_of_credit() -> Event {
    Event::ChargeRefused {
        refusal: refusal(RefusalCode::OutOfCredit, "User out of credit"),
    }
}

/// An order whose checkout was admitted and whose request has gone away.
async fn reserving(pool: PgPool) -> (Shop, String, i64) {
    let shop = Shop::with_deadline(pool, Duration::from_millis(50)).await;
    let order_id = shop.order(&[(1, 2), (4, 3)]).await;
    for _ in 0..20 {
        assert_eq!(
            shop.post(&format!("/checkout/{order_id}")).await.status,
            503
        );
        if !shop.sagas(&order_id).await.is_empty() {
            break;
        }
    }
    let saga_id = shop.open_saga(&order_id).await;
    (shop, order_id, saga_id)
}

fn stock_step(records: &[Record]) -> StockStep {
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].topic, STOCK_COMMANDS);
    let command: StockCommand = serde_json::from_slice(&records[0].payload).unwrap();
    command.step
}

fn payment_step(records: &[Record]) -> PaymentStep {
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].topic, PAYMENT_COMMANDS);
    let command: PaymentCommand = serde_json::from_slice(&records[0].payload).unwrap();
    command.step
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn a_duplicate_of_any_reply_changes_nothing(pool: PgPool) {
    let (shop, order_id, saga_id) = reserving(pool).await;
    let mut lane = Lane::of(&shop);

    let charge = payment_step(&lane.reply(saga_id, &Event::Reserved).await);
    // Items 1 and 4 cost 2 and 5.
    assert!(matches!(charge, PaymentStep::Charge { amount, .. } if amount.0 == 2 * 2 + 3 * 5));
    assert!(lane.reply(saga_id, &Event::Reserved).await.is_empty());

    let release = stock_step(&lane.reply(saga_id, &out_of_credit()).await);
    assert_eq!(release, StockStep::Release);
    for event in [Event::Reserved, out_of_credit()] {
        assert!(lane.reply(saga_id, &event).await.is_empty());
    }
    assert!(lane.announced.try_recv().is_err(), "nothing has ended yet");

    assert!(lane.reply(saga_id, &Event::Released).await.is_empty());
    let ended = lane.announced.try_recv().unwrap();
    assert_eq!(ended[0].saga_id, SagaId(saga_id));
    assert_eq!(
        ended[0].refusal.as_ref().unwrap().code,
        RefusalCode::OutOfCredit
    );

    let all = [
        Event::Reserved,
        out_of_credit(),
        Event::Released,
        Event::Charged,
    ];
    let replies: Vec<Reply> = all.iter().map(|event| reply(saga_id, event)).collect();
    assert!(lane.turn(Turn::Apply(&replies)).await.is_empty());
    assert!(lane.announced.try_recv().is_err());
    assert_eq!(
        shop.sagas(&order_id).await,
        [(saga_id, "rejected".to_owned())]
    );
    assert!(!shop.paid(&order_id).await);
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn a_refused_reservation_is_final_at_once(pool: PgPool) {
    let (shop, order_id, saga_id) = reserving(pool).await;
    let mut lane = Lane::of(&shop);
    let refused = Event::ReserveRefused {
        refusal: refusal(RefusalCode::OutOfStock, "Out of stock on item_id: 4"),
    };
    assert!(lane.reply(saga_id, &refused).await.is_empty());
    assert_eq!(
        shop.sagas(&order_id).await,
        [(saga_id, "rejected".to_owned())]
    );
    // The order can be changed again.
    let added = shop.post(&format!("/addItem/{order_id}/1/1")).await;
    assert_eq!(added.status, 200);
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn takeover_publishes_the_outstanding_command_of_each_state(pool: PgPool) {
    let (shop, _, saga_id) = reserving(pool).await;
    let mut lane = Lane::of(&shop);
    let StockStep::Reserve { lines } = stock_step(&lane.turn(Turn::Takeover).await) else {
        panic!("reserving waits for a reservation");
    };
    let lines: Vec<(i64, i64)> = lines
        .iter()
        .map(|line| (line.item_id.0, line.quantity.0))
        .collect();
    assert_eq!(lines, [(1, 2), (4, 3)]);

    let charge = lane.reply(saga_id, &Event::Reserved).await;
    assert_eq!(lane.turn(Turn::Takeover).await, charge);
    let release = lane.reply(saga_id, &out_of_credit()).await;
    assert_eq!(lane.turn(Turn::Takeover).await, release);
    lane.reply(saga_id, &Event::Released).await;
    assert!(lane.turn(Turn::Takeover).await.is_empty());
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn silent_sagas_are_published_again_ever_more_rarely(pool: PgPool) {
    let (shop, _, saga_id) = reserving(pool).await;
    let mut lane = Lane::of(&shop);
    let published = async |silent_s: f64, since_published_s: f64| {
        sqlx::query(
            "update saga set published_at = now() - make_interval(secs => $2),
                    updated_at = now() - make_interval(secs => $1 + $2) where saga_id = $3",
        )
        .bind(silent_s)
        .bind(since_published_s)
        .bind(saga_id)
        .execute(&shop.pool)
        .await
        .unwrap();
    };
    for (silent_s, since_published_s, again) in [
        (0.0, 0.5, false),
        (0.0, 1.5, true),
        (4.0, 3.5, false),
        (4.0, 4.5, true),
        (100.0, 7.0, false),
        (100.0, 9.0, true),
    ] {
        published(silent_s, since_published_s).await;
        let records = lane.turn(Turn::Tick).await;
        assert_eq!(
            records.len(),
            usize::from(again),
            "{silent_s} {since_published_s}"
        );
        assert!(
            lane.turn(Turn::Tick).await.is_empty(),
            "it was just published"
        );
    }
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn a_request_without_redis_learns_its_end_from_the_database(pool: PgPool) {
    let (shop, order_id, saga_id) = reserving(pool).await;
    let order_id = OrderId(order_id.parse().unwrap());
    let mut ticket = shop.waiting.register(order_id).unwrap();
    shop.waiting.bind(ticket.id(), SagaId(saga_id));
    // Another replica works the lane.
    let elsewhere = order::waiting::Waiting::new(1);
    let mut lane = Lane::of(&shop);
    lane.worker = Replies::new(elsewhere, Announcer::silent().0);
    lane.reply(saga_id, &Event::Reserved).await;

    let db = Database::from_pool(shop.pool.clone());
    notification::ask(&db, &shop.waiting, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(ticket.verdict(tokio::time::Instant::now()).await, None);
    lane.reply(saga_id, &Event::Charged).await;
    notification::ask(&db, &shop.waiting, Duration::ZERO)
        .await
        .unwrap();
    let verdict = ticket.verdict(tokio::time::Instant::now()).await;
    assert_eq!(verdict, Some(Verdict::Paid));
    drop(ticket);
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn nothing_is_published_again_while_replies_queue(pool: PgPool) {
    let (shop, _, saga_id) = reserving(pool).await;
    sqlx::query("update saga set published_at = now() - interval '1 minute' where saga_id = $1")
        .bind(saga_id)
        .execute(&shop.pool)
        .await
        .unwrap();
    let mut lane = Lane::of(&shop);
    let of_others = vec![reply(-1, &Event::Reserved); 64];
    lane.turn(Turn::Apply(&of_others)).await;
    assert!(
        lane.turn(Turn::Tick).await.is_empty(),
        "its reply may be in the queue"
    );
    assert_eq!(lane.turn(Turn::Tick).await.len(), 1, "the queue is gone");
    shop.close().await;
}

#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn only_the_last_step_of_a_saga_writes_an_index(pool: PgPool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::raw_sql(
        "insert into saga (saga_id, order_id, user_id, total_cost, state)
         select id, id, 1, 5, 'reserving' from generate_series(1, 20) as id",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    let mut hot_after = async |state: State| {
        let moved = (1..=20).map(|id| (SagaId(id), &state));
        checkout::advance(&mut tx, moved).await.unwrap();
        let hot: i64 =
            sqlx::query_scalar("select pg_stat_get_xact_tuples_hot_updated('saga'::regclass)")
                .fetch_one(&mut *tx)
                .await
                .unwrap();
        hot
    };
    assert_eq!(hot_after(State::Charging).await, 20);
    assert_eq!(hot_after(State::Completed).await, 20);
}

/// As `batch_init` leaves it: pages that are there and known to be empty, so that however many rows are in them
/// meanwhile, the planner takes reading all of them for the cheapest way to any.
#[sqlx::test(migrator = "order::app::MIGRATOR")]
async fn a_table_that_was_empty_a_moment_ago_is_not_read_whole(pool: PgPool) {
    const SAGAS: &str = "insert into saga (saga_id, order_id, user_id, total_cost, state)
        select id, id, 1, 5, 'reserving' from generate_series(1, 5000) as id;
        insert into shop_order (order_id, user_id, total_cost, open_saga)
        select id, 1, 5, case when id <= 5000 then id end from generate_series(1, 10000) as id";
    sqlx::raw_sql(SAGAS).execute(&pool).await.unwrap();
    sqlx::raw_sql("delete from saga; delete from shop_order")
        .execute(&pool)
        .await
        .unwrap();
    sqlx::raw_sql("vacuum (analyze, truncate off) saga, shop_order")
        .execute(&pool)
        .await
        .unwrap();
    sqlx::raw_sql(SAGAS).execute(&pool).await.unwrap();
    sqlx::raw_sql("select setval('saga_id_seq', 5000)")
        .execute(&pool)
        .await
        .unwrap();

    let mut tx = pool.begin().await.unwrap();
    for before in ["set local enable_seqscan = off", store::TAKE_TURN] {
        sqlx::raw_sql(before).execute(&mut *tx).await.unwrap();
    }
    let moved = (1..=250).map(|id| (SagaId(id), &State::Completed));
    checkout::advance(&mut tx, moved).await.unwrap();
    let orders: Vec<OrderId> = (5001..=5020).map(OrderId).collect();
    checkout::start(&mut tx, &orders).await.unwrap();
    let fetched: Vec<(String, i64)> = sqlx::query_as(
        "select relname::text, coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables
         where relname in ('saga', 'shop_order')",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    for (table, rows) in fetched {
        assert!(
            (20..1000).contains(&rows),
            "{rows} rows of {table} were read"
        );
    }
}

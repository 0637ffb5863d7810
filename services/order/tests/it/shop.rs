//! One order replica on a real database, with its participants simulated.

use std::{collections::HashMap, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{Request, StatusCode},
    routing::get,
};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use order::{
    admission::Admission,
    http::{Api, router},
    notification::Announcer,
    price::Prices,
    replies::Replies,
    waiting::Waiting,
};
use protocol::saga::{
    Event, ORDER_REPLIES, PAYMENT_COMMANDS, PaymentCommand, Refusal, Reply, STOCK_COMMANDS,
    StockCommand, StockStep, TOPICS,
};
use rdkafka::{
    ClientConfig, Message as _,
    consumer::{Consumer as _, StreamConsumer},
    mocking::MockCluster,
    producer::DefaultProducerContext,
};
use serde_json::Value;
use service_core::{
    kafka::{Kafka, Record},
    lane::{self, LaneSpec},
    postgres::Database,
};
use sqlx::PgPool;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// What an answer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) outcome: Option<String>,
    pub(crate) body: Value,
}

pub(crate) struct Shop {
    pub(crate) pool: PgPool,
    pub(crate) waiting: Waiting,
    pub(crate) kafka: Kafka,
    router: Router,
    cluster: MockCluster<'static, DefaultProducerContext>,
    stock: JoinSet<()>,
}

impl Shop {
    /// A replica without its lane, so that a test can be the lane.
    pub(crate) async fn open(pool: PgPool) -> Self {
        Self::with_deadline(pool, Duration::from_secs(20)).await
    }

    pub(crate) async fn with_deadline(pool: PgPool, checkout_deadline: Duration) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for topic in TOPICS {
            cluster.create_topic(topic, 1, 1).unwrap();
        }
        let kafka = Kafka::to(&cluster.bootstrap_servers()).unwrap();
        let db = Database::from_pool(pool.clone());
        let waiting = Waiting::new(1000);
        let mut stock = JoinSet::new();
        let prices = Prices::new(&serve_prices(&mut stock).await).unwrap();
        let router = router(Api {
            admission: Admission::start(db.clone(), kafka.producer.clone(), waiting.clone()),
            db,
            prices,
            waiting: waiting.clone(),
            checkout_deadline,
        });
        Self {
            pool,
            waiting,
            kafka,
            router,
            cluster,
            stock,
        }
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.post_once(path, None).await
    }

    /// With an idempotency key.
    pub(crate) async fn post_once(&self, path: &str, key: Option<&str>) -> Answer {
        let mut request = Request::post(path);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let header = parts.headers.get("x-webshop-outcome");
        Answer {
            status: parts.status.as_u16(),
            outcome: header.map(|value| value.to_str().unwrap().to_owned()),
            body: serde_json::from_slice(&body).unwrap(),
        }
    }

    /// An order of user 1 with these items and quantities.
    pub(crate) async fn order(&self, items: &[(i64, i64)]) -> String {
        let created = self.post("/create/1").await;
        let order_id = created.body["order_id"].as_str().unwrap().to_owned();
        for (item_id, quantity) in items {
            let path = format!("/addItem/{order_id}/{item_id}/{quantity}");
            assert_eq!(self.post(&path).await.status, 200);
        }
        order_id
    }

    pub(crate) async fn paid(&self, order_id: &str) -> bool {
        let found = self.get(&format!("/find/{order_id}")).await;
        found.body["paid"].as_bool().unwrap()
    }

    pub(crate) async fn sagas(&self, order_id: &str) -> Vec<(i64, String)> {
        sqlx::query_as("select saga_id, state from saga where order_id = $1 order by saga_id")
            .bind(order_id.parse::<i64>().unwrap())
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// Waits until the order has a saga that has not ended.
    pub(crate) async fn open_saga(&self, order_id: &str) -> i64 {
        for _ in 0..1000 {
            let open: Option<i64> =
                sqlx::query_scalar("select open_saga from shop_order where order_id = $1")
                    .bind(order_id.parse::<i64>().unwrap())
                    .fetch_one(&self.pool)
                    .await
                    .unwrap();
            if let Some(saga_id) = open {
                return saga_id;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("order {order_id} has no open saga");
    }

    /// Works the order lane, and both participants by `script`.
    pub(crate) fn run_lane(&self, replica: &str, script: Script) -> Running {
        let shutdown = CancellationToken::new();
        let lane = tokio::spawn(lane::run(
            LaneSpec::new(ORDER_REPLIES, "order", replica),
            Database::from_pool(self.pool.clone()),
            self.kafka.clone(),
            Replies::new(self.waiting.clone(), Announcer::silent().0),
            shutdown.clone(),
        ));
        let consumer = consumer(&self.cluster.bootstrap_servers());
        let mut participants = JoinSet::new();
        participants.spawn(participate(consumer, self.kafka.clone(), script));
        Running {
            shutdown,
            lane,
            _participants: participants,
        }
    }

    pub(crate) async fn close(mut self) {
        self.stock.shutdown().await;
        self.pool.close().await;
    }
}

/// A lane at work.
pub(crate) struct Running {
    shutdown: CancellationToken,
    lane: tokio::task::JoinHandle<()>,
    _participants: JoinSet<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.lane.await.unwrap();
    }
}

/// How the participants behave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    /// Charges that are refused before the first one succeeds.
    pub(crate) charges_refused: usize,
    /// How often each reply is sent.
    pub(crate) copies: usize,
}

impl Script {
    pub(crate) const SMOOTH: Self = Self {
        charges_refused: 0,
        copies: 1,
    };
}

pub(crate) fn refusal(code: protocol::saga::RefusalCode, message: &str) -> Refusal {
    Refusal {
        code,
        message: message.into(),
    }
}

/// Both participants: answers every command, the same one always the same.
async fn participate(consumer: StreamConsumer, kafka: Kafka, script: Script) {
    let mut refused = 0;
    let mut inbox: HashMap<i64, Event> = HashMap::new();
    let mut messages = consumer.stream();
    while let Some(message) = messages.next().await {
        let Ok(message) = message else { continue };
        let payload = message.payload().unwrap();
        let reply = if message.topic() == STOCK_COMMANDS {
            let command: StockCommand = serde_json::from_slice(payload).unwrap();
            let event = match command.step {
                StockStep::Reserve { lines } => {
                    assert!(!lines.is_empty(), "a reservation without lines");
                    Event::Reserved
                }
                StockStep::Decline { refusal } => Event::ReserveRefused { refusal },
                StockStep::Release => Event::Released,
            };
            Reply {
                saga_id: command.saga_id,
                order_id: command.order_id,
                event,
            }
        } else {
            let command: PaymentCommand = serde_json::from_slice(payload).unwrap();
            let event = inbox.entry(command.saga_id.0).or_insert_with(|| {
                if refused == script.charges_refused {
                    return Event::Charged;
                }
                refused += 1;
                let code = protocol::saga::RefusalCode::OutOfCredit;
                Event::ChargeRefused {
                    refusal: refusal(code, "User out of credit"),
                }
            });
            Reply {
                saga_id: command.saga_id,
                order_id: command.order_id,
                event: event.clone(),
            }
        };
        let record = Record::json(ORDER_REPLIES, reply.saga_id.0, &reply).unwrap();
        let copies = vec![record; script.copies];
        kafka.producer.send_all(&copies).await.unwrap();
    }
}

fn consumer(brokers: &str) -> StreamConsumer {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "participants")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    let mut assignment = rdkafka::TopicPartitionList::new();
    for topic in [STOCK_COMMANDS, PAYMENT_COMMANDS] {
        assignment
            .add_partition_offset(topic, 0, rdkafka::Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    consumer
}

/// Items below 1000 exist and cost their id + 1.
async fn serve_prices(tasks: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let find = |Path(item_id): Path<i64>| async move {
        if item_id < 1000 {
            let price = item_id + 1;
            (StatusCode::OK, format!(r#"{{"stock":5,"price":{price}}}"#))
        } else {
            (StatusCode::BAD_REQUEST, "{}".to_owned())
        }
    };
    let router = Router::new().route("/find/{item_id}", get(find));
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

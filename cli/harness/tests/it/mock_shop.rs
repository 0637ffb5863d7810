//! A shop in memory with the public API, one flash sale, and a planted behaviour.

mod carts;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{Response, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use checker::{
    Initial, Snapshot,
    snapshot::{
        ApiOrder, DatabaseView, ItemRow, LaneView, NodeView, OrderLine, OrderRow, PaymentMovement,
        Source, StockMovement, TableDigest, UserRow,
    },
};
use protocol::{
    ItemId, OrderId, SagaId, UserId,
    db::{Lsn, NodeState, Role},
    http::{Done, Item, Order, Rejection, User},
    outcome::{OUTCOME_HEADER, Outcome},
    saga::{RefusalCode, TOPICS},
};

/// Users with a credit of 1, one item at the price of 1, an order of each user for one piece.
pub(crate) const ORDERS: i64 = 1000;
pub(crate) const PIECES: i64 = 100;
/// What each user and the item have where orders are made during the sale.
const PLENTY: i64 = 1_000_000;

/// What is wrong with the shop, if anything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    Nothing,
    /// So many acknowledged orders are dropped, and as many rejected ones applied: sums cancel.
    LostAndPhantom(i64),
    /// So many users are charged twice, and as many orders are for free: sums cancel.
    DoubleAndFree(i64),
    /// So many are charged without goods, and as many rejected ones take goods without a charge.
    OneSided(i64),
    /// After so many requests, everything is answered with this status and does nothing.
    Down {
        after: usize,
        status: u16,
    },
    /// After so many checkouts, all others are refused honestly.
    Closed {
        after: i64,
    },
    /// The debit comes this long after the answer.
    SlowDebit(Duration),
    /// One connection breaks after the work was done.
    OneReset,
    /// There is plenty of everything for the orders that are made during the sale, with this done to them.
    Carts(CartBug),
}

/// What is done to the orders that are made during a sale, to one in a few of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CartBug {
    Nothing,
    /// A line is acknowledged and forgotten.
    ForgetLine,
    /// A line is added twice.
    DoubleLine,
    /// A paid order loses its lines, and what they cost.
    LoseLines,
    /// A paid order gets another owner.
    Steal,
    /// The item becomes dearer at the first order.
    RaisePrice,
    /// Two creates are given one id.
    ReuseId,
}

/// What happens to one order, and what its client is told.
struct Fate {
    charges: i64,
    pieces: i64,
    paid: bool,
    answer: Answer,
}

#[derive(Clone, Copy)]
enum Answer {
    Committed,
    Rejected,
    Broken,
}

impl Fate {
    const DONE: Self = Self {
        charges: 1,
        pieces: 1,
        paid: true,
        answer: Answer::Committed,
    };
    const REFUSED: Self = Self {
        charges: 0,
        pieces: 0,
        paid: false,
        answer: Answer::Rejected,
    };
}

impl Planted {
    /// What each user has, and how many pieces there are.
    fn plenty(self) -> (i64, i64) {
        match self {
            Self::Carts(_) => (PLENTY, PLENTY),
            _ => (1, PIECES),
        }
    }

    /// Orders up to the number of pieces are meant to get one, whenever they come.
    fn fate(self, order: i64) -> Fate {
        let fair = if order < PIECES {
            Fate::DONE
        } else {
            Fate::REFUSED
        };
        match self {
            Self::LostAndPhantom(count) if order < count => Fate {
                answer: Answer::Committed,
                ..Fate::REFUSED
            },
            Self::LostAndPhantom(count) if (PIECES..PIECES + count).contains(&order) => Fate {
                answer: Answer::Rejected,
                ..Fate::DONE
            },
            Self::DoubleAndFree(count) if order < count => Fate {
                charges: 2,
                ..Fate::DONE
            },
            Self::DoubleAndFree(_) if order < PIECES => Fate {
                charges: 0,
                ..Fate::DONE
            },
            Self::OneSided(count) if order < count => Fate {
                pieces: 0,
                ..Fate::DONE
            },
            Self::OneSided(count) if order < 2 * count => Fate {
                pieces: 1,
                ..Fate::REFUSED
            },
            Self::Closed { after } if order >= after => Fate::REFUSED,
            Self::OneReset if order == 7 => Fate {
                answer: Answer::Broken,
                ..Fate::DONE
            },
            _ => fair,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Shelf {
    stock: i64,
    price: i64,
}

/// An order that was made during the sale.
#[derive(Debug, Clone)]
struct Cart {
    owner: i64,
    lines: Vec<OrderLine>,
    paid: bool,
}

/// The truth.
#[derive(Debug)]
struct Books {
    requests: usize,
    credit: Vec<i64>,
    /// The item of the sale, and those that were made during it.
    items: Vec<Shelf>,
    paid: Vec<bool>,
    /// Orders that were made during the sale: their ids follow those of the prepared ones.
    carts: Vec<Cart>,
    payments: Vec<PaymentMovement>,
    takings: Vec<StockMovement>,
    /// Debits that are still to come.
    pending: i64,
}

/// Cheap to clone: all clones are the same shop.
#[derive(Debug, Clone)]
pub(crate) struct MockShop {
    planted: Planted,
    books: Arc<Mutex<Books>>,
}

type Reply = Response<Body>;

impl MockShop {
    /// Opens it at an address of its own.
    pub(crate) async fn open(planted: Planted) -> (Self, String) {
        let orders = usize::try_from(ORDERS).unwrap();
        let (credit, stock) = planted.plenty();
        let shop = Self {
            planted,
            books: Arc::new(Mutex::new(Books {
                requests: 0,
                credit: vec![credit; orders],
                items: vec![Shelf { stock, price: 1 }],
                paid: vec![false; orders],
                carts: Vec::new(),
                payments: Vec::new(),
                takings: Vec::new(),
                pending: 0,
            })),
        };
        let router = Router::new()
            .route("/orders/checkout/{order}", post(checkout))
            .route("/orders/find/{order}", get(find_order))
            .route("/stock/find/{item}", get(find_item))
            .route("/payment/find_user/{user}", get(find_user))
            .merge(carts::router())
            .with_state(shop.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (shop, format!("http://{address}"))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Books) -> T) -> T {
        work(&mut self.books.lock().unwrap())
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_quiescent(&self) -> bool {
        self.with(|books| books.pending == 0)
    }

    /// The answer of a shop that is down, if it is.
    fn down(&self) -> Option<Reply> {
        let requests = self.with(|books| {
            books.requests += 1;
            books.requests
        });
        match self.planted {
            Planted::Down { after, status } if requests > after => {
                Some(StatusCode::from_u16(status).unwrap().into_response())
            }
            _ => None,
        }
    }

    /// What stands in it before any load.
    pub(crate) fn initial(&self) -> Initial {
        let (credit, stock) = self.planted.plenty();
        Initial {
            users: (0..ORDERS).map(|id| user(id, credit)).collect(),
            items: vec![item(0, Shelf { stock, price: 1 })],
            orders: (0..ORDERS).map(|id| order(id, false)).collect(),
            taken_at_us: unix_us(),
            ..Initial::default()
        }
    }

    /// What stands in it now, as the nodes of three healthy databases and the API tell it.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.with(|books| Snapshot {
            taken_at_us: unix_us(),
            orders: (0..)
                .zip(&books.paid)
                .map(|(id, paid)| order(id, *paid))
                .chain((ORDERS..).zip(&books.carts).map(carts::row))
                .collect(),
            users: (0..)
                .zip(&books.credit)
                .map(|(id, credit)| user(id, *credit))
                .collect(),
            items: (0..)
                .zip(&books.items)
                .map(|(id, shelf)| item(id, *shelf))
                .collect(),
            stock_movements: books.takings.clone().into(),
            payment_movements: books.payments.clone().into(),
            ..Snapshot::default()
        });
        snapshot.databases = DATABASES.map(|name| database(name, &snapshot)).to_vec();
        snapshot.sources = DATABASES.map(source).to_vec();
        snapshot.lanes = TOPICS.map(lane).to_vec();
        snapshot.api.users = snapshot.users.to_vec();
        snapshot.api.items = snapshot.items.to_vec();
        snapshot.api.orders = snapshot.orders.iter().map(ApiOrder::from).collect();
        snapshot
    }
}

impl Books {
    fn charge(&mut self, order: i64, user: i64, amount: i64) {
        self.credit[usize::try_from(user).unwrap()] -= amount;
        self.payments.push(PaymentMovement {
            movement_id: i64::try_from(self.payments.len()).unwrap() + 1,
            saga_id: SagaId(order),
            order_id: OrderId(order),
            user_id: UserId(user),
            delta: -amount,
            recorded_at_us: unix_us(),
        });
    }

    fn take(&mut self, order: i64, item: i64, amount: i64) {
        self.items[usize::try_from(item).unwrap()].stock -= amount;
        self.takings.push(StockMovement {
            movement_id: i64::try_from(self.takings.len()).unwrap() + 1,
            saga_id: SagaId(order),
            order_id: OrderId(order),
            item_id: ItemId(item),
            delta: -amount,
            recorded_at_us: unix_us(),
        });
    }
}

async fn checkout(State(shop): State<MockShop>, Path(order): Path<i64>) -> Reply {
    if let Some(down) = shop.down() {
        return down;
    }
    if order >= ORDERS {
        return carts::checkout(&shop, order);
    }
    let fate = shop.planted.fate(order);
    let at = usize::try_from(order).unwrap();
    shop.with(|books| {
        for _ in 0..fate.pieces {
            books.take(order, 0, 1);
        }
        books.paid[at] |= fate.paid;
        books.pending += fate.charges;
    });
    let debit = shop.clone();
    let debit = move || {
        debit.with(|books| {
            for _ in 0..fate.charges {
                books.charge(order, order, 1);
            }
            books.pending -= fate.charges;
        });
    };
    match shop.planted {
        Planted::SlowDebit(late) if fate.charges > 0 => {
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                debit();
            });
        }
        _ => debit(),
    }
    answer(fate.answer)
}

fn answer(answer: Answer) -> Reply {
    let said = |outcome: Outcome| [(OUTCOME_HEADER, outcome.as_str())];
    match answer {
        Answer::Committed => {
            let done = Json(Done {
                msg: "done".to_owned(),
            });
            (said(Outcome::Committed), done).into_response()
        }
        Answer::Rejected => rejected(RefusalCode::OutOfStock),
        // The connection ends in the middle of the answer.
        Answer::Broken => {
            let cut = futures_util::stream::iter([
                Ok(Bytes::from_static(b"{\"msg\":")),
                Err(std::io::Error::other("the connection broke")),
            ]);
            (said(Outcome::Committed), Body::from_stream(cut)).into_response()
        }
    }
}

fn rejected(code: RefusalCode) -> Reply {
    let said = [(OUTCOME_HEADER, Outcome::Rejected.as_str())];
    let rejection = Json(Rejection {
        code,
        message: "no".to_owned(),
    });
    (StatusCode::BAD_REQUEST, said, rejection).into_response()
}

async fn find_order(State(shop): State<MockShop>, Path(order): Path<i64>) -> Reply {
    if let Some(down) = shop.down() {
        return down;
    }
    if order >= ORDERS {
        return carts::find(&shop, order);
    }
    let paid = shop.with(|books| books.paid[usize::try_from(order).unwrap()]);
    Json(Order {
        order_id: order.to_string(),
        paid,
        items: vec![("0".to_owned(), 1)],
        user_id: order.to_string(),
        total_cost: 1,
    })
    .into_response()
}

async fn find_item(State(shop): State<MockShop>, Path(item): Path<i64>) -> Reply {
    if let Some(down) = shop.down() {
        return down;
    }
    let Shelf { stock, price } = shop.with(|books| books.items[usize::try_from(item).unwrap()]);
    Json(Item { stock, price }).into_response()
}

async fn find_user(State(shop): State<MockShop>, Path(user): Path<i64>) -> Reply {
    if let Some(down) = shop.down() {
        return down;
    }
    let credit = shop.with(|books| books.credit[usize::try_from(user).unwrap()]);
    Json(User {
        user_id: user.to_string(),
        credit,
    })
    .into_response()
}

fn unix_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_micros()).unwrap()
}

fn user(id: i64, credit: i64) -> UserRow {
    UserRow {
        user_id: UserId(id),
        credit,
    }
}

fn item(id: i64, Shelf { stock, price }: Shelf) -> ItemRow {
    ItemRow {
        item_id: ItemId(id),
        price,
        stock,
    }
}

fn order(id: i64, paid: bool) -> OrderRow {
    OrderRow {
        order_id: OrderId(id),
        user_id: UserId(id),
        paid,
        total_cost: 1,
        lines: vec![OrderLine {
            item_id: ItemId(0),
            quantity: 1,
            price: 1,
        }]
        .into(),
    }
}

fn lane(topic: &str) -> LaneView {
    LaneView {
        topic: topic.to_owned(),
        partition: 0,
        next_offset: 9,
        published_offset: 9,
        end_offset: Some(9),
    }
}

const DATABASES: [&str; 3] = ["order", "payment", "stock"];

/// The nodes of each database.
pub(crate) fn nodes() -> BTreeMap<String, Vec<String>> {
    let of = |name: &str| (0..3).map(|n| format!("{name}-db-{n}")).collect();
    DATABASES.map(|name| (name.to_owned(), of(name))).into()
}

fn source(name: &str) -> Source {
    Source {
        database: name.to_owned(),
        node: format!("{name}-db-0"),
        timeline: 1,
    }
}

/// Three nodes that count the rows that there are.
fn database(name: &str, read: &Snapshot) -> DatabaseView {
    let lines = read.orders.iter().map(|order| order.lines.len());
    let tables = match name {
        "order" => [
            ("shop_order", read.orders.len()),
            ("order_line", lines.sum()),
        ],
        "payment" => [
            ("account", read.users.len()),
            ("payment_movement", read.payment_movements.len()),
        ],
        _ => [
            ("item", read.items.len()),
            ("stock_movement", read.stock_movements.len()),
        ],
    };
    let tables = tables.map(|(table, rows)| TableDigest {
        table: table.to_owned(),
        rows: rows as u64,
        digest: "same".to_owned(),
    });
    let node = |node_id: u8| NodeView {
        name: format!("{name}-db-{node_id}"),
        state: Some(NodeState {
            name: format!("{name}-db-{node_id}"),
            node_id,
            role: if node_id == 0 {
                Role::Primary
            } else {
                Role::Standby
            },
            epoch: 1,
            has_data: true,
            timeline: 1,
            lsn: Lsn(1000),
            streaming: node_id > 0,
            system_id: "7".to_owned(),
            data_epoch: 1,
            alone: false,
            following: None,
        }),
        in_recovery: Some(node_id > 0),
        tables: tables.to_vec(),
        replayed: (node_id > 0).then_some(Lsn(1000)),
        error: None,
    };
    DatabaseView {
        name: name.to_owned(),
        nodes: (0..3).map(node).collect(),
    }
}

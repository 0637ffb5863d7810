//! A shop that does everything right, under a client that lives through everything legal.

use protocol::{
    ItemId, OrderId, SagaId, UserId,
    db::{Lsn, NodeState, Role},
    saga::TOPICS,
};

use super::{Case, load::Load};
use crate::{
    evidence::{Evidence, Expected, FaultEvidence, Planned, PlannedFault, Settle},
    outcome::{Broken, Class},
    snapshot::{
        ApiOrder, DatabaseView, Initial, ItemRow, LaneView, NodeView, OrderLine, OrderRow,
        PaymentMovement, Snapshot, Source, StockMovement, TableDigest, UserRow,
    },
    verdict::Budgets,
};

const USERS: i64 = 8;
const ITEMS: i64 = 8;
const PRICE: i64 = 5;
const PLENTY: i64 = 1_000_000;
/// The id of every simulated run.
pub(super) const RUN: &str = "20250101-120000-kill";
/// The seed of its load.
pub(super) const SEED: u64 = 42;
pub(super) const STARTED_AT_MS: u64 = 1_700_000_000_000;
/// When the final reads are made at the earliest, and how long after the load otherwise.
const READ_AT_US: u64 = 100_000_000;
const READ_AFTER_US: u64 = 30_000_000;
/// Between two final reads.
const STABLE_MS: u64 = 3_000;
/// The tables of each database whose rows are read.
const TABLES: [(&str, &[&str]); 3] = [
    ("order", &["order_line", "shop_order"]),
    ("payment", &["account", "payment_movement"]),
    ("stock", &["item", "stock_movement"]),
];
/// The time between two orders' checkouts.
const PACE_US: u64 = 100_000;

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Paid,
    PaidAtSecondAttempt,
    PaidAfterRejection,
    Rejected,
    /// Rejected after its stock had been taken and given back.
    Compensated,
    UnknownDone,
    UnknownUndone,
    Idle,
}

impl Fate {
    fn is_done(self) -> bool {
        match self {
            Self::Paid | Self::PaidAtSecondAttempt | Self::PaidAfterRejection => true,
            Self::UnknownDone => true,
            Self::Rejected | Self::Compensated | Self::UnknownUndone | Self::Idle => false,
        }
    }
}

/// One order of a simulated run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) user: usize,
    /// Item and quantity; an item stands in one line.
    pub(crate) lines: Vec<(usize, i64)>,
    pub(crate) fate: Fate,
}

impl Case {
    /// Runs the plans through the shop, with a kill after a third of them that is healed after another.
    pub(crate) fn simulate(plans: Vec<Plan>) -> Self {
        let mut shop = Shop::open(&plans);
        let initial = shop.initial();
        let mut load = Load::new();
        for (number, plan) in (0..).zip(&plans) {
            let due_us = PACE_US * number;
            let order = shop.orders[usize::try_from(number).unwrap()].clone();
            checkout(&mut load, order.order_id, plan.fate, due_us);
            if plan.fate == Fate::Compensated {
                shop.take_stock(&order, due_us + 1000);
                shop.give_back(&order, due_us + 3000);
            }
            if plan.fate.is_done() {
                shop.complete(&order, due_us + 2000);
            }
            shop.read_along(&mut load, &order, due_us + 50_000);
        }
        let end_us = PACE_US * u64::try_from(plans.len()).unwrap() + 10_000_000;
        let read_at_us = READ_AT_US.max(end_us + READ_AFTER_US);
        let mut first = shop.snapshot();
        first.taken_at_us = unix_us(read_at_us);
        let mut second = first.clone();
        second.taken_at_us = unix_us(read_at_us + STABLE_MS * 1000);
        Self {
            planned: Surroundings::planned(&["kill stock-db-primary"]),
            history: load.end(end_us),
            initial,
            snapshots: vec![first, second],
            evidence: evidence(end_us - 10_000_000),
            budgets: Budgets {
                ok_before_min: 3,
                ok_during_min: 3,
                ok_after_min: 3,
                ..Budgets::default()
            },
            plans,
        }
    }
}

/// What the client of one order lives through.
fn checkout(load: &mut Load, order: OrderId, fate: Fate, due_us: u64) {
    let timeout = Err(Broken::TimedOut);
    match fate {
        Fate::Paid => load.checkout(order, due_us, &[(Class::Ok, Ok(200))]),
        Fate::PaidAtSecondAttempt => load.checkout(
            order,
            due_us,
            &[(Class::Info, timeout), (Class::Ok, Ok(200))],
        ),
        Fate::PaidAfterRejection => {
            load.checkout(order, due_us, &[(Class::Fail, Ok(400))]);
            load.checkout(order, due_us + 1000, &[(Class::Ok, Ok(200))]);
        }
        Fate::Rejected | Fate::Compensated => {
            load.checkout(order, due_us, &[(Class::Fail, Ok(400))]);
        }
        Fate::UnknownDone => load.checkout(order, due_us, &[(Class::Info, Ok(503))]),
        Fate::UnknownUndone => load.checkout(order, due_us, &[(Class::Info, timeout)]),
        Fate::Idle => {}
    }
}

fn evidence(load_us: u64) -> Evidence {
    Evidence {
        faults: vec![FaultEvidence {
            place: 0,
            name: "kill stock-db-primary".to_owned(),
            target: "stock-db-0".to_owned(),
            injected_us: Some(load_us / 3),
            effective_us: Some(load_us / 3),
            seen: vec!["die event".to_owned(), "new task".to_owned()],
            missing: Vec::new(),
            healed_us: Some(load_us * 2 / 3),
            held: None,
            writable_us: None,
            expected: Expected::default(),
        }],
        ..Surroundings::quiet()
    }
}

/// The true state of the shop.
struct Shop {
    orders: Vec<OrderRow>,
    users: Vec<UserRow>,
    items: Vec<ItemRow>,
    payments: Vec<PaymentMovement>,
    stock: Vec<StockMovement>,
}

impl Shop {
    fn open(plans: &[Plan]) -> Self {
        let orders = (0..).zip(plans).map(|(id, plan)| OrderRow {
            order_id: OrderId(id),
            user_id: UserId(i64::try_from(plan.user).unwrap()),
            paid: false,
            total_cost: plan
                .lines
                .iter()
                .map(|(_, quantity)| quantity * PRICE)
                .sum(),
            lines: plan
                .lines
                .iter()
                .map(|&(item, quantity)| OrderLine {
                    item_id: ItemId(i64::try_from(item).unwrap()),
                    quantity,
                    price: PRICE,
                })
                .collect(),
        });
        Self {
            orders: orders.collect(),
            users: (0..USERS)
                .map(|id| UserRow {
                    user_id: UserId(id),
                    credit: PLENTY,
                })
                .collect(),
            items: (0..ITEMS)
                .map(|id| ItemRow {
                    item_id: ItemId(id),
                    price: PRICE,
                    stock: PLENTY,
                })
                .collect(),
            payments: Vec::new(),
            stock: Vec::new(),
        }
    }

    fn initial(&self) -> Initial {
        Initial {
            users: self.users.clone(),
            items: self.items.clone(),
            orders: self.orders.clone(),
            run: RUN.to_owned(),
            taken_at_us: unix_us(0) - 200_000,
            ..Initial::default()
        }
    }

    fn user(&mut self, order: &OrderRow) -> &mut UserRow {
        let id = order.user_id;
        self.users.iter_mut().find(|row| row.user_id == id).unwrap()
    }

    fn move_stock(&mut self, order: &OrderRow, sign: i64, at_us: u64) {
        for line in &order.lines {
            let delta = sign * line.quantity;
            let mut items = self.items.iter_mut();
            items.find(|row| row.item_id == line.item_id).unwrap().stock += delta;
            self.stock.push(StockMovement {
                movement_id: i64::try_from(self.stock.len()).unwrap() + 1,
                saga_id: SagaId(order.order_id.0),
                order_id: order.order_id,
                item_id: line.item_id,
                delta,
                recorded_at_us: unix_us(at_us),
            });
        }
    }

    fn take_stock(&mut self, order: &OrderRow, at_us: u64) {
        self.move_stock(order, -1, at_us);
    }

    fn give_back(&mut self, order: &OrderRow, at_us: u64) {
        self.move_stock(order, 1, at_us);
    }

    fn complete(&mut self, order: &OrderRow, at_us: u64) {
        self.take_stock(order, at_us);
        self.user(order).credit -= order.total_cost;
        self.payments.push(PaymentMovement {
            movement_id: i64::try_from(self.payments.len()).unwrap() + 1,
            saga_id: SagaId(order.order_id.0),
            order_id: order.order_id,
            user_id: order.user_id,
            delta: -order.total_cost,
            recorded_at_us: unix_us(at_us + 500),
        });
        // An order's id is its place in the list.
        self.orders[usize::try_from(order.order_id.0).unwrap()].paid = true;
    }

    /// A client reads the order, its user and an item as they are.
    fn read_along(&mut self, load: &mut Load, order: &OrderRow, due_us: u64) {
        let id = order.order_id;
        let paid = self.orders[usize::try_from(id.0).unwrap()].paid;
        load.read_order(order, due_us, due_us + 900, paid);
        let user = *self.user(order);
        load.read_user(user.user_id, due_us + 1, user.credit);
        let item = self.items[0];
        load.read_item(item.item_id, due_us + 2, item.stock);
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            orders: self.orders.clone().into(),
            users: self.users.clone().into(),
            items: self.items.clone().into(),
            stock_movements: self.stock.clone().into(),
            payment_movements: self.payments.clone().into(),
            ..Surroundings::snapshot()
        };
        Surroundings::answer(&mut snapshot);
        Surroundings::count(&mut snapshot);
        snapshot
    }
}

/// What is around the rows of a healthy shop.
pub(crate) struct Surroundings;

impl Surroundings {
    /// The plan of a run with these faults.
    pub(crate) fn planned(faults: &[&str]) -> Planned {
        let databases = TABLES.map(|(name, _)| database(name));
        let nodes = databases.map(|view| {
            let nodes = view.nodes.into_iter().map(|node| node.name);
            (view.name, nodes.collect())
        });
        Planned {
            run: RUN.to_owned(),
            seed: Some(SEED),
            mix: Vec::new(),
            faults: faults.iter().map(|name| planned_fault(name)).collect(),
            nodes: nodes.into(),
            direct_writes: false,
            stable_ms: STABLE_MS,
        }
    }

    /// Lets every node count the rows that there are.
    pub(crate) fn count(snapshot: &mut Snapshot) {
        let lines = snapshot.orders.iter().map(|order| order.lines.len());
        let counts = [
            ("order_line", lines.sum()),
            ("shop_order", snapshot.orders.len()),
            ("account", snapshot.users.len()),
            ("payment_movement", snapshot.payment_movements.len()),
            ("item", snapshot.items.len()),
            ("stock_movement", snapshot.stock_movements.len()),
        ];
        let nodes = snapshot.databases.iter_mut();
        let tables = nodes.flat_map(|view| &mut view.nodes);
        for digest in tables.flat_map(|node| &mut node.tables) {
            let counted = counts.iter().find(|(table, _)| *table == digest.table);
            if let Some((_, rows)) = counted {
                digest.rows = *rows as u64;
            }
        }
    }

    /// No fault, and everything settled.
    pub(crate) fn quiet() -> Evidence {
        Evidence {
            run: RUN.to_owned(),
            settle: Settle {
                load_stopped: true,
                faults_healed: true,
                converged: true,
                quiescent: true,
                waited_ms: 2_000,
                deadline_ms: 60_000,
                missing: Vec::new(),
            },
            ..Evidence::default()
        }
    }

    /// Replicas that agree, lanes that are empty, and no rows.
    pub(crate) fn snapshot() -> Snapshot {
        let source = |(name, _): (&str, _)| Source {
            database: name.to_owned(),
            node: format!("{name}-db-0"),
            timeline: 1,
        };
        Snapshot {
            run: RUN.to_owned(),
            sources: TABLES.map(source).to_vec(),
            databases: TABLES.map(|(name, _)| database(name)).to_vec(),
            lanes: TOPICS.map(lane).to_vec(),
            ..Snapshot::default()
        }
    }

    /// Lets the API answer what the rows say.
    pub(crate) fn answer(snapshot: &mut Snapshot) {
        snapshot.api.users.clone_from(&snapshot.users);
        snapshot.api.items.clone_from(&snapshot.items);
        snapshot.api.orders = snapshot.orders.iter().map(ApiOrder::from).collect();
    }
}

/// A fault of one victim that is not held.
fn planned_fault(name: &str) -> PlannedFault {
    PlannedFault {
        name: name.to_owned(),
        victims: 1,
        ..PlannedFault::default()
    }
}

pub(super) fn unix_us(at_us: u64) -> i64 {
    i64::try_from(STARTED_AT_MS * 1000 + at_us).unwrap()
}

fn lane(topic: &str) -> LaneView {
    LaneView {
        topic: topic.to_owned(),
        partition: 0,
        next_offset: 100,
        published_offset: 100,
        end_offset: Some(100),
    }
}

fn database(name: &str) -> DatabaseView {
    let tables = TABLES.iter().filter(|(of, _)| *of == name);
    let tables: Vec<&str> = tables
        .flat_map(|(_, tables)| tables.iter().copied())
        .collect();
    let digest = |table: &&str| TableDigest {
        table: (*table).to_owned(),
        rows: 0,
        digest: "abc".to_owned(),
    };
    let node = |node_id: u8| {
        let primary = node_id == 0;
        let role = if primary {
            Role::Primary
        } else {
            Role::Standby
        };
        NodeView {
            name: format!("{name}-db-{node_id}"),
            state: Some(NodeState {
                name: format!("{name}-db-{node_id}"),
                node_id,
                role,
                epoch: 1,
                has_data: true,
                timeline: 1,
                lsn: Lsn(1000),
                streaming: !primary,
                system_id: format!("7{name}"),
                data_epoch: 1,
                alone: false,
                following: (!primary).then(|| format!("{name}-db-0")),
            }),
            in_recovery: Some(!primary),
            tables: tables.iter().map(digest).collect(),
            replayed: (!primary).then_some(Lsn(1000)),
            error: None,
        }
    };
    DatabaseView {
        name: name.to_owned(),
        nodes: (0..3).map(node).collect(),
    }
}

//! How long the checker takes for a run of 100 000 orders: `cargo bench -p checker`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use checker::{
    Budgets, Evidence, History, Initial, Run, Snapshot,
    evidence::Planned,
    history::{Attempt, Complete, Header, Invoke, Op},
    judge,
    outcome::Class,
    snapshot::{ItemRow, OrderLine, OrderRow, PaymentMovement, StockMovement, UserRow},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use protocol::{ItemId, OrderId, SagaId, UserId};

const ORDERS: i64 = 100_000;
const OTHERS: i64 = 1000;
const PLENTY: i64 = 1_000_000;

struct Recorded {
    history: History,
    initial: Initial,
    snapshots: [Snapshot; 2],
    evidence: Evidence,
}

fn row(order: i64, paid: bool) -> OrderRow {
    let line = OrderLine {
        item_id: ItemId(order % OTHERS),
        quantity: 1,
        price: 5,
    };
    OrderRow {
        order_id: OrderId(order),
        user_id: UserId(order % OTHERS),
        paid,
        total_cost: 5,
        lines: Box::new([line]),
    }
}

/// Every order is paid; every `lost_every`th was acknowledged and left no trace.
fn recorded(lost_every: i64) -> Recorded {
    let is_lost = |order: i64| order % lost_every == lost_every - 1;
    let done = || (0..ORDERS).filter(move |order| !is_lost(*order));
    let mut initial = Initial {
        orders: (0..ORDERS).map(|order| row(order, false)).collect(),
        ..Initial::default()
    };
    let mut last = Snapshot {
        orders: (0..ORDERS)
            .map(|order| row(order, !is_lost(order)))
            .collect(),
        ..Snapshot::default()
    };
    for id in 0..OTHERS {
        let taken = i64::try_from(done().filter(|order| order % OTHERS == id).count()).unwrap();
        let user = |credit| UserRow {
            user_id: UserId(id),
            credit,
        };
        let item = |stock| ItemRow {
            item_id: ItemId(id),
            price: 5,
            stock,
        };
        initial.users.push(user(PLENTY));
        initial.items.push(item(PLENTY));
        last.users.push(user(PLENTY - 5 * taken));
        last.items.push(item(PLENTY - taken));
    }
    last.payment_movements = done()
        .map(|order| PaymentMovement {
            movement_id: order + 1,
            saga_id: SagaId(order),
            order_id: OrderId(order),
            user_id: UserId(order % OTHERS),
            delta: -5,
            recorded_at_us: order,
        })
        .collect();
    last.stock_movements = done()
        .map(|order| StockMovement {
            movement_id: order + 1,
            saga_id: SagaId(order),
            order_id: OrderId(order),
            item_id: ItemId(order % OTHERS),
            delta: -1,
            recorded_at_us: order,
        })
        .collect();
    Recorded {
        history: History {
            header: Header::new("bench", 0, None),
            attempts: (0..ORDERS).map(attempt).collect(),
            ended_at_us: Some(u64::MAX),
            truncated_line: None,
            miscount: None,
        },
        initial,
        snapshots: [last.clone(), last],
        evidence: Evidence::default(),
    }
}

fn attempt(order: i64) -> Attempt {
    let id = u64::try_from(order).unwrap();
    let sent_us = id * 1000;
    Attempt {
        invoke: Invoke {
            id,
            attempt: 1,
            process: 0,
            due_us: sent_us,
            sent_us,
            op: Op::Checkout {
                order: OrderId(order),
            },
        },
        complete: Some(Complete {
            id,
            attempt: 1,
            at_us: sent_us + 500,
            class: Class::Ok,
            status: Some(200),
            broken: None,
            refusal: None,
            value: None,
        }),
    }
}

fn judging(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("judge");
    group.throughput(Throughput::Elements(ORDERS.unsigned_abs()));
    group.sample_size(20);
    for (name, lost_every) in [("right", i64::MAX), ("half_lost", 2)] {
        let recorded = recorded(lost_every);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                judge(black_box(&Run {
                    planned: &Planned::default(),
                    history: &recorded.history,
                    initial: &recorded.initial,
                    snapshots: &recorded.snapshots,
                    evidence: &recorded.evidence,
                    budgets: &Budgets::default(),
                }))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, judging);
criterion_main!(benches);

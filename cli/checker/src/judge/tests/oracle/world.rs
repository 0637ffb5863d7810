//! Random small shops: right ones at first, and then a few things happen to them.

use protocol::{ItemId, OrderId, SagaId, UserId, saga::TOPICS};

use crate::{
    evidence::{Evidence, Planned},
    history::History,
    judge::Run,
    outcome::Class,
    snapshot::{Initial, PaymentMovement, SagaRow, Snapshot, StockMovement},
    testing::{Dice, Surroundings},
    verdict::Budgets,
};

mod cart;
mod mishap;
mod mixup;
mod nodes;
mod shop;
use shop::Shop;

const USERS: i64 = 3;
const ITEMS: i64 = 3;
const STEP_US: u64 = 100_000;

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) planned: Planned,
    pub(super) history: History,
    pub(super) initial: Initial,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) evidence: Evidence,
    pub(super) budgets: Budgets,
}

impl World {
    pub(super) fn run(&self) -> Run<'_> {
        Run {
            planned: &self.planned,
            history: &self.history,
            initial: &self.initial,
            snapshots: &self.snapshots,
            evidence: &self.evidence,
            budgets: &self.budgets,
        }
    }

    pub(super) fn random(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut shop = Shop::open(&mut dice);
        for id in 0..dice.between(1, 5) {
            shop.order(&mut dice, OrderId(id));
            if dice.percent(30) {
                shop.read(&mut dice);
            }
        }
        if dice.percent(25) {
            cart::create(&mut shop, &mut dice);
        }
        for _ in 0..dice.roll(3) {
            shop.top_up(&mut dice);
        }
        for _ in 0..dice.roll(6) {
            shop.read(&mut dice);
        }
        let mut world = shop.close(&mut dice);
        let mishaps = dice.pick(&[0, 0, 0, 1, 1, 1, 2, 2, 3]);
        for _ in 0..mishaps {
            mishap::befall(&mut world, &mut dice);
        }
        for snapshot in world.snapshots.iter_mut().skip(1) {
            Surroundings::answer(snapshot);
        }
        world.snapshots.iter_mut().for_each(Surroundings::count);
        world.count_before();
        for _ in 0..mishaps {
            mishap::befall_reading(&mut world, &mut dice);
        }
        if dice.percent(15) {
            mixup::befall(&mut world, &mut dice);
        }
        if dice.percent(18) {
            nodes::befall(&mut world, &mut dice);
        }
        if dice.percent(12) {
            nodes::write(&mut world, &mut dice);
        }
        if dice.percent(2) {
            nodes::deny(&mut world, &mut dice);
        }
        if dice.percent(10) {
            mixup::plan_mix(&mut world, &mut dice);
        }
        if dice.percent(10) {
            mixup::aim_faults(&mut world, &mut dice);
        }
        world
    }

    /// How much of the ledgers the watermarks leave out.
    fn count_before(&mut self) {
        let Some(first) = self.snapshots.first() else {
            return;
        };
        let initial = &mut self.initial;
        let stock = first.stock_movements.iter();
        let stock = stock.filter(|row| row.movement_id <= initial.stock_watermark);
        initial.stock_movements = stock.count() as u64;
        let payment = first.payment_movements.iter();
        let payment = payment.filter(|row| row.movement_id <= initial.payment_watermark);
        initial.payment_movements = payment.count() as u64;
    }
}

/// What an answer says whose operation is of a class.
fn status_of(class: Class) -> u16 {
    match class {
        Class::Ok => 200,
        Class::Fail => 400,
        Class::Info => 503,
    }
}

/// An open saga of an order.
fn open_saga(order_id: OrderId) -> SagaRow {
    SagaRow {
        saga_id: SagaId(order_id.0 + 100),
        order_id,
        state: "charging".to_owned(),
        age_s: 60,
    }
}

/// A lane that has something left to do.
fn busy_lane(snapshot: &mut Snapshot, topic: usize) {
    for lane in &mut snapshot.lanes {
        if lane.topic == TOPICS[topic] {
            lane.end_offset = Some(lane.next_offset + 2);
        }
    }
}

fn payment(movement_id: i64, order_id: OrderId, user_id: UserId, delta: i64) -> PaymentMovement {
    PaymentMovement {
        movement_id,
        saga_id: SagaId(order_id.0),
        order_id,
        user_id,
        delta,
        recorded_at_us: 0,
    }
}

fn taking(movement_id: i64, order_id: OrderId, item_id: ItemId, delta: i64) -> StockMovement {
    StockMovement {
        movement_id,
        saga_id: SagaId(order_id.0),
        order_id,
        item_id,
        delta,
        recorded_at_us: 0,
    }
}

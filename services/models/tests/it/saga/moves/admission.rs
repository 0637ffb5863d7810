//! The requests: how they are admitted, and how they are answered.

use models::Few;
use order::{
    admission::decision::{Decision, decide, to_publish},
    store::checkout::{Age, Open, Standing},
    waiting::Verdict,
};

use super::{Checkouts, reserve, sagas};
use crate::saga::{
    orders::{self, Phase, Saga},
    shop::{Defect, order_id, saga_id, saga_of},
    world::{Record, Request, World},
};

impl Checkouts {
    /// One admission: starts a saga where the order can be checked out, and decides on the order as it then
    /// stands.
    pub(super) fn send(&self, mut world: World, request: usize, quiet: bool) -> Option<World> {
        if world.requests[request] != Request::Unsent {
            return None;
        }
        let number = self.shop.requests[request];
        let order = world.orders[usize::from(number)];
        let is_free = order.open.is_none() || self.has(Defect::SecondAttempt);
        let age = if !order.paid && is_free {
            let saga = unborn(&world)?;
            world.sagas[usize::from(saga)] = Saga {
                order: number,
                phase: Phase::Reserving,
            };
            world.orders[usize::from(number)].open = Some(saga);
            Age::New
        } else if quiet {
            Age::Quiet
        } else {
            Age::Fresh
        };
        if quiet && age != Age::Quiet {
            return None;
        }
        let open = world.orders[usize::from(number)].open;
        let standing = Standing {
            lines: 1,
            order_id: order_id(number),
            paid: order.paid,
            open: open.map(|saga| Open {
                saga_id: saga_id(saga),
                age,
            }),
        };
        let decision = decide(order_id(number), Some(&standing));
        if let Some(saga) = to_publish(&decision, false)
            && let Some(command) = self.outstanding(&world, saga_of(saga))
        {
            self.send_off(&mut world, Record::Command(command))?;
        }
        world.requests[request] = match decision {
            Decision::Reject(refusal) => Request::Refused(refusal.code),
            Decision::AlreadyPaid => Request::Paid,
            Decision::Wait(open) => Request::Waiting(saga_of(open.saga_id)),
        };
        Some(world)
    }

    pub(super) fn answer(&self, mut world: World, request: usize) -> Option<World> {
        let Request::Waiting(saga) = world.requests[request] else {
            return None;
        };
        let phase = world.sagas[usize::from(saga)].phase;
        let is_early = self.has(Defect::RejectedEarly) && matches!(phase, Phase::Releasing(_));
        world.requests[request] = match orders::verdict(&self.shop, &world.sagas, saga) {
            Some(verdict) => told(&verdict, saga),
            None if is_early => Request::Rejected(saga),
            None => return None,
        };
        Some(world)
    }

    /// The saga's row is rolled back after its command went out.
    pub(super) fn admit_uncommitted(&self, mut world: World, request: usize) -> Option<World> {
        let number = self.shop.requests[request];
        let order = world.orders[usize::from(number)];
        if world.requests[request] != Request::Unsent || order.paid || order.open.is_some() {
            return None;
        }
        let saga = unborn(&world)?;
        world.sagas[usize::from(saga)] = Saga {
            order: number,
            phase: Phase::RolledBack,
        };
        self.append(&mut world, reserve(saga))?;
        world.requests[request] = Request::Unknown;
        Some(world)
    }

    /// The client hears of what the next batch will commit.
    pub(super) fn tell_uncommitted(&self, mut world: World, request: usize) -> Option<World> {
        let Request::Waiting(saga) = world.requests[request] else {
            return None;
        };
        let folded = self.fold(&world, Few::of([world.replies.first()?]));
        let verdict = orders::verdict(&self.shop, &folded.sagas, saga)?;
        world.requests[request] = told(&verdict, saga);
        Some(world)
    }

    /// The client hears how another attempt of its order ended.
    pub(super) fn tell_by_order(&self, mut world: World, request: usize) -> Option<World> {
        let Request::Waiting(saga) = world.requests[request] else {
            return None;
        };
        let order = self.shop.requests[request];
        let same = sagas().filter(|other| world.sagas[usize::from(*other)].order == order);
        let verdict = same
            .filter_map(|other| orders::verdict(&self.shop, &world.sagas, other))
            .next()?;
        world.requests[request] = told(&verdict, saga);
        Some(world)
    }
}

pub(super) fn give_up(mut world: World, request: usize) -> Option<World> {
    let Request::Waiting(_) = world.requests[request] else {
        return None;
    };
    world.requests[request] = Request::Unknown;
    Some(world)
}

fn unborn(world: &World) -> Option<u8> {
    sagas().find(|saga| world.sagas[usize::from(*saga)].phase == Phase::Unborn)
}

fn told(verdict: &Verdict, saga: u8) -> Request {
    match verdict {
        Verdict::Paid => Request::Paid,
        Verdict::Rejected(_) => Request::Rejected(saga),
    }
}

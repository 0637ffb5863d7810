//! The lanes: working them, publishing again, and what happens to records on the way.

use models::Few;

use super::{Checkouts, Fate};
use crate::saga::{
    orders::{Phase, Sagas},
    shop::{Defect, Service},
    world::{Record, World},
};

impl Checkouts {
    /// A participant's transaction writes its books, its inbox and its lane's offset.
    pub(super) fn work(
        &self,
        mut world: World,
        service: Service,
        batch: usize,
        fate: Fate,
    ) -> Option<World> {
        let log = world.counter(service).log;
        if log.len() < batch {
            return None;
        }
        let applied = self.apply(&world, service, Few::of(log.iter().take(batch)));
        let counter = world.counter_mut(service);
        counter.books = applied.books;
        counter.log = log.without(batch);
        let answers = applied.answers.iter().map(|answer| Record::Answer(*answer));
        let answers: Vec<Record> = answers.collect();
        self.publish(&mut world, &answers, fate)?;
        Some(world)
    }

    /// The order lane's transaction writes the sagas, their orders and the lane's offset.
    pub(super) fn settle(&self, mut world: World, batch: usize, fate: Fate) -> Option<World> {
        if world.replies.len() < batch {
            return None;
        }
        let folded = self.fold(&world, Few::of(world.replies.iter().take(batch)));
        world.replies = world.replies.without(batch);
        world.sagas = folded.sagas;
        world.impossible |= folded.impossible;
        for saga in &folded.ended {
            end(&mut world, *saga);
        }
        let commands = folded.commands.iter();
        let commands: Vec<Record> = commands.map(|command| Record::Command(*command)).collect();
        self.publish(&mut world, &commands, fate)?;
        Some(world)
    }

    /// The service publishes again what it answered lately. That it may be any answer is more than it does.
    pub(super) fn answer_again(
        &self,
        mut world: World,
        service: Service,
        saga: u8,
        step: usize,
    ) -> Option<World> {
        let answer = world.counter(service).books.answered[usize::from(saga)][step]?;
        if self.has(Defect::NeverRepublished) || self.has(Defect::AnsweredOnce) {
            return None;
        }
        self.append(&mut world, Record::Answer(answer))?;
        Some(world)
    }

    pub(super) fn republish(&self, mut world: World, saga: u8) -> Option<World> {
        if self.has(Defect::NeverRepublished) {
            return None;
        }
        let command = self.outstanding(&world, saga)?;
        self.append(&mut world, Record::Command(command))?;
        Some(world)
    }

    pub(super) fn arrive(&self, world: World, place: usize) -> Option<World> {
        let (mut world, record) = lose(world, place)?;
        self.append(&mut world, record)?;
        Some(world)
    }

    /// The lane's holder is about to lose it, with a transaction under way.
    pub(super) fn read_for_stale(&self, mut world: World) -> Option<World> {
        if world.stale.is_some() {
            return None;
        }
        let folded = self.fold(&world, Few::of([world.replies.first()?]));
        world.stale = Some(moved(&world.sagas, &folded.sagas)?);
        Some(world)
    }

    pub(super) fn answer_uncommitted(&self, mut world: World, service: Service) -> Option<World> {
        let head = Few::of([world.counter(service).log.first()?]);
        let answer = *self.apply(&world, service, head).answers.first()?;
        self.append(&mut world, Record::Answer(answer))?;
        Some(world)
    }
}

/// The one saga, at most, that a single reply moved.
fn moved(before: &Sagas, after: &Sagas) -> Option<(u8, Phase)> {
    let changed = (0..).zip(before.iter().zip(after));
    let mut changed = changed.filter(|(_, (before, after))| before != after);
    changed.next().map(|(saga, (_, after))| (saga, after.phase))
}

/// An ended saga's order is marked as paid, or open to another attempt.
fn end(world: &mut World, saga: u8) {
    let row = world.sagas[usize::from(saga)];
    let order = &mut world.orders[usize::from(row.order)];
    if order.open == Some(saga) {
        order.paid |= row.phase == Phase::Completed;
        order.open = None;
    }
}

/// What a holder that lost its lane had decided is committed all the same.
pub(super) fn commit_stale(mut world: World) -> Option<World> {
    let (saga, phase) = world.stale.take()?;
    world.sagas[usize::from(saga)].phase = phase;
    if !phase.is_open() {
        end(&mut world, saga);
    }
    Some(world)
}

/// The world without a record that was on its way, and that record.
pub(super) fn lose(mut world: World, place: usize) -> Option<(World, Record)> {
    let record = world.late.iter().nth(place)?;
    let others = world.late.iter().enumerate();
    let others = others.filter(|(other, _)| *other != place);
    world.late = Few::of(others.map(|(_, record)| record));
    Some((world, record))
}

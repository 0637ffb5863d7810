//! A participant's database, and its own decisions on it.

use std::collections::{BTreeMap, HashMap};

use payment::ledger::{self, Accounts, CHARGE, REFUND};
use protocol::{
    Credits, ItemId, Quantity, SagaId,
    saga::{Line, Reply},
};
use service_core::inbox::{Answered, Given};
use stock::reservation::{self, RELEASE, RESERVE, Shelves};

use super::shop::{
    Answer, Command, Defect, GOODS, Owners, SAGAS, Service, Shop, USER, saga_id, saga_of,
};

/// The stock's items, or the user's credit in the first place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Books {
    pub(crate) left: [i8; GOODS],
    /// What each saga took and did not give back: the sum of its movements.
    pub(crate) taken: [[i8; GOODS]; SAGAS],
    /// The inbox: answers to each saga's step and to its compensation.
    pub(crate) answered: [[Option<Answer>; 2]; SAGAS],
}

/// What a batch of commands does.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) books: Books,
    /// One for each command.
    pub(crate) answers: Vec<Answer>,
}

impl Books {
    pub(crate) fn new(left: [i8; GOODS]) -> Self {
        Self {
            left,
            taken: Default::default(),
            answered: Default::default(),
        }
    }

    /// Applies a batch of commands to `service` as its worker does.
    pub(crate) fn apply(
        &self,
        shop: &Shop,
        service: Service,
        owners: &Owners,
        commands: &[Command],
        defect: Option<Defect>,
    ) -> Applied {
        let read = self.with_what_is_read(shop, service, owners, defect);
        let mut applied = match service {
            Service::Stock => read.reserve(shop, owners, commands),
            Service::Payment => read.charge(shop, owners, commands),
        };
        for (now, before) in applied.books.answered.iter_mut().zip(self.answered) {
            for (now, before) in now.iter_mut().zip(before) {
                *now = now.or(before);
            }
        }
        if defect == Some(Defect::NoBar) {
            for (saga, answered) in applied.books.answered.iter_mut().enumerate() {
                let asked = commands.iter().any(|command| {
                    usize::from(command.saga) == saga && !command.step.is_compensation()
                });
                if !asked {
                    answered[0] = self.answered[saga][0];
                }
            }
        }
        if defect == Some(Defect::BlindCompensation) {
            // What was given back was never there.
            for (saga, taken) in applied.books.taken.iter_mut().enumerate() {
                for (good, taken) in taken.iter_mut().enumerate() {
                    *taken += self.taken[saga][good] - read.taken[saga][good];
                }
            }
        }
        if defect == Some(Defect::AnsweredOnce) {
            let mut commands = commands.iter();
            applied.answers.retain(|_| {
                commands.next().is_some_and(|command| {
                    let step = usize::from(command.step.is_compensation());
                    self.answered[usize::from(command.saga)][step].is_none()
                })
            });
        }
        applied
    }

    /// These books as a worker with the defect takes them to be.
    fn with_what_is_read(
        &self,
        shop: &Shop,
        service: Service,
        owners: &Owners,
        defect: Option<Defect>,
    ) -> Self {
        let mut read = *self;
        match (defect, service) {
            (Some(Defect::NoStockInbox), Service::Stock)
            | (Some(Defect::NoPaymentInbox), Service::Payment) => {
                read.answered = Default::default();
            }
            (Some(Defect::BlindCompensation), _) => {
                for (saga, taken) in (0..).zip(&mut read.taken) {
                    *taken = shop.wanted(service, owners, saga);
                }
            }
            _ => {}
        }
        read
    }

    fn reserve(&self, shop: &Shop, owners: &Owners, commands: &[Command]) -> Applied {
        let batch: Vec<_> = (0..)
            .zip(commands)
            .map(|(offset, command)| (offset, shop.stock_command(owners, *command)))
            .collect();
        let shelves = Shelves {
            stock: items(&self.left).collect(),
            answered: self.inbox(owners, [RESERVE, RELEASE]),
            held: self.held(),
        };
        let effects = reservation::apply(shelves, &batch);
        let mut books = *self;
        for (item, delta) in &effects.deltas {
            books.left[good(*item)] += small(*delta);
        }
        for movement in &effects.movements {
            let saga = usize::from(saga_of(movement.saga_id));
            books.taken[saga][good(movement.item_id)] -= small(movement.delta);
        }
        books.note(&effects.answered, RELEASE, &effects.replies)
    }

    fn charge(&self, shop: &Shop, owners: &Owners, commands: &[Command]) -> Applied {
        let batch: Vec<_> = (0..)
            .zip(commands)
            .map(|(offset, command)| (offset, shop.payment_command(owners, *command)))
            .collect();
        let charged = (0..).zip(self.taken).filter(|(_, taken)| taken[0] > 0);
        let accounts = Accounts {
            credit: BTreeMap::from([(USER, self.left[0].into())]),
            answered: self.inbox(owners, [CHARGE, REFUND]),
            charged: charged
                .map(|(saga, taken)| (saga_id(saga), (USER, Credits(taken[0].into()))))
                .collect(),
        };
        let effects = ledger::apply(accounts, &batch);
        let mut books = *self;
        for delta in effects.deltas.values() {
            books.left[0] += small(*delta);
        }
        for movement in &effects.movements {
            let saga = usize::from(saga_of(movement.saga_id));
            books.taken[saga][0] -= small(movement.delta);
        }
        books.note(&effects.answered, REFUND, &effects.replies)
    }

    /// What each saga holds, as the ledger of movements tells it.
    fn held(&self) -> HashMap<SagaId, Vec<Line>> {
        let line = |(item_id, quantity): (ItemId, i64)| Line {
            item_id,
            quantity: Quantity(quantity),
        };
        let lines = |taken| {
            let held = items(taken).filter(|(_, quantity)| *quantity > 0);
            held.map(line).collect::<Vec<Line>>()
        };
        let held = (0..).zip(&self.taken);
        held.map(|(saga, taken)| (saga_id(saga), lines(taken)))
            .filter(|(_, lines)| !lines.is_empty())
            .collect()
    }

    fn inbox(
        &self,
        owners: &Owners,
        steps: [&'static str; 2],
    ) -> HashMap<(SagaId, &'static str), Given> {
        let mut inbox = HashMap::new();
        for (saga, answered) in (0..).zip(&self.answered) {
            for (step, answer) in steps.into_iter().zip(answered) {
                if let Some(answer) = answer {
                    let given = Given {
                        asked: None,
                        reply: answer.reply(owners),
                    };
                    inbox.insert((saga_id(saga), step), given);
                }
            }
        }
        inbox
    }

    fn note(mut self, rows: &[Answered], compensation: &str, replies: &[Reply]) -> Applied {
        for row in rows {
            let saga = usize::from(saga_of(SagaId(row.saga_id)));
            let step = usize::from(row.step == compensation);
            self.answered[saga][step] = Some(Answer::of(&row.reply));
        }
        Applied {
            books: self,
            answers: replies.iter().map(Answer::of).collect(),
        }
    }
}

fn items(counts: &[i8; GOODS]) -> impl Iterator<Item = (ItemId, i64)> {
    (0..)
        .zip(*counts)
        .map(|(item, count)| (ItemId(item), count.into()))
}

fn good(item: ItemId) -> usize {
    usize::try_from(item.0).unwrap()
}

fn small(delta: i64) -> i8 {
    i8::try_from(delta).unwrap()
}

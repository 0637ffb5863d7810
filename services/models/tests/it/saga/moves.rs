//! Everything that can happen between the clients and the databases.

mod admission;
mod lanes;

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use models::{Few, Model, Quick};

use self::{admission::give_up, lanes::lose};
use super::{
    books::{Applied, Books},
    check,
    orders::{self, Folded, Sagas},
    shop::{Answer, Command, Defect, GOODS, Owners, REQUESTS, SAGAS, Service, Shop, Step},
    world::{BATCH_MAX, Bounds, Record, World},
};

/// The model.
pub(crate) struct Checkouts {
    shop: Shop,
    bounds: Bounds,
    defect: Option<Defect>,
    /// What the services' functions said: they are asked once for each different question.
    applied: Memo<(Service, Books, Owners, Few<Command, BATCH_MAX>), Applied>,
    folded: Memo<(Sagas, Few<Answer, BATCH_MAX>), Folded>,
    outstanding: Memo<(Sagas, u8), Option<Command>>,
}

type Memo<Question, Answer> = RefCell<HashMap<Question, Rc<Answer>, Quick>>;

/// What becomes of the records that a transaction is to publish once it is committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    /// So many reach Kafka, in their order.
    published: usize,
    then: Then,
}

/// What becomes of the others: the hold that was to publish them is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Lost,
    /// The next one was on its way.
    NextIsLate,
    /// The last that reached Kafka was not acknowledged, and was sent again.
    LastComesAgain,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    /// A client asks for a checkout, and it is admitted; the saga's command is on its way by itself, and may
    /// be lost. `quiet`: a joined saga was silent for so long that its command is published again.
    Send {
        request: usize,
        quiet: bool,
    },
    /// A participant applies a batch of commands, and commits.
    Work {
        service: Service,
        batch: usize,
        fate: Fate,
    },
    /// The order lane applies a batch of replies, and commits.
    Settle {
        batch: usize,
        fate: Fate,
    },
    /// Whoever takes over a participant's lane publishes an answer out of the inbox again.
    AnswerAgain {
        service: Service,
        saga: u8,
        step: usize,
    },
    /// A saga's command is published again: the order lane was taken over, or the saga was silent.
    Republish(u8),
    /// A record that was on its way reaches its lane.
    Arrive(usize),
    /// It never arrives.
    Lose(usize),
    /// The client hears how its saga ended.
    Answer(usize),
    /// The client, or the replica that holds its request, is gone.
    GiveUp(usize),
    Restock,
    TopUp,
    /// Planted defects.
    AnswerUncommitted(Service),
    AdmitUncommitted(usize),
    TellUncommitted(usize),
    TellByOrder(usize),
    ReadForStale,
    CommitStale,
}

impl Checkouts {
    pub(crate) fn new(shop: Shop, bounds: Bounds, defect: Option<Defect>) -> Self {
        Self {
            shop,
            bounds,
            defect,
            applied: Memo::default(),
            folded: Memo::default(),
            outstanding: Memo::default(),
        }
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    fn apply(
        &self,
        world: &World,
        service: Service,
        batch: Few<Command, BATCH_MAX>,
    ) -> Rc<Applied> {
        let (books, owners) = (world.counter(service).books, orders::owners(&world.sagas));
        let key = (service, books, owners, batch);
        remember(&self.applied, key, || {
            let commands: Vec<Command> = batch.iter().collect();
            books.apply(&self.shop, service, &owners, &commands, self.defect)
        })
    }

    fn fold(&self, world: &World, batch: Few<Answer, BATCH_MAX>) -> Rc<Folded> {
        remember(&self.folded, (world.sagas, batch), || {
            let answers: Vec<Answer> = batch.iter().collect();
            orders::fold(&self.shop, &world.sagas, &answers, self.defect)
        })
    }

    fn outstanding(&self, world: &World, saga: u8) -> Option<Command> {
        *remember(&self.outstanding, (world.sagas, saga), || {
            orders::outstanding(&self.shop, &world.sagas, saga)
        })
    }
}

fn remember<Q: std::hash::Hash + Eq, A>(
    memo: &Memo<Q, A>,
    question: Q,
    ask: impl FnOnce() -> A,
) -> Rc<A> {
    let mut known = memo.borrow_mut();
    Rc::clone(known.entry(question).or_insert_with(|| Rc::new(ask())))
}

fn sagas() -> impl Iterator<Item = u8> {
    (0..).take(SAGAS)
}

/// Every fate of up to `records` records.
fn fates(records: usize) -> impl Iterator<Item = Fate> {
    let thens = [Then::Lost, Then::NextIsLate, Then::LastComesAgain];
    let fate = move |published| thens.map(|then| Fate { published, then });
    (0..=records).flat_map(fate)
}

impl Checkouts {
    /// Publishes the records of a committed transaction, as far as their fate lets it; `None` where the fate is
    /// not one of so many records, or there is no room for it yet.
    fn publish(&self, world: &mut World, records: &[Record], fate: Fate) -> Option<()> {
        let sent = records.get(..fate.published)?;
        for record in sent {
            self.append(world, *record)?;
        }
        match fate.then {
            Then::Lost => Some(()),
            Then::NextIsLate => self.send_off(world, *records.get(fate.published)?),
            Then::LastComesAgain => self.send_off(world, *sent.last()?),
        }
    }

    /// Puts a record into its lane; `None` where that is full.
    fn append(&self, world: &mut World, record: Record) -> Option<()> {
        match record {
            Record::Command(command) => {
                let log = &mut world.counter_mut(command.step.service()).log;
                let has_room = log.len() < self.bounds.commands_max;
                *log = log.with(command).filter(|_| has_room)?;
            }
            Record::Answer(answer) => {
                let has_room = world.replies.len() < self.bounds.replies_max;
                world.replies = world.replies.with(answer).filter(|_| has_room)?;
            }
        }
        Some(())
    }

    /// Sends a record on its way, to arrive by itself or never; `None` where too many are.
    fn send_off(&self, world: &mut World, record: Record) -> Option<()> {
        let has_room = world.late.len() < self.bounds.late_max;
        world.late = world.late.with(record).filter(|_| has_room)?;
        Some(())
    }
}

impl Model for Checkouts {
    type State = World;
    type Action = Action;

    fn start(&self) -> World {
        World::new(&self.shop)
    }

    fn actions(&self, _world: &World, actions: &mut Vec<Action>) {
        for batch in 1..=BATCH_MAX {
            for fate in fates(batch) {
                actions.push(Action::Settle { batch, fate });
                actions.extend(Service::ALL.map(|service| Action::Work {
                    service,
                    batch,
                    fate,
                }));
            }
        }
        for place in 0..self.bounds.late_max {
            actions.extend([Action::Arrive(place), Action::Lose(place)]);
        }
        for saga in sagas() {
            actions.push(Action::Republish(saga));
            for (service, step) in Service::ALL.into_iter().flat_map(|s| [(s, 0), (s, 1)]) {
                actions.push(Action::AnswerAgain {
                    service,
                    saga,
                    step,
                });
            }
        }
        for request in 0..REQUESTS {
            for quiet in [false, true] {
                actions.push(Action::Send { request, quiet });
            }
            actions.extend([Action::Answer(request), Action::GiveUp(request)]);
        }
        actions.extend([Action::Restock, Action::TopUp]);
        match self.defect {
            Some(Defect::AnswerBeforeCommit) => {
                actions.extend(Service::ALL.map(Action::AnswerUncommitted));
            }
            Some(Defect::CommandBeforeCommit) => {
                actions.extend((0..REQUESTS).map(Action::AdmitUncommitted));
            }
            Some(Defect::PaidEarly) => {
                actions.extend((0..REQUESTS).map(Action::TellUncommitted));
            }
            Some(Defect::AnsweredByOrder) => {
                actions.extend((0..REQUESTS).map(Action::TellByOrder));
            }
            Some(Defect::StaleHolder) => {
                actions.extend([Action::ReadForStale, Action::CommitStale]);
            }
            _ => {}
        }
    }

    fn next(&self, world: &World, action: Action) -> Option<World> {
        match action {
            Action::Send { request, quiet } => self.send(*world, request, quiet),
            Action::Answer(request) => self.answer(*world, request),
            Action::GiveUp(request) => give_up(*world, request),
            Action::Work {
                service,
                batch,
                fate,
            } => self.work(*world, service, batch, fate),
            Action::Settle { batch, fate } => self.settle(*world, batch, fate),
            Action::AnswerAgain {
                service,
                saga,
                step,
            } => self.answer_again(*world, service, saga, step),
            Action::Republish(saga) => self.republish(*world, saga),
            Action::Arrive(place) => self.arrive(*world, place),
            Action::Lose(place) => lose(*world, place).map(|(world, _)| world),
            Action::Restock if world.restocked => None,
            Action::Restock => {
                let mut next = *world;
                next.restocked = true;
                supply(&mut next, Service::Stock, self.shop.restock);
                Some(next)
            }
            Action::TopUp if world.topped_up => None,
            Action::TopUp => {
                let mut next = *world;
                next.topped_up = true;
                supply(&mut next, Service::Payment, [self.shop.top_up, 0]);
                Some(next)
            }
            Action::AnswerUncommitted(service) => self.answer_uncommitted(*world, service),
            Action::AdmitUncommitted(request) => self.admit_uncommitted(*world, request),
            Action::TellUncommitted(request) => self.tell_uncommitted(*world, request),
            Action::TellByOrder(request) => self.tell_by_order(*world, request),
            Action::ReadForStale => self.read_for_stale(*world),
            Action::CommitStale => lanes::commit_stale(*world),
        }
    }

    fn broken(&self, world: &World) -> Option<String> {
        check::check(&self.shop, world).err()
    }

    fn is_over(&self, world: &World) -> bool {
        world.is_quiet()
    }
}

fn supply(world: &mut World, service: Service, more: [i8; GOODS]) {
    let left = &mut world.counter_mut(service).books.left;
    for (left, more) in left.iter_mut().zip(more) {
        *left += more;
    }
}

fn reserve(saga: u8) -> Record {
    Record::Command(Command {
        step: Step::Reserve,
        saga,
    })
}

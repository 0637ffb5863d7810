//! One participant alone, against commands in any order, alone or in pairs, as often as it may be: it need not
//! trust the orchestrator.

use models::Model;

use super::{
    books::Books,
    check,
    shop::{Command, Defect, Fact, GOODS, Owners, SAGAS, Service, Shop, Step},
};

/// Two sagas that compete: there is enough for one, and for both after a delivery.
const SHOP: Shop = super::shop::COMPETING;
const OWNERS: Owners = [0, 1];

pub(crate) struct Desk {
    service: Service,
    defect: Option<Defect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Counter {
    books: Books,
    supplied: bool,
    /// An answer that differs from an earlier one to the same command.
    contradicted: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    One(Command),
    Two(Command, Command),
    Supply,
}

impl Desk {
    pub(crate) fn new(service: Service, defect: Option<Defect>) -> Self {
        Self { service, defect }
    }

    fn commands(&self) -> Vec<Command> {
        let steps = match self.service {
            Service::Stock => [Step::Reserve, Step::Release],
            Service::Payment => [Step::Charge, Step::Refund],
        };
        let each = |step| (0_u8..2).map(move |saga| Command { step, saga });
        steps.into_iter().flat_map(each).collect()
    }

    fn initial(&self) -> [i8; GOODS] {
        match self.service {
            Service::Stock => SHOP.stock,
            Service::Payment => [SHOP.credit, 0],
        }
    }

    fn more(&self) -> [i8; GOODS] {
        match self.service {
            Service::Stock => SHOP.restock,
            Service::Payment => [SHOP.top_up, 0],
        }
    }

    fn apply(&self, counter: &Counter, commands: &[Command]) -> Counter {
        let books = counter.books;
        let applied = books.apply(&SHOP, self.service, &OWNERS, commands, self.defect);
        let contradicts = commands
            .iter()
            .zip(&applied.answers)
            .any(|(command, answer)| {
                let known = applied.books.answered[usize::from(command.saga)];
                known[usize::from(command.step.is_compensation())] != Some(*answer)
            });
        Counter {
            books: applied.books,
            contradicted: counter.contradicted || contradicts,
            ..*counter
        }
    }
}

impl Model for Desk {
    type State = Counter;
    type Action = Action;

    fn start(&self) -> Counter {
        Counter {
            books: Books::new(self.initial()),
            supplied: false,
            contradicted: false,
        }
    }

    fn actions(&self, _counter: &Counter, actions: &mut Vec<Action>) {
        for first in self.commands() {
            actions.push(Action::One(first));
            let seconds = self.commands().into_iter();
            actions.extend(seconds.map(|second| Action::Two(first, second)));
        }
        actions.push(Action::Supply);
    }

    fn next(&self, counter: &Counter, action: Action) -> Option<Counter> {
        match action {
            Action::One(command) => Some(self.apply(counter, &[command])),
            Action::Two(first, second) => Some(self.apply(counter, &[first, second])),
            Action::Supply if counter.supplied => None,
            Action::Supply => {
                let mut next = *counter;
                next.supplied = true;
                for (left, more) in next.books.left.iter_mut().zip(self.more()) {
                    *left += more;
                }
                Some(next)
            }
        }
    }

    fn broken(&self, counter: &Counter) -> Option<String> {
        self.check(counter).err()
    }

    fn is_over(&self, _counter: &Counter) -> bool {
        true
    }
}

impl Desk {
    fn check(&self, counter: &Counter) -> Result<(), String> {
        if counter.contradicted {
            return Err("two answers to one command".into());
        }
        let mut supplied = self.initial();
        if counter.supplied {
            for (left, more) in supplied.iter_mut().zip(self.more()) {
                *left += more;
            }
        }
        for saga in 0..SAGAS {
            let wanted = SHOP.wanted(self.service, &OWNERS, u8::try_from(saga).unwrap());
            let taken = counter.books.taken[saga];
            let [step, compensation] = counter.books.answered[saga].map(|a| a.map(|a| a.fact));
            let holds = matches!(step, Some(Fact::Reserved | Fact::Charged));
            let expected = if holds && compensation.is_none() {
                wanted
            } else {
                [0; GOODS]
            };
            if taken != expected {
                return Err(format!(
                    "{taken:?} is taken after {step:?} and {compensation:?}"
                ));
            }
        }
        check::balance(&counter.books, supplied)
    }
}

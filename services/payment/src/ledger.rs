//! What a batch of commands does to the accounts: pure, in the order of the commands.

use std::collections::{BTreeMap, HashMap};

use planted::Bug;
use protocol::{
    Credits, OrderId, SagaId, UserId,
    saga::{Event, PaymentCommand, PaymentStep, Refusal, RefusalCode, Reply},
};
use service_core::inbox::{Answered, Asked, Given};

pub const CHARGE: &str = "charge";
pub const REFUND: &str = "refund";

/// What is known before the batch.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    /// The credit of every user that the batch may touch; one that is missing does not exist.
    pub credit: BTreeMap<UserId, i64>,
    /// Replies given earlier, by saga and step.
    pub answered: HashMap<(SagaId, &'static str), Given>,
    /// What each saga that may be refunded has been charged.
    pub charged: HashMap<SagaId, (UserId, Credits)>,
}

/// One row of the effect ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    pub saga_id: SagaId,
    pub order_id: OrderId,
    pub user_id: UserId,
    pub delta: i64,
}

/// What the batch does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// The change of each user's credit; none is zero.
    pub deltas: BTreeMap<UserId, i64>,
    pub movements: Vec<Movement>,
    pub answered: Vec<Answered>,
    /// One for each command that is no poison, in their order.
    pub replies: Vec<Reply>,
    /// Commands that differ from the one that was answered for their saga's step: they are not answered.
    pub poison: Vec<(SagaId, &'static str)>,
}

/// Applies the commands, each with its offset in the lane, one after the other.
#[must_use]
pub fn apply(accounts: Accounts, commands: &[(i64, PaymentCommand)]) -> Effects {
    let mut batch = Batch {
        accounts,
        effects: Effects::default(),
    };
    for (offset, command) in commands {
        batch.command(*offset, command);
    }
    batch.effects.deltas.retain(|_, delta| *delta != 0);
    batch.effects
}

struct Batch {
    accounts: Accounts,
    effects: Effects,
}

impl Batch {
    fn command(&mut self, offset: i64, command: &PaymentCommand) {
        let order = command.order_id.0;
        let (step, asked) = match command.step {
            PaymentStep::Charge { user_id, amount } => {
                (CHARGE, Asked::of([order, user_id.0, amount.0]))
            }
            PaymentStep::Refund => (REFUND, Asked::of([order])),
        };
        let asked = Some(asked);
        let answered = self.accounts.answered.get(&(command.saga_id, step));
        let reply = match answered.filter(|_| !planted::is(Bug::SkipPaymentDedup)) {
            Some(given) if given.is_to(asked) => given.reply.clone(),
            Some(_) => {
                self.effects.poison.push((command.saga_id, step));
                return;
            }
            None => {
                let event = match command.step {
                    PaymentStep::Charge { user_id, amount } => {
                        self.charge(command, user_id, amount)
                    }
                    PaymentStep::Refund => self.refund(offset, command),
                };
                self.answer(offset, command, (step, asked), event)
            }
        };
        self.effects.replies.push(reply);
    }

    fn charge(&mut self, command: &PaymentCommand, user_id: UserId, amount: Credits) -> Event {
        let refused = |code, message| Event::ChargeRefused {
            refusal: Refusal { code, message },
        };
        if amount.0 < 0 {
            let message = "The amount to pay is negative".into();
            return refused(RefusalCode::BadRequest, message);
        }
        match self.accounts.credit.get(&user_id) {
            None => refused(RefusalCode::NotFound, format!("User: {user_id} not found!")),
            Some(credit) if *credit < amount.0 && !planted::is(Bug::Overspend) => {
                if planted::is(Bug::CompensateNothing) {
                    self.shift(command, user_id, amount.0);
                }
                refused(RefusalCode::OutOfCredit, "User out of credit".into())
            }
            Some(_) => {
                self.shift(command, user_id, -amount.0);
                self.accounts
                    .charged
                    .insert(command.saga_id, (user_id, amount));
                Event::Charged
            }
        }
    }

    /// Gives back what the saga was charged. A charge that never ran is answered here and now, so that it
    /// never will.
    fn refund(&mut self, offset: i64, command: &PaymentCommand) -> Event {
        if !self
            .accounts
            .answered
            .contains_key(&(command.saga_id, CHARGE))
        {
            let refusal = Refusal {
                code: RefusalCode::Barred,
                message: "The payment was refunded before it was made".into(),
            };
            let event = Event::ChargeRefused { refusal };
            // It has not come, so nobody knows what it will ask for.
            self.answer(offset, command, (CHARGE, None), event);
        }
        if let Some((user_id, amount)) = self.accounts.charged.remove(&command.saga_id) {
            self.shift(command, user_id, amount.0);
        }
        Event::Refunded
    }

    /// Moves credit and writes it into the ledger; a charge of nothing leaves no trace.
    fn shift(&mut self, command: &PaymentCommand, user_id: UserId, delta: i64) {
        if delta == 0 {
            return;
        }
        *self.accounts.credit.entry(user_id).or_default() += delta;
        *self.effects.deltas.entry(user_id).or_default() += delta;
        self.effects.movements.push(Movement {
            saga_id: command.saga_id,
            order_id: command.order_id,
            user_id,
            delta,
        });
    }

    fn answer(
        &mut self,
        offset: i64,
        command: &PaymentCommand,
        (step, asked): (&'static str, Option<Asked>),
        event: Event,
    ) -> Reply {
        let reply = Reply {
            saga_id: command.saga_id,
            order_id: command.order_id,
            event,
        };
        let answered = &mut self.accounts.answered;
        let given = Given {
            asked,
            reply: reply.clone(),
        };
        let before = answered.insert((command.saga_id, step), given);
        // Only a planted bug answers what was answered before.
        if before.is_none() {
            self.effects.answered.push(Answered {
                saga_id: command.saga_id.0,
                step,
                asked,
                reply: reply.clone(),
                lane_offset: offset,
            });
        }
        reply
    }
}

#[cfg(test)]
mod tests;

//! What a batch of commands does to the stock: pure, in the order of the commands.

use std::collections::{BTreeMap, HashMap};

use planted::Bug;
use protocol::{
    ItemId, OrderId, SagaId,
    saga::{Event, Line, Refusal, RefusalCode, Reply, StockCommand, StockStep},
};
use service_core::inbox::{Answered, Asked, Given};

pub const RESERVE: &str = "reserve";
pub const RELEASE: &str = "release";

/// What is known before the batch.
#[derive(Debug, Clone, Default)]
pub struct Shelves {
    /// Pieces in stock of every item that the batch may touch; an item that is missing does not exist.
    pub stock: BTreeMap<ItemId, i64>,
    /// Replies given earlier, by saga and step.
    pub answered: HashMap<(SagaId, &'static str), Given>,
    /// What each saga that may be released holds.
    pub held: HashMap<SagaId, Vec<Line>>,
}

/// One row of the effect ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    pub saga_id: SagaId,
    pub order_id: OrderId,
    pub item_id: ItemId,
    pub delta: i64,
}

/// What the batch does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// The change of each item's stock; none is zero.
    pub deltas: BTreeMap<ItemId, i64>,
    pub movements: Vec<Movement>,
    pub answered: Vec<Answered>,
    /// One for each command that is no poison, in their order.
    pub replies: Vec<Reply>,
    /// Commands that differ from the one that was answered for their saga's step: they are not answered.
    pub poison: Vec<(SagaId, &'static str)>,
}

/// Applies the commands, each with its offset in the lane, one after the other.
#[must_use]
pub fn apply(shelves: Shelves, commands: &[(i64, StockCommand)]) -> Effects {
    let mut batch = Batch {
        shelves,
        effects: Effects::default(),
    };
    for (offset, command) in commands {
        batch.command(*offset, command);
    }
    batch.effects.deltas.retain(|_, delta| *delta != 0);
    batch.effects
}

/// The step that a command is answered for, and what it asks for.
fn asked(command: &StockCommand) -> (&'static str, Option<Asked>) {
    let order = command.order_id.0;
    match &command.step {
        StockStep::Reserve { lines } => {
            let lines = lines
                .iter()
                .flat_map(|line| [line.item_id.0, line.quantity.0]);
            (RESERVE, Some(Asked::of([order].into_iter().chain(lines))))
        }
        // It stands for a reservation that it does not tell.
        StockStep::Decline { .. } => (RESERVE, None),
        StockStep::Release => (RELEASE, Some(Asked::of([order]))),
    }
}

struct Batch {
    shelves: Shelves,
    effects: Effects,
}

impl Batch {
    fn command(&mut self, offset: i64, command: &StockCommand) {
        let (step, asked) = asked(command);
        let answered = self.shelves.answered.get(&(command.saga_id, step));
        let reply = match answered.filter(|_| !planted::is(Bug::SkipStockDedup)) {
            Some(given) if given.is_to(asked) => given.reply.clone(),
            Some(_) => {
                self.effects.poison.push((command.saga_id, step));
                return;
            }
            None => {
                let event = match &command.step {
                    StockStep::Reserve { lines } => self.reserve(command, lines),
                    StockStep::Decline { refusal } => Event::ReserveRefused {
                        refusal: refusal.clone(),
                    },
                    StockStep::Release => self.release(offset, command),
                };
                self.answer(offset, command, (step, asked), event)
            }
        };
        self.effects.replies.push(reply);
    }

    /// All lines or none.
    fn reserve(&mut self, command: &StockCommand, lines: &[Line]) -> Event {
        let mut taken: Vec<Line> = Vec::with_capacity(lines.len());
        for line in lines {
            if let Err(refusal) = self.take(line) {
                for line in &taken {
                    self.shift(line.item_id, line.quantity.0);
                }
                return Event::ReserveRefused { refusal };
            }
            taken.push(*line);
        }
        for line in &taken {
            self.record(command, line.item_id, -line.quantity.0);
        }
        self.shelves.held.insert(command.saga_id, taken);
        Event::Reserved
    }

    fn take(&mut self, line: &Line) -> Result<(), Refusal> {
        let Line { item_id, quantity } = *line;
        if quantity.0 <= 0 {
            return Err(Refusal {
                code: RefusalCode::BadRequest,
                message: format!("Quantity of item: {item_id} is not positive"),
            });
        }
        match self.shelves.stock.get(&item_id) {
            None => Err(Refusal {
                code: RefusalCode::NotFound,
                message: format!("Item: {item_id} not found!"),
            }),
            Some(stock) if *stock < quantity.0 => Err(Refusal {
                code: RefusalCode::OutOfStock,
                message: format!("Out of stock on item_id: {item_id}"),
            }),
            Some(_) => {
                self.shift(item_id, -quantity.0);
                Ok(())
            }
        }
    }

    /// Gives back what the saga holds. A reservation that never ran is answered here and now, so that it
    /// never will.
    fn release(&mut self, offset: i64, command: &StockCommand) -> Event {
        if !self
            .shelves
            .answered
            .contains_key(&(command.saga_id, RESERVE))
        {
            let refusal = Refusal {
                code: RefusalCode::Barred,
                message: "The reservation was released before it was made".into(),
            };
            let event = Event::ReserveRefused { refusal };
            // It has not come, so nobody knows what it will ask for.
            self.answer(offset, command, (RESERVE, None), event);
        }
        for line in self
            .shelves
            .held
            .remove(&command.saga_id)
            .unwrap_or_default()
        {
            let times = if planted::is(Bug::CompensateTwice) {
                2
            } else {
                1
            };
            for _ in 0..times {
                self.shift(line.item_id, line.quantity.0);
                self.record(command, line.item_id, line.quantity.0);
            }
        }
        Event::Released
    }

    fn shift(&mut self, item_id: ItemId, delta: i64) {
        *self.shelves.stock.entry(item_id).or_default() += delta;
        *self.effects.deltas.entry(item_id).or_default() += delta;
    }

    fn record(&mut self, command: &StockCommand, item_id: ItemId, delta: i64) {
        self.effects.movements.push(Movement {
            saga_id: command.saga_id,
            order_id: command.order_id,
            item_id,
            delta,
        });
    }

    fn answer(
        &mut self,
        offset: i64,
        command: &StockCommand,
        (step, asked): (&'static str, Option<Asked>),
        event: Event,
    ) -> Reply {
        let reply = Reply {
            saga_id: command.saga_id,
            order_id: command.order_id,
            event,
        };
        let answered = &mut self.shelves.answered;
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

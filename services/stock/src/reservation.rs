//! What a batch of commands does to the stock: pure, in the order of the commands.

use std::collections::{BTreeMap, HashMap};

use planted::Bug;
use protocol::{
    ItemId, OrderId, SagaId,
    saga::{Event, Line, Refusal, RefusalCode, Reply, StockCommand, StockStep},
};
use service_core::inbox::Answered;

pub const RESERVE: &str = "reserve";
pub const RELEASE: &str = "release";

/// What is known before the batch.
#[derive(Debug, Clone, Default)]
pub struct Shelves {
    /// Pieces in stock of every item that the batch may touch; an item that is missing does not exist.
    pub stock: BTreeMap<ItemId, i64>,
    /// Replies given earlier, by saga and step.
    pub answered: HashMap<(SagaId, &'static str), Reply>,
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
    /// One for each command, in their order.
    pub replies: Vec<Reply>,
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

struct Batch {
    shelves: Shelves,
    effects: Effects,
}

impl Batch {
    fn command(&mut self, offset: i64, command: &StockCommand) {
        let step = match command.step {
            StockStep::Reserve { .. } => RESERVE,
            StockStep::Release => RELEASE,
        };
        let answered = self.shelves.answered.get(&(command.saga_id, step));
        let reply = match answered.filter(|_| !planted::is(Bug::SkipStockDedup)) {
            Some(reply) => reply.clone(),
            None => {
                let event = match &command.step {
                    StockStep::Reserve { lines } => self.reserve(command, lines),
                    StockStep::Release => self.release(offset, command),
                };
                self.answer(offset, command, step, event)
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
            self.answer(offset, command, RESERVE, Event::ReserveRefused { refusal });
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
        step: &'static str,
        event: Event,
    ) -> Reply {
        let reply = Reply {
            saga_id: command.saga_id,
            order_id: command.order_id,
            event,
        };
        let answered = &mut self.shelves.answered;
        let before = answered.insert((command.saga_id, step), reply.clone());
        // Only a planted bug answers what was answered before.
        if before.is_none() {
            self.effects.answered.push(Answered {
                saga_id: command.saga_id.0,
                step,
                reply: reply.clone(),
                lane_offset: offset,
            });
        }
        reply
    }
}

#[cfg(test)]
mod tests;

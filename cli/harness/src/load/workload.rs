//! The next operation, drawn from a seed and from what earlier ones were answered.
//!
//! The same seed and the same answers, each between the same two operations, give the same operations in the same order.
//! Every operation has a generator of its own, so the answers change whom an operation is about (which cart, which of the
//! created ids), and never what any other operation draws: the n-th is of the same kind in every run of a seed. The two
//! exceptions are told at [`Workload::next_op`].

mod carts;
mod created;

use checker::{
    history::{Op, Value},
    outcome::Class,
};
use protocol::{Credits, ItemId, OrderId, Quantity, UserId};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use self::{carts::Carts, created::Created};
use super::{data::Sizes, exchange::Exchange, mix::Action, mix::Mix};

/// The most that one operation adds or withdraws.
const AMOUNT_MAX: i64 = 10;
/// The most that one line of a cart asks for.
const QUANTITY_MAX: i64 = 3;
/// The highest price of an item that is created.
const PRICE_MAX: i64 = 10;
/// One line in so many asks for the item of its cart's line before.
const SAME_ITEM_ONE_IN: u32 = 8;

/// Chooses operations. Every checkout takes an order that none has taken before.
#[derive(Debug)]
pub struct Workload {
    random: StdRng,
    mix: Mix,
    sizes: Sizes,
    next_order: i64,
    carts: Carts,
    orders: Created,
    users: Created,
    items: Created,
    /// Comes next, whatever the mix says.
    forced: Option<Op>,
}

/// What came of an operation, as far as later ones depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    op: Op,
    class: Class,
    value: Option<Value>,
}

impl Answer {
    /// What the workload has to hear of an exchange; `None` where nothing depends on it.
    #[must_use]
    pub fn of(op: Op, exchange: &Exchange) -> Option<Self> {
        match op {
            Op::Checkout { .. }
            | Op::AddItem { .. }
            | Op::CreateOrder { .. }
            | Op::CreateItem { .. }
            | Op::CreateUser => Some(Self {
                op,
                class: exchange.class,
                value: exchange.value,
            }),
            Op::FindOrder { .. }
            | Op::FindItem { .. }
            | Op::FindUser { .. }
            | Op::AddFunds { .. }
            | Op::Pay { .. }
            | Op::AddStock { .. }
            | Op::SubtractStock { .. } => None,
        }
    }
}

/// How often a created id is taken where a prepared one would do: once in so many.
#[derive(Debug, Clone, Copy)]
enum Fresh {
    /// Where it decides whether a cart can be paid: most must be.
    Seldom,
    Often,
    /// Where it gets what it lacks.
    Mostly,
}

impl Fresh {
    fn one_in(self) -> u32 {
        match self {
            Self::Seldom => 16,
            Self::Often => 4,
            Self::Mostly => 2,
        }
    }
}

impl Workload {
    /// Starts at the first order.
    #[must_use]
    pub fn new(seed: u64, mix: Mix, sizes: Sizes) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            mix,
            sizes,
            next_order: 0,
            carts: Carts::new(seed),
            orders: Created::default(),
            users: Created::default(),
            items: Created::default(),
            forced: None,
        }
    }

    /// The next operation.
    ///
    /// A checkout takes a cart that is ready, else the next prepared order, and becomes a read where there is none left. An
    /// `add_item` becomes a `create_order` where no cart wants a line. The operation after the checkout of a cart is, for a
    /// few carts, one more line for it, whatever the mix says: both are under way at once.
    pub fn next_op(&mut self) -> Op {
        // Drawn in any case, so that what is forced moves nobody else's draws.
        let mut dice = StdRng::seed_from_u64(self.random.next_u64());
        if let Some(op) = self.forced.take() {
            return op;
        }
        match self.mix.at(dice.random_range(0..100)) {
            Action::Checkout => self.checkout(&mut dice),
            Action::CreateOrder => self.create_order(&mut dice),
            Action::AddItem => match self.carts.wanting() {
                Some(order) => self.add_item(&mut dice, order),
                None => self.create_order(&mut dice),
            },
            Action::FindOrder => self.find_order(&mut dice),
            Action::FindItem => Op::FindItem {
                item: self.item(&mut dice, Fresh::Often),
            },
            Action::FindUser => Op::FindUser {
                user: self.user(&mut dice, Fresh::Often),
            },
            Action::AddFunds => Op::AddFunds {
                user: self.user(&mut dice, Fresh::Mostly),
                amount: Credits(dice.random_range(1..=AMOUNT_MAX)),
            },
            Action::AddStock => Op::AddStock {
                item: self.item(&mut dice, Fresh::Mostly),
                amount: Quantity(dice.random_range(1..=AMOUNT_MAX)),
            },
            Action::Pay => Op::Pay {
                user: self.user(&mut dice, Fresh::Often),
                amount: Credits(dice.random_range(1..=AMOUNT_MAX)),
            },
            Action::SubtractStock => Op::SubtractStock {
                item: self.item(&mut dice, Fresh::Often),
                amount: Quantity(dice.random_range(1..=AMOUNT_MAX)),
            },
            Action::CreateUser => Op::CreateUser,
            Action::CreateItem => Op::CreateItem {
                price: Credits(dice.random_range(1..=PRICE_MAX)),
            },
        }
    }

    /// Takes note of what an operation came to. Nobody uses what was created by an operation of unknown outcome.
    pub fn answered(&mut self, answer: Answer) {
        let Answer { op, class, value } = answer;
        match (op, value) {
            (Op::CreateOrder { .. }, Some(Value::Created(id))) => {
                self.orders.push(id);
                self.carts.open(OrderId(id));
            }
            (Op::CreateItem { .. }, Some(Value::Created(id))) => self.items.push(id),
            (Op::CreateUser, Some(Value::Created(id))) => self.users.push(id),
            (Op::AddItem { order, .. }, _) => self.carts.added(order, class),
            (Op::Checkout { order }, _) => self.carts.checked_out(order, class),
            _ => {}
        }
    }

    fn checkout(&mut self, dice: &mut StdRng) -> Op {
        if let Some(ready) = self.carts.take_ready() {
            if ready.races {
                self.forced = Some(self.line(dice, ready.order));
            }
            return Op::Checkout { order: ready.order };
        }
        if self.next_order < self.sizes.orders {
            let order = OrderId(self.next_order);
            self.next_order += 1;
            return Op::Checkout { order };
        }
        self.find_order(dice)
    }

    fn create_order(&self, dice: &mut StdRng) -> Op {
        Op::CreateOrder {
            user: self.user(dice, Fresh::Seldom),
        }
    }

    /// The next line of a cart, of which the cart takes note.
    fn add_item(&mut self, dice: &mut StdRng, order: OrderId) -> Op {
        let op = self.line(dice, order);
        if let Op::AddItem { item, .. } = op {
            self.carts.sent(order, item);
        }
        op
    }

    fn line(&self, dice: &mut StdRng, order: OrderId) -> Op {
        let again = dice.random_ratio(1, SAME_ITEM_ONE_IN);
        let item = self.item(dice, Fresh::Seldom);
        let before = self.carts.last_item(order).filter(|_| again);
        Op::AddItem {
            order,
            item: before.unwrap_or(item),
            quantity: Quantity(dice.random_range(1..=QUANTITY_MAX)),
        }
    }

    fn user(&self, dice: &mut StdRng, fresh: Fresh) -> UserId {
        UserId(pick(dice, fresh, &self.users, self.sizes.users))
    }

    fn item(&self, dice: &mut StdRng, fresh: Fresh) -> ItemId {
        ItemId(pick(dice, fresh, &self.items, self.sizes.items))
    }

    /// One of the orders that a checkout has taken, or one that was created: only those can change.
    fn find_order(&self, dice: &mut StdRng) -> Op {
        let taken = self.next_order.max(1);
        let order = OrderId(pick(dice, Fresh::Often, &self.orders, taken));
        Op::FindOrder { order }
    }
}

/// One of the `prepared` ids 0 and up, or a created one. Always draws the same number of times.
fn pick(dice: &mut StdRng, fresh: Fresh, created: &Created, prepared: i64) -> i64 {
    let is_fresh = dice.random_ratio(1, fresh.one_in());
    let id = dice.random_range(0..prepared);
    let which = dice.next_u64();
    created.at(which).filter(|_| is_fresh).unwrap_or(id)
}

#[cfg(test)]
mod tests;

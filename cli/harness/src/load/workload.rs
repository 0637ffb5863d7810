//! The next operation. The same seed and data give the same operations in the same order.

use checker::history::Op;
use protocol::{Credits, ItemId, OrderId, Quantity, UserId};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{data::Sizes, mix::Action, mix::Mix};

/// The most that one operation adds.
const ADDED_MAX: i64 = 10;

/// Chooses operations. Every checkout takes an order that none has taken before.
#[derive(Debug)]
pub struct Workload {
    random: StdRng,
    mix: Mix,
    sizes: Sizes,
    next_order: i64,
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
        }
    }

    /// The next operation. Where the orders are used up, a checkout becomes a read.
    pub fn next_op(&mut self) -> Op {
        match self.mix.at(self.random.random_range(0..100)) {
            Action::Checkout if self.next_order < self.sizes.orders => {
                let order = OrderId(self.next_order);
                self.next_order += 1;
                Op::Checkout { order }
            }
            Action::Checkout | Action::FindOrder => self.find_order(),
            Action::FindItem => Op::FindItem { item: self.item() },
            Action::FindUser => Op::FindUser { user: self.user() },
            Action::AddFunds => Op::AddFunds {
                user: self.user(),
                amount: Credits(self.random.random_range(1..=ADDED_MAX)),
            },
            Action::AddStock => Op::AddStock {
                item: self.item(),
                amount: Quantity(self.random.random_range(1..=ADDED_MAX)),
            },
        }
    }

    fn user(&mut self) -> UserId {
        UserId(self.random.random_range(0..self.sizes.users))
    }

    fn item(&mut self) -> ItemId {
        ItemId(self.random.random_range(0..self.sizes.items))
    }

    /// One of the orders that a checkout has taken: only those can change.
    fn find_order(&mut self) -> Op {
        let order = OrderId(self.random.random_range(0..self.next_order.max(1)));
        Op::FindOrder { order }
    }

    /// Whether a checkout is still left.
    #[must_use]
    pub fn has_orders(&self) -> bool {
        self.next_order < self.sizes.orders
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const SIZES: Sizes = Sizes {
        orders: 500,
        users: 10,
        items: 10,
    };

    #[test]
    fn the_same_seed_gives_the_same_operations() {
        let ops = |seed| {
            let mut workload = Workload::new(seed, Mix::default(), SIZES);
            (0..300).map(|_| workload.next_op()).collect::<Vec<_>>()
        };
        assert_eq!(ops(7), ops(7));
        assert_ne!(ops(7), ops(8));
    }

    #[test]
    fn every_checkout_takes_a_new_order_until_there_are_none() {
        let mut workload = Workload::new(1, Mix::default(), SIZES);
        let mut seen = HashSet::new();
        for _ in 0..2000 {
            if let Op::Checkout { order } = workload.next_op() {
                assert!(seen.insert(order), "{order} twice");
            }
        }
        assert_eq!(seen.len(), 500);
        assert!(!workload.has_orders());
    }
}

//! The carts of a run: orders that it created itself, from their first line to what follows their checkout.
//!
//! ```text
//! created ──▶ wanting ──line sent──▶ … ──last line answered──▶ ready ──checkout sent──▶ gone
//!                                                                                └─ok─▶ late: one more line, to be refused
//! ```

use std::collections::{HashMap, VecDeque};

use checker::outcome::Class;
use protocol::{ItemId, OrderId};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Where there are more, the oldest is left as it is and never checked out.
const OPEN_MAX: usize = 1024;
const LINES_MAX: u32 = 4;
/// Of a hundred carts, so many get a line at the same time as their checkout, and so many one after it.
const RACING_PERCENT: u32 = 4;
const LATE_PERCENT: u32 = 4;
const LATE_END: u32 = RACING_PERCENT + LATE_PERCENT;

/// What follows the last line of a cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Checkout,
    /// Another line leaves right after the checkout: whether it is in the order is the shop's to say.
    RacingLine,
    /// Another line leaves when the checkout was acknowledged: the shop must refuse it.
    LateLine,
}

#[derive(Debug)]
struct Cart {
    /// Lines that are still to be sent.
    unsent: u32,
    /// Lines that were sent and have no answer yet.
    under_way: u32,
    /// Whether the shop has acknowledged a line: nobody checks an empty cart out.
    filled: bool,
    last_item: Option<ItemId>,
    ending: Ending,
}

/// A cart to check out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) order: OrderId,
    /// Whether another line is to leave right after the checkout.
    pub(super) races: bool,
}

/// The open carts, and each queue: at most [`OPEN_MAX`].
#[derive(Debug)]
pub(super) struct Carts {
    seed: u64,
    open: HashMap<OrderId, Cart>,
    /// By age.
    opened: VecDeque<OrderId>,
    wanting: VecDeque<OrderId>,
    ready: VecDeque<OrderId>,
    /// Checked out with success, and due a line that must be refused.
    late: VecDeque<OrderId>,
}

impl Carts {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            open: HashMap::new(),
            opened: VecDeque::new(),
            wanting: VecDeque::new(),
            ready: VecDeque::new(),
            late: VecDeque::new(),
        }
    }

    /// An order was created. What becomes of it is drawn from the seed and its id: an answer moves nobody else's draws.
    pub(super) fn open(&mut self, order: OrderId) {
        while self.opened.len() >= OPEN_MAX {
            if let Some(oldest) = self.opened.front().copied() {
                self.close(oldest);
            }
        }
        let mut dice = StdRng::seed_from_u64(self.seed ^ order.0.cast_unsigned().rotate_left(32));
        let cart = Cart {
            unsent: dice.random_range(1..=LINES_MAX),
            under_way: 0,
            filled: false,
            last_item: None,
            ending: match dice.random_range(0..100) {
                0..RACING_PERCENT => Ending::RacingLine,
                RACING_PERCENT..LATE_END => Ending::LateLine,
                _ => Ending::Checkout,
            },
        };
        // A shop that gives an id twice gets no second cart: the checker tells of it.
        if self.open.insert(order, cart).is_none() {
            self.opened.push_back(order);
            self.wanting.push_back(order);
        }
    }

    /// The order whose turn it is to get a line.
    pub(super) fn wanting(&mut self) -> Option<OrderId> {
        let late = self.late.pop_front();
        late.or_else(|| self.wanting.pop_front())
    }

    pub(super) fn last_item(&self, order: OrderId) -> Option<ItemId> {
        self.open.get(&order).and_then(|cart| cart.last_item)
    }

    /// A line of a cart that [`Carts::wanting`] gave leaves.
    pub(super) fn sent(&mut self, order: OrderId, item: ItemId) {
        let Some(cart) = self.open.get_mut(&order) else {
            // Late for one that is gone.
            return;
        };
        cart.last_item = Some(item);
        cart.under_way += 1;
        cart.unsent = cart.unsent.saturating_sub(1);
        if cart.unsent > 0 {
            self.wanting.push_back(order);
        }
    }

    /// A line has its answer. One of unknown outcome is as good as any other: the cart goes on without it.
    pub(super) fn added(&mut self, order: OrderId, class: Class) {
        let Some(cart) = self.open.get_mut(&order) else {
            return;
        };
        cart.under_way = cart.under_way.saturating_sub(1);
        cart.filled |= class == Class::Ok;
        if cart.unsent > 0 || cart.under_way > 0 {
            return;
        }
        if cart.filled {
            self.ready.push_back(order);
        } else {
            self.close(order);
        }
    }

    /// A cart that has all its lines.
    pub(super) fn take_ready(&mut self) -> Option<Ready> {
        let order = self.ready.pop_front()?;
        let ending = self.open.get(&order).map(|cart| cart.ending);
        if ending != Some(Ending::LateLine) {
            self.close(order);
        }
        Some(Ready {
            order,
            races: ending == Some(Ending::RacingLine),
        })
    }

    /// A checkout of any order has its answer.
    pub(super) fn checked_out(&mut self, order: OrderId, class: Class) {
        if self.open.contains_key(&order) {
            self.close(order);
            if class == Class::Ok && self.late.len() < OPEN_MAX {
                self.late.push_back(order);
            }
        }
    }

    fn close(&mut self, order: OrderId) {
        if self.open.remove(&order).is_some() {
            for queue in [&mut self.opened, &mut self.wanting, &mut self.ready] {
                queue.retain(|other| *other != order);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: ItemId = ItemId(3);

    /// Sends every line of the only cart and answers each with `class`; gives how many there were.
    fn fill(carts: &mut Carts, class: Class) -> u32 {
        let mut lines = 0;
        while let Some(order) = carts.wanting() {
            carts.sent(order, ITEM);
            carts.added(order, class);
            lines += 1;
        }
        lines
    }

    #[test]
    fn a_cart_is_ready_when_its_last_line_is_answered() {
        let mut carts = Carts::new(1);
        for id in 0..100 {
            let order = OrderId(id);
            carts.open(order);
            let mut sent = 0;
            while let Some(order) = carts.wanting() {
                carts.sent(order, ITEM);
                sent += 1;
            }
            assert!((1..=LINES_MAX).contains(&sent));
            for _ in 0..sent {
                assert_eq!(carts.take_ready(), None);
                carts.added(order, Class::Ok);
            }
            assert_eq!(carts.take_ready().map(|ready| ready.order), Some(order));
            assert_eq!(carts.take_ready(), None);
            carts.checked_out(order, Class::Fail);
        }
        assert!(carts.open.is_empty() && carts.opened.is_empty());
    }

    #[test]
    fn a_line_of_unknown_outcome_does_not_hold_up_its_cart() {
        let mut carts = Carts::new(1);
        // The first cart of this seed with more than one line.
        let order = OrderId((0..).find(|id| lines(1, *id) > 1).unwrap());
        carts.open(order);
        carts.sent(order, ITEM);
        carts.added(order, Class::Ok);
        fill(&mut carts, Class::Info);
        assert_eq!(carts.take_ready().map(|ready| ready.order), Some(order));
    }

    fn lines(seed: u64, id: i64) -> u32 {
        let mut carts = Carts::new(seed);
        carts.open(OrderId(id));
        carts.open[&OrderId(id)].unsent
    }

    #[test]
    fn a_cart_without_an_acknowledged_line_is_left_alone() {
        for class in [Class::Fail, Class::Info] {
            let mut carts = Carts::new(1);
            carts.open(OrderId(7));
            assert!(fill(&mut carts, class) > 0);
            assert_eq!(carts.take_ready(), None);
            assert!(carts.open.is_empty());
        }
    }

    #[test]
    fn a_few_carts_get_a_line_beside_their_checkout_and_a_few_get_one_after_it() {
        let mut carts = Carts::new(1);
        let (mut racing, mut late) = (0, 0);
        for id in 0..1000 {
            carts.open(OrderId(id));
            fill(&mut carts, Class::Ok);
            let ready = carts.take_ready().unwrap();
            racing += u32::from(ready.races);
            carts.checked_out(ready.order, Class::Ok);
            late += u32::from(carts.late.pop_front() == Some(ready.order));
        }
        assert!((20..70).contains(&racing), "{racing}");
        assert!((20..70).contains(&late), "{late}");
    }

    #[test]
    fn only_an_acknowledged_checkout_is_followed_by_a_late_line() {
        for class in [Class::Fail, Class::Info] {
            let mut carts = Carts::new(1);
            for id in 0..300 {
                carts.open(OrderId(id));
                fill(&mut carts, Class::Ok);
                let ready = carts.take_ready().unwrap();
                carts.checked_out(ready.order, class);
            }
            assert_eq!(carts.wanting(), None);
        }
    }

    #[test]
    fn the_oldest_cart_is_given_up_where_there_are_too_many() {
        let mut carts = Carts::new(1);
        for id in 0..3000 {
            carts.open(OrderId(id));
        }
        assert_eq!(carts.open.len(), OPEN_MAX);
        assert_eq!(carts.wanting(), Some(OrderId(3000 - 1024)));
    }

    #[test]
    fn an_id_that_was_given_twice_is_one_cart() {
        let mut carts = Carts::new(1);
        carts.open(OrderId(7));
        carts.open(OrderId(7));
        assert_eq!(carts.opened.len(), 1);
        assert_eq!(carts.wanting.len(), 1);
    }
}

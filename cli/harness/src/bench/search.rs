//! Which rate to try next.

/// The highest rate is known well enough where the lowest that was too much is no more than that above it.
const PRECISION: f64 = 1.1;
/// Nobody's shop is that slow, or that fast.
const RATES: std::ops::RangeInclusive<f64> = 1.0..=100_000.0;

/// Doubles the rate until it is too much, then halves the gap between what held and what did not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    first: f64,
    held: Option<f64>,
    lost: Option<f64>,
}

impl Search {
    /// Starts at that rate, above zero.
    #[must_use]
    pub fn from(first: f64) -> Self {
        Self {
            first,
            held: None,
            lost: None,
        }
    }

    /// What to try now; `None` where the search is over.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        let next = match (self.held, self.lost) {
            (None, None) => self.first,
            (Some(held), None) => held * 2.0,
            (None, Some(lost)) => lost / 2.0,
            (Some(held), Some(lost)) => {
                let middle = round((held * lost).sqrt());
                // Between small rates there is none that can be told by two digits.
                let is_between = held < middle && middle < lost;
                (is_between && lost / held > PRECISION).then_some(middle)?
            }
        };
        RATES.contains(&next).then_some(next)
    }

    /// How a rate went.
    pub fn saw(&mut self, rate: f64, held: bool) {
        if held {
            self.held = Some(self.held.map_or(rate, |known| known.max(rate)));
        } else {
            self.lost = Some(self.lost.map_or(rate, |known| known.min(rate)));
        }
    }

    /// The highest rate that held.
    #[must_use]
    pub fn highest(&self) -> Option<f64> {
        self.held
    }
}

/// What to try where a rate held for a moment but not for long.
#[must_use]
pub fn lower(rate: f64) -> f64 {
    round(rate * 0.9).max(1.0)
}

/// To two digits: more would say more than one step can know.
fn round(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.log10().floor() - 1.0).max(1.0);
    (rate / unit).round() * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is tried against a shop that holds so much.
    fn tried(first: f64, capacity: f64) -> (Vec<f64>, Option<f64>) {
        let mut search = Search::from(first);
        let mut rates = Vec::new();
        while let Some(rate) = search.next() {
            rates.push(rate);
            search.saw(rate, rate <= capacity);
        }
        (rates, search.highest())
    }

    #[test]
    fn it_closes_in_on_the_capacity_from_either_side() {
        for capacity in [3.0, 77.0, 512.0, 3333.0, 21_000.0] {
            for first in [10.0, 100.0, 5000.0] {
                let (rates, highest) = tried(first, capacity);
                let highest = highest.unwrap();
                assert!(highest <= capacity, "{rates:?}");
                assert!(highest >= capacity / 1.25, "{capacity}: {rates:?}");
                assert!(rates.len() < 20, "{rates:?}");
            }
        }
    }

    #[test]
    fn a_shop_that_holds_nothing_ends_the_search() {
        let (rates, highest) = tried(100.0, 0.0);
        assert_eq!(highest, None);
        assert_eq!(rates.last(), Some(&1.5625));
    }

    #[test]
    fn rates_are_told_to_two_digits() {
        assert_eq!(round(1234.0), 1200.0);
        assert_eq!(round(98.7), 99.0);
        assert_eq!(round(3.4), 3.0);
        assert_eq!(lower(520.0), 470.0);
        assert_eq!(lower(1.0), 1.0);
    }
}

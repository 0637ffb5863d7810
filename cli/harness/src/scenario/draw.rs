//! Random blocks: the seed decides which faults, in which order and how far apart.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::step::{Random, Step};

/// One drawn fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn<'a> {
    /// The pause before it.
    pub after: Duration,
    pub fault: &'a Step,
}

impl Random {
    /// The faults of this block. The same seed and place in the timeline give the same ones.
    #[must_use]
    pub fn draw(&self, seed: u64, place: u64) -> Vec<Drawn<'_>> {
        // Two blocks of one scenario must not repeat each other.
        let mut random =
            StdRng::seed_from_u64(seed ^ (place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (from, to) = (self.every.from.millis(), self.every.to.millis());
        let weights: u32 = self.faults.iter().map(|fault| weight(fault)).sum();
        let mut drawn = Vec::new();
        let mut left = self.length.millis();
        if weights == 0 {
            return drawn;
        }
        loop {
            let pause = random.random_range(from..=to).max(1);
            if pause > left {
                return drawn;
            }
            left -= pause;
            let point = random.random_range(0..weights);
            if let Some(fault) = self.at(point) {
                drawn.push(Drawn {
                    after: Duration::from_millis(pause),
                    fault,
                });
            }
        }
    }

    /// The fault at a point of all weights.
    fn at(&self, point: u32) -> Option<&Step> {
        let mut passed = 0;
        self.faults.iter().map(|fault| &fault.value).find(|fault| {
            passed += weight(fault);
            point < passed
        })
    }
}

/// How often a fault is drawn, beside others.
pub(super) fn weight(fault: &Step) -> u32 {
    fault.weight.as_deref().copied().unwrap_or(1)
}

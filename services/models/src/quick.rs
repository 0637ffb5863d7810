//! A hash for states, which nobody chooses in order to make them collide. Most of a search is hashing.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds hashers for maps of states.
pub type Quick = BuildHasherDefault<QuickHasher>;

/// Multiplies and adds, a word at a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct QuickHasher(u64);

/// Odd, and with its bits spread.
const FACTOR: u64 = 0xf135_7aea_2e62_a9c5;

impl Hasher for QuickHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = self.0.wrapping_add(word).wrapping_mul(FACTOR);
    }

    fn write_isize(&mut self, word: isize) {
        // Discriminants, which are small and not negative.
        self.write_u64(u64::try_from(word).unwrap_or(u64::MAX));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(u64::try_from(word).unwrap_or(u64::MAX));
    }

    fn finish(&self) -> u64 {
        // The map takes the upper bits and the lower ones, and only the upper ones are mixed well.
        self.0.rotate_left(26)
    }
}

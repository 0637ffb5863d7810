//! What an order holds, as a number that fits in a history: its owner, its lines and its total cost.

use protocol::{ItemId, UserId};
use serde::{Deserialize, Serialize};

/// A digest over an order's owner, total cost and lines. Equal contents give equal digests; the lines' order and how an
/// item's quantity is spread over lines do not matter.
///
/// FNV-1a with 64 bits: quick, stable over versions, and no defence against an adversary, who could as well write the
/// history itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub u64);

impl Digest {
    /// The digest of an order with these lines: item and quantity.
    #[must_use]
    pub fn of(
        owner: UserId,
        total_cost: i64,
        lines: impl IntoIterator<Item = (ItemId, i64)>,
    ) -> Self {
        let mut lines: Vec<(ItemId, i64)> = lines.into_iter().collect();
        lines.sort_unstable();
        lines.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            same
        });
        let numbers = [owner.0, total_cost].into_iter().chain(
            lines
                .into_iter()
                .flat_map(|(item, quantity)| [item.0, quantity]),
        );
        Self(numbers.fold(FNV_OFFSET, |digest, number| {
            number
                .to_le_bytes()
                .into_iter()
                .fold(digest, |digest, byte| {
                    (digest ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
                })
        }))
    }
}

/// Of 64-bit FNV-1a, as its authors give them (Fowler, Noll, Vo).
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(owner: i64, cost: i64, lines: &[(i64, i64)]) -> Digest {
        let lines = lines
            .iter()
            .map(|(item, quantity)| (ItemId(*item), *quantity));
        Digest::of(UserId(owner), cost, lines)
    }

    #[test]
    fn equal_contents_have_one_digest_whatever_the_order_of_lines() {
        assert_eq!(
            digest(1, 9, &[(2, 1), (5, 3)]),
            digest(1, 9, &[(5, 3), (2, 1)])
        );
        assert_eq!(digest(1, 9, &[(2, 1), (2, 3)]), digest(1, 9, &[(2, 4)]));
    }

    #[test]
    fn owner_cost_items_and_quantities_all_count() {
        let whole = digest(1, 9, &[(2, 1), (5, 3)]);
        for other in [
            digest(2, 9, &[(2, 1), (5, 3)]),
            digest(1, 8, &[(2, 1), (5, 3)]),
            digest(1, 9, &[(2, 1)]),
            digest(1, 9, &[(2, 1), (6, 3)]),
            digest(1, 9, &[(2, 2), (5, 3)]),
        ] {
            assert_ne!(whole, other);
        }
    }
}

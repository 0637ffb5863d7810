//! Whether an amount is what some of several uncertain ones come to.

use std::collections::BTreeSet;

/// Beyond this many possible sums, uncertain amounts are judged by their range alone.
const SUMS_MAX: usize = 4096;

/// Whether `gap` is what some of the uncertain amounts come to.
pub(crate) fn is_sum(perhaps: &[i128], gap: i128) -> bool {
    if gap == 0 {
        return true;
    }
    let low: i128 = perhaps.iter().filter(|amount| **amount < 0).sum();
    let high: i128 = perhaps.iter().filter(|amount| **amount > 0).sum();
    if gap < low || gap > high {
        return false;
    }
    let mut sums = BTreeSet::from([0]);
    for amount in perhaps {
        let more: Vec<i128> = sums.iter().map(|sum| sum + amount).collect();
        sums.extend(more);
        if sums.len() > SUMS_MAX {
            return true;
        }
    }
    sums.contains(&gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_explained_by_some_of_the_uncertain_amounts() {
        for (gap, explained) in [
            (0, true),
            (5, true),
            (12, true),
            (-3, true),
            (2, true),
            (9, true),
            (1, false),
            (13, false),
            (-4, false),
        ] {
            assert_eq!(is_sum(&[5, 7, -3], gap), explained, "{gap}");
        }
    }

    #[test]
    fn very_many_uncertain_amounts_are_judged_by_their_range() {
        let many: Vec<i128> = (0..64).map(|bit| 1_i128 << bit).collect();
        assert!(is_sum(&many, 12345));
        assert!(!is_sum(&many, -1));
    }
}

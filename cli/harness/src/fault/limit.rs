//! How little a task is left with: a fixed amount, or a part of what it was just seen to use.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units;

/// A queue of less than that lets no packet of full size pass in good time.
const BITS_PER_S_MIN: u64 = 32_000;
/// The engine refuses less.
const MILLI_CPUS_MIN: u64 = 10;

/// How much a task may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BitLimit {
    BitsPerS(u64),
    /// 1 to 99 of a hundred parts of what its busiest link sends at the moment of injection.
    PercentOfNow(u8),
}

/// How much of the processors a task may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuLimit {
    /// Thousandths of one.
    MilliCpus(u64),
    /// 1 to 99 of a hundred parts of what it uses at the moment of injection.
    PercentOfNow(u8),
}

impl BitLimit {
    /// In bits per second, where `now` are sent.
    #[must_use]
    pub fn of(self, now: u64) -> u64 {
        match self {
            Self::BitsPerS(bits_per_s) => bits_per_s,
            Self::PercentOfNow(percent) => part(percent, now).max(BITS_PER_S_MIN),
        }
    }

    /// Whether a task that sends so much would feel it. A fixed one is as it was asked for.
    #[must_use]
    pub fn bites(self, now: u64) -> bool {
        match self {
            Self::BitsPerS(_) => true,
            Self::PercentOfNow(_) => self.of(now) < now,
        }
    }
}

impl CpuLimit {
    /// In thousandths of a processor, where `now` are used.
    #[must_use]
    pub fn of(self, now: u64) -> u64 {
        match self {
            Self::MilliCpus(milli_cpus) => milli_cpus,
            Self::PercentOfNow(percent) => part(percent, now).max(MILLI_CPUS_MIN),
        }
    }

    /// Whether a task that uses so much would feel it. Little is used in bursts, so that the least quota bites too.
    #[must_use]
    pub fn bites(self, now: u64) -> bool {
        match self {
            Self::MilliCpus(_) => true,
            Self::PercentOfNow(_) => now > 0,
        }
    }
}

fn part(percent: u8, now: u64) -> u64 {
    now.saturating_mul(percent.into()) / 100
}

impl fmt::Display for BitLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BitsPerS(bits_per_s) => f.write_str(&units::bit_rate(*bits_per_s)),
            Self::PercentOfNow(percent) => write!(f, "{percent}% of now"),
        }
    }
}

impl fmt::Display for CpuLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MilliCpus(milli_cpus) => f.write_str(&units::cpus(*milli_cpus)),
            Self::PercentOfNow(percent) => write!(f, "{percent}% of now"),
        }
    }
}

/// Reads `25% of now`; `None` where `text` asks for no part of now.
///
/// # Errors
/// The part is none of 1 to 99.
pub(crate) fn percent_of_now(text: &str) -> Option<Result<u8, String>> {
    let percent = text.strip_suffix("of now")?.trim().strip_suffix('%')?;
    Some(match percent.parse() {
        Ok(percent @ 1..=99) => Ok(percent),
        Ok(_) | Err(_) => Err(format!("`{text}` is none of 1% to 99% of now")),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(25, 8_000_000, 2_000_000)]
    #[case(50, 900_001, 450_000)]
    #[case(1, 100_000, 32_000)]
    fn a_part_of_what_is_sent_is_not_below_the_floor(
        #[case] percent: u8,
        #[case] now: u64,
        #[case] limit: u64,
    ) {
        assert_eq!(BitLimit::PercentOfNow(percent).of(now), limit);
    }

    #[test]
    fn what_would_not_be_felt_does_not_bite() {
        assert!(BitLimit::PercentOfNow(25).bites(32_001));
        assert!(!BitLimit::PercentOfNow(25).bites(32_000));
        assert!(!BitLimit::PercentOfNow(25).bites(0));
        assert!(CpuLimit::PercentOfNow(25).bites(1));
        assert!(!CpuLimit::PercentOfNow(25).bites(0));
    }

    #[test]
    fn a_fixed_limit_is_what_it_is() {
        assert_eq!(BitLimit::BitsPerS(1).of(8_000_000), 1);
        assert_eq!(CpuLimit::MilliCpus(50).of(3_000), 50);
        assert_eq!(CpuLimit::PercentOfNow(25).of(300), 75);
        assert_eq!(CpuLimit::PercentOfNow(25).of(4), 10);
    }

    #[rstest]
    #[case("25% of now", Some(Ok(25)))]
    #[case("1mbit", None)]
    #[case("0% of now", Some(Err("`0% of now` is none of 1% to 99% of now".to_owned())))]
    #[case("100% of now", Some(Err("`100% of now` is none of 1% to 99% of now".to_owned())))]
    fn a_part_of_now_reads(#[case] text: &str, #[case] read: Option<Result<u8, String>>) {
        assert_eq!(percent_of_now(text), read);
    }
}

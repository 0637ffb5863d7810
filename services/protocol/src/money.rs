//! Money and amounts: positive integers, never floats.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The largest amount one request may carry: sums of many stay far from `i64::MAX`.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000;

/// An amount that is not a decimal number between 1 and [`AMOUNT_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadAmount;

impl fmt::Display for BadAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an amount is a whole number between 1 and {AMOUNT_MAX}")
    }
}

impl std::error::Error for BadAmount {}

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = BadAmount;

            /// Reads a positive amount, as it stands in a request path.
            fn from_str(text: &str) -> Result<Self, BadAmount> {
                if !text.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(BadAmount);
                }
                match text.parse() {
                    Ok(amount @ 1..=AMOUNT_MAX) => Ok(Self(amount)),
                    _ => Err(BadAmount),
                }
            }
        }
    };
}

amount!(
    /// Money, in whole credits.
    Credits
);
amount!(
    /// A number of pieces of an item.
    Quantity
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_positive_and_bounded() {
        assert_eq!("1".parse(), Ok(Credits(1)));
        assert_eq!("1000000000000".parse(), Ok(Quantity(AMOUNT_MAX)));
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "1000000000001",
            "99999999999999999999",
            "1.5",
            "x",
        ] {
            assert_eq!(text.parse::<Credits>(), Err(BadAmount), "{text:?}");
        }
    }
}

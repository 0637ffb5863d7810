//! Ids: opaque decimal strings on the HTTP wire, `i64` in the databases and on Kafka.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An id that is not a decimal number between 0 and `i64::MAX` without sign, blanks or leading zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadId;

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is a decimal number")
    }
}

impl std::error::Error for BadId {}

fn parse(text: &str) -> Result<i64, BadId> {
    let canonical =
        text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    if text.is_empty() || !canonical {
        return Err(BadId);
    }
    // The only failure left is a number above `i64::MAX`.
    text.parse().or(Err(BadId))
}

macro_rules! id {
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
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                parse(text).map(Self)
            }
        }
    };
}

id!(
    /// An order of the order service.
    OrderId
);
id!(
    /// A user of the payment service.
    UserId
);
id!(
    /// An item of the stock service.
    ItemId
);
id!(
    /// One attempt to check an order out. A new attempt after a rejection is a new saga.
    SagaId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_decimals_are_ids() {
        assert_eq!("0".parse(), Ok(OrderId(0)));
        assert_eq!("9223372036854775807".parse(), Ok(OrderId(i64::MAX)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "-1",
            "+1",
            "01",
            "00",
            " 1",
            "1 ",
            "1.0",
            "x",
            "9223372036854775808",
            "١",
        ] {
            assert_eq!(text.parse::<OrderId>(), Err(BadId), "{text:?}");
        }
    }
}

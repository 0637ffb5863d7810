//! Quantities of a scenario file: each carries its unit, in the file and in the schema.

use std::{fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{
    fault::{
        action::Sides,
        limit::{BitLimit, CpuLimit, percent_of_now},
    },
    units,
};

/// A value that is written as text with its unit.
pub trait Quantity: Sized {
    /// What the schema calls it.
    const NAME: &'static str;
    /// What its text looks like, as a regular expression.
    const PATTERN: &'static str;
    /// One that is right.
    const EXAMPLE: &'static str;

    /// Reads it.
    ///
    /// # Errors
    /// Says what is wrong with `text`.
    fn read(text: &str) -> Result<Self, String>;
}

/// Gives a [`Quantity`] with `Display` its serde and schema forms.
macro_rules! written {
    ($($type:ty),*) => {$(
        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                <Self as Quantity>::read(&text)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                <Self as Quantity>::NAME.into()
            }

            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": format!("^{}$", <Self as Quantity>::PATTERN),
                    "examples": [<Self as Quantity>::EXAMPLE],
                })
            }
        }
    )*};
}

/// A length of time: `500ms`, `20s`, `5m`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// In whole milliseconds.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether it is no time at all.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

impl Quantity for Span {
    const NAME: &'static str = "Span";
    const PATTERN: &'static str = r"[0-9]+(\.[0-9]+)?(ms|s|m|h)";
    const EXAMPLE: &'static str = "20s";

    fn read(text: &str) -> Result<Self, String> {
        units::duration(text).map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        if ms == 0 || !ms.is_multiple_of(1000) {
            write!(f, "{ms}ms")
        } else if (ms / 1000).is_multiple_of(60) {
            write!(f, "{}m", ms / 60_000)
        } else {
            write!(f, "{}s", ms / 1000)
        }
    }
}

/// A range of time, both ends included: `20s..60s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Spans {
    pub from: Span,
    pub to: Span,
}

impl Quantity for Spans {
    const NAME: &'static str = "Spans";
    const PATTERN: &'static str = r"[0-9]+(\.[0-9]+)?(ms|s|m|h)(\.\.[0-9]+(\.[0-9]+)?(ms|s|m|h))?";
    const EXAMPLE: &'static str = "20s..60s";

    fn read(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let (from, to) = (Span::read(from)?, Span::read(to)?);
        if from > to {
            return Err(format!("`{text}` ends before it begins"));
        }
        if to.is_zero() {
            return Err(format!("`{text}` is no time at all"));
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            return self.from.fmt(f);
        }
        write!(f, "{}..{}", self.from, self.to)
    }
}

/// A rate: `150/s`, `90/m`. Above zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate(
    /// Per second.
    pub f64,
);

impl Quantity for Rate {
    const NAME: &'static str = "Rate";
    const PATTERN: &'static str = r"[0-9]+(\.[0-9]+)?/[sm]";
    const EXAMPLE: &'static str = "150/s";

    fn read(text: &str) -> Result<Self, String> {
        if !text.contains('/') {
            return Err(format!("`{text}` has no unit: write for example 150/s"));
        }
        units::rate(text).map(Self)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

/// A share of a whole: `99%`, `99.5%`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share(
    /// 0 to 100.
    pub f64,
);

impl Share {
    /// 0 to 1.
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.0 / 100.0
    }
}

impl Quantity for Share {
    const NAME: &'static str = "Share";
    const PATTERN: &'static str = r"[0-9]+(\.[0-9]+)?%";
    const EXAMPLE: &'static str = "99%";

    fn read(text: &str) -> Result<Self, String> {
        let number = text
            .strip_suffix('%')
            .ok_or_else(|| format!("`{text}` has no unit: write for example 99%"))?;
        match number.trim().parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent)),
            Ok(_) | Err(_) => Err(format!("`{text}` is not a share from 0% to 100%")),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// A number of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Number(pub u64);

impl Quantity for Number {
    const NAME: &'static str = "Number";
    const PATTERN: &'static str = "[0-9]+";
    const EXAMPLE: &'static str = "10";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_not_one| format!("`{text}` is not a whole number"))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bits per second: `512kbit`, `1mbit`; or a part of what is sent at the moment of injection: `25% of now`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BitRate(pub BitLimit);

impl Quantity for BitRate {
    const NAME: &'static str = "BitRate";
    const PATTERN: &'static str = "([0-9]+[kmg]?bit|[1-9][0-9]?% of now)";
    const EXAMPLE: &'static str = "1mbit";

    fn read(text: &str) -> Result<Self, String> {
        if let Some(percent) = percent_of_now(text) {
            return percent.map(|percent| Self(BitLimit::PercentOfNow(percent)));
        }
        match units::read_bit_rate(text) {
            Ok(bits_per_s) => Ok(Self(BitLimit::BitsPerS(bits_per_s))),
            Err(reason) => Err(format!("{reason}, or \"25% of now\"")),
        }
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A size: `512mb`, `1gb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub u64);

impl Quantity for Bytes {
    const NAME: &'static str = "Bytes";
    const PATTERN: &'static str = "[0-9]+[mg]b";
    const EXAMPLE: &'static str = "1gb";

    fn read(text: &str) -> Result<Self, String> {
        units::read_bytes(text).map(Self)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&units::bytes(self.0))
    }
}

/// A share of processors: `0.05cpu`, `2cpu`; or a part of what is used at the moment of injection: `25% of now`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cpus(pub CpuLimit);

impl Quantity for Cpus {
    const NAME: &'static str = "Cpus";
    const PATTERN: &'static str = r"([0-9]+(\.[0-9]+)?cpu|[1-9][0-9]?% of now)";
    const EXAMPLE: &'static str = "0.05cpu";

    fn read(text: &str) -> Result<Self, String> {
        if let Some(percent) = percent_of_now(text) {
            return percent.map(|percent| Self(CpuLimit::PercentOfNow(percent)));
        }
        match units::read_cpus(text) {
            Ok(milli_cpus) => Ok(Self(CpuLimit::MilliCpus(milli_cpus))),
            Err(reason) => Err(format!("{reason}, or \"25% of now\"")),
        }
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Quantity for Sides {
    const NAME: &'static str = "Sides";
    const PATTERN: &'static str = r".+(\.\.|->).+";
    const EXAMPLE: &'static str = "stock-db-primary..stock-db-standby";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

written!(
    Span, Spans, Rate, Share, Number, BitRate, Bytes, Cpus, Sides
);

/// Defines a bound on a quantity that is written with its comparison sign.
macro_rules! bound {
    ($(#[$doc:meta])* $name:ident, $sign:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name<T>(pub T);

        impl<T: Quantity> $name<T> {
            fn read(text: &str) -> Result<Self, String> {
                let rest = text
                    .strip_prefix($sign)
                    .ok_or_else(|| format!(
                        "`{text}` is not a bound: write for example \"{} {}\"", $sign, T::EXAMPLE
                    ))?;
                T::read(rest.trim()).map(Self)
            }
        }

        impl<T: fmt::Display> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", $sign, self.0)
            }
        }

        impl<'de, T: Quantity> Deserialize<'de> for $name<T> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::read(&text).map_err(serde::de::Error::custom)
            }
        }

        impl<T: fmt::Display> Serialize for $name<T> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<T: Quantity> JsonSchema for $name<T> {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                format!("{}{}", stringify!($name), T::NAME).into()
            }

            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": format!("^{} *{}$", $pattern, T::PATTERN),
                    "examples": [format!("{} {}", $sign, T::EXAMPLE)],
                })
            }
        }
    };
}

bound!(
    /// An upper bound, itself included: `"<= 8s"`.
    AtMost, "<=", "<="
);
bound!(
    /// A lower bound, itself included: `">= 99%"`.
    AtLeast, ">=", ">="
);

#[cfg(test)]
mod tests;

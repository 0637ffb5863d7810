//! What an answer promises about its effect, said in a header so that no status code is guessed from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The header that carries an [`Outcome`] on every answer to a mutating request.
pub const OUTCOME_HEADER: &str = "x-webshop-outcome";

/// The header under which a mutating request is deduplicated.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";

/// What an answer promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It happened, and is durable on two nodes.
    Committed,
    /// Nothing happened, and nothing will.
    Rejected,
    /// It may have happened, or may still happen.
    Unknown,
}

impl Outcome {
    /// The header's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the header's value; `None` for one that this version does not know.
    #[must_use]
    pub fn from_header(value: &str) -> Option<Self> {
        [Self::Committed, Self::Rejected, Self::Unknown]
            .into_iter()
            .find(|o| o.as_str() == value)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

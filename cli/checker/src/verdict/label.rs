//! The checks of a verdict, and the names of what they find.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The checks of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    Compensation,
    Double,
    Atomicity,
    Acknowledged,
    Phantom,
    Contents,
    Credit,
    Stock,
    NonNegative,
    Monotone,
    Fresh,
    Replicas,
    Settled,
}

impl Check {
    /// Every check, in the order in which a result lists them. The first six give an order its one label.
    pub const ALL: [Self; 13] = [
        Self::Compensation,
        Self::Double,
        Self::Atomicity,
        Self::Acknowledged,
        Self::Phantom,
        Self::Contents,
        Self::Credit,
        Self::Stock,
        Self::NonNegative,
        Self::Monotone,
        Self::Fresh,
        Self::Replicas,
        Self::Settled,
    ];

    /// Its name in a result and on a terminal.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Compensation => "compensation",
            Self::Double => "double",
            Self::Atomicity => "atomicity",
            Self::Acknowledged => "acknowledged",
            Self::Phantom => "phantom",
            Self::Contents => "contents",
            Self::Credit => "credit",
            Self::Stock => "stock",
            Self::NonNegative => "non-negative",
            Self::Monotone => "monotone",
            Self::Fresh => "fresh",
            Self::Replicas => "replicas",
            Self::Settled => "settled",
        }
    }

    /// Whether a violation can be seen while sagas are still running.
    #[must_use]
    pub fn needs_quiescence(self) -> bool {
        !matches!(
            self,
            Self::NonNegative | Self::Monotone | Self::Fresh | Self::Replicas | Self::Settled
        )
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Label {
    PhantomRefund,
    Double,
    Torn,
    LostAck,
    Phantom,
    Altered,
    LostLine,
    DoubleLine,
    DuplicateId,
    CreditLeak,
    StockLeak,
    Overspend,
    Oversell,
    Reverted,
    Stale,
    SplitBrain,
    Diverged,
    Stuck,
}

impl Label {
    /// The check that finds it.
    #[must_use]
    pub fn check(self) -> Check {
        match self {
            Self::PhantomRefund => Check::Compensation,
            Self::Double => Check::Double,
            Self::Torn => Check::Atomicity,
            Self::LostAck => Check::Acknowledged,
            Self::Phantom => Check::Phantom,
            Self::Altered | Self::LostLine | Self::DoubleLine | Self::DuplicateId => {
                Check::Contents
            }
            Self::CreditLeak => Check::Credit,
            Self::StockLeak => Check::Stock,
            Self::Overspend | Self::Oversell => Check::NonNegative,
            Self::Reverted => Check::Monotone,
            Self::Stale => Check::Fresh,
            Self::SplitBrain | Self::Diverged => Check::Replicas,
            Self::Stuck => Check::Settled,
        }
    }

    /// Whether it is certain only where no saga runs any more. An id that was given twice stays so.
    #[must_use]
    pub fn needs_quiescence(self) -> bool {
        self != Self::DuplicateId && self.check().needs_quiescence()
    }

    /// Whether an operation that the history lacks could be what explains it.
    #[must_use]
    pub fn rests_on_absence(self) -> bool {
        matches!(
            self,
            Self::Phantom | Self::Altered | Self::DoubleLine | Self::CreditLeak | Self::StockLeak
        )
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PhantomRefund => "PHANTOM_REFUND",
            Self::Double => "DOUBLE",
            Self::Torn => "TORN",
            Self::LostAck => "LOST_ACK",
            Self::Phantom => "PHANTOM",
            Self::Altered => "ALTERED",
            Self::LostLine => "LOST_LINE",
            Self::DoubleLine => "DOUBLE_LINE",
            Self::DuplicateId => "DUPLICATE_ID",
            Self::CreditLeak => "CREDIT_LEAK",
            Self::StockLeak => "STOCK_LEAK",
            Self::Overspend => "OVERSPEND",
            Self::Oversell => "OVERSELL",
            Self::Reverted => "REVERTED",
            Self::Stale => "STALE",
            Self::SplitBrain => "SPLIT_BRAIN",
            Self::Diverged => "DIVERGED",
            Self::Stuck => "STUCK",
        })
    }
}

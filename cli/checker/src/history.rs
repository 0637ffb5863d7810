//! The history of a run: what its clients asked for, when, and what they were told.
//!
//! On disk (`history.jsonl`) it is one JSON value a line: a [`Header`], then one [`Record`] an event.
//! The writer puts an `invoke` into the file *before* the request leaves, so that a request which may
//! have had an effect is never missing, and ends with `end`. A history without an end was cut short:
//! the checker then draws no conclusion from an operation's absence, and the run cannot pass.

use std::ops::RangeInclusive;

use protocol::{Credits, ItemId, OrderId, Quantity, UserId, saga::RefusalCode};
use serde::{Deserialize, Serialize};

use crate::{
    contents::Digest,
    outcome::{Broken, Class, Kind},
};

mod lack;
mod reader;

pub use lack::Lack;
pub use reader::{HistoryError, Reader};

/// What the header's `format` says.
pub const FORMAT: &str = "webshop-history";
/// The version of the records that this checker reads.
pub const VERSION: u32 = 2;
/// How long a history may be, in microseconds: a week. What sizes anything by its times is bounded by this.
pub const SPAN_MAX_US: u64 = 7 * 86_400 * 1_000_000;
/// When the latest history may have begun, in Unix milliseconds: the end of the year 9999.
pub const STARTED_AT_MS_MAX: u64 = 253_402_300_799_999;

/// The first line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub format: String,
    pub version: u32,
    /// The run's name, as its directory is called.
    pub run: String,
    /// When the run's clock was 0, in Unix milliseconds.
    pub started_at_ms: u64,
    /// The seed of the load, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Header {
    /// The header of a history that begins now.
    #[must_use]
    pub fn new(run: &str, started_at_ms: u64, seed: Option<u64>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            run: run.to_owned(),
            started_at_ms,
            seed,
        }
    }
}

/// One line after the header. Times are microseconds since the run began, on a clock that only goes forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    #[serde(rename = "i")]
    Invoke(Invoke),
    #[serde(rename = "c")]
    Complete(Complete),
    /// Every operation has ended or timed out; nothing follows.
    #[serde(rename = "end")]
    End {
        #[serde(rename = "t")]
        at_us: u64,
        /// How many records its writer took before this one: what was lost on the way to the file is missed.
        #[serde(rename = "k")]
        records: u64,
    },
}

/// A request is about to leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoke {
    /// The logical operation: its retries keep it (and the idempotency key).
    pub id: u64,
    /// Which attempt at the operation this is, from 1.
    #[serde(rename = "n")]
    pub attempt: u32,
    /// The client that sends it.
    #[serde(rename = "p")]
    pub process: u32,
    /// When the schedule wanted the operation sent: the same for each attempt.
    #[serde(rename = "d")]
    pub due_us: u64,
    /// When this attempt was sent.
    #[serde(rename = "t")]
    pub sent_us: u64,
    pub op: Op,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    pub id: u64,
    #[serde(rename = "n")]
    pub attempt: u32,
    #[serde(rename = "t")]
    pub at_us: u64,
    #[serde(rename = "o")]
    pub class: Class,
    /// The HTTP status, where an answer began.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How the exchange broke, where it did.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
    /// The code of a business rejection.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalCode>,
    /// What an ok read saw, or an ok create made.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

impl Complete {
    /// What the answer to `op` told; a value of another kind than was asked for is none.
    fn told(&self, op: Op) -> Option<Value> {
        self.value.filter(|value| match value {
            Value::Order { .. } => matches!(op, Op::FindOrder { .. }),
            Value::Stock(_) => matches!(op, Op::FindItem { .. }),
            Value::Credit(_) => matches!(op, Op::FindUser { .. }),
            Value::Created(_) => op.creates(),
        })
    }

    /// Whether it is told to be an ok create, and what it made is not told.
    fn lacks_its_id(&self, op: Op) -> bool {
        self.class == Class::Ok && op.creates() && self.told(op).is_none()
    }
}

/// What an operation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Checkout {
        order: OrderId,
    },
    FindOrder {
        order: OrderId,
    },
    FindItem {
        item: ItemId,
    },
    FindUser {
        user: UserId,
    },
    AddFunds {
        user: UserId,
        amount: Credits,
    },
    Pay {
        user: UserId,
        amount: Credits,
    },
    AddStock {
        item: ItemId,
        amount: Quantity,
    },
    SubtractStock {
        item: ItemId,
        amount: Quantity,
    },
    CreateOrder {
        user: UserId,
    },
    AddItem {
        order: OrderId,
        item: ItemId,
        quantity: Quantity,
    },
    CreateItem {
        price: Credits,
    },
    CreateUser,
}

impl Op {
    /// Whether it may change something.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::FindOrder { .. } | Self::FindItem { .. } | Self::FindUser { .. } => Kind::Read,
            Self::Checkout { .. }
            | Self::AddFunds { .. }
            | Self::Pay { .. }
            | Self::AddStock { .. }
            | Self::SubtractStock { .. }
            | Self::CreateOrder { .. }
            | Self::AddItem { .. }
            | Self::CreateItem { .. }
            | Self::CreateUser => Kind::Write,
        }
    }

    /// Whether its answer tells the id of something new.
    #[must_use]
    pub fn creates(self) -> bool {
        matches!(
            self,
            Self::CreateOrder { .. } | Self::CreateItem { .. } | Self::CreateUser
        )
    }

    /// Whether it asks for no amount below zero.
    #[must_use]
    pub fn has_sound_amount(self) -> bool {
        match self {
            Self::AddFunds { amount, .. } | Self::Pay { amount, .. } => amount.0 >= 0,
            Self::CreateItem { price } => price.0 >= 0,
            Self::AddStock { amount, .. } | Self::SubtractStock { amount, .. } => amount.0 >= 0,
            Self::AddItem { quantity, .. } => quantity.0 >= 0,
            Self::Checkout { .. }
            | Self::FindOrder { .. }
            | Self::FindItem { .. }
            | Self::FindUser { .. }
            | Self::CreateOrder { .. }
            | Self::CreateUser => true,
        }
    }

    /// The name of its kind, as a load mix writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Checkout { .. } => "checkout",
            Self::FindOrder { .. } => "find_order",
            Self::FindItem { .. } => "find_item",
            Self::FindUser { .. } => "find_user",
            Self::AddFunds { .. } => "add_funds",
            Self::Pay { .. } => "pay",
            Self::AddStock { .. } => "add_stock",
            Self::SubtractStock { .. } => "subtract_stock",
            Self::CreateOrder { .. } => "create_order",
            Self::AddItem { .. } => "add_item",
            Self::CreateItem { .. } => "create_item",
            Self::CreateUser => "create_user",
        }
    }
}

/// What an ok answer carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// What `find_order` saw: the paid flag, and a digest of everything else.
    Order { paid: bool, contents: Digest },
    /// The credit that `find_user` saw.
    Credit(i64),
    /// The stock that `find_item` saw.
    Stock(i64),
    /// The id that a create made.
    Created(i64),
}

/// One attempt at an operation, with what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub invoke: Invoke,
    /// `None`: it never completed, so nobody knows.
    pub complete: Option<Complete>,
}

impl Attempt {
    /// Without a completion a write is unknown, and a read counts as nothing; so does one that was ok and told no value
    /// of the kind that it asked for. Of a create that was ok and told no id nobody knows what it made.
    #[must_use]
    pub fn class(&self) -> Class {
        let op = self.invoke.op;
        match (&self.complete, op.kind()) {
            (Some(complete), Kind::Read) if complete.told(op).is_none() => Class::Fail,
            (Some(complete), Kind::Write) if complete.lacks_its_id(op) => Class::Info,
            (Some(complete), _) => complete.class,
            (None, Kind::Write) => Class::Info,
            (None, Kind::Read) => Class::Fail,
        }
    }

    /// From when to when it is known to have been on its way: nothing of what never was sent, or never ended.
    #[must_use]
    pub fn in_flight_us(&self) -> Option<RangeInclusive<u64>> {
        let complete = self.complete.as_ref()?;
        let was_sent = complete.broken != Some(Broken::NotSent);
        was_sent.then_some(self.invoke.sent_us..=complete.at_us)
    }

    /// The value of an ok answer, where it is of the kind that the operation asks for.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        self.complete
            .as_ref()
            .filter(|complete| complete.class == Class::Ok)
            .and_then(|complete| complete.told(self.invoke.op))
    }
}

/// A whole history: every attempt in the order of its `invoke`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    pub header: Header,
    pub attempts: Vec<Attempt>,
    /// When the load ended, if its writer lived to say so.
    pub ended_at_us: Option<u64>,
    /// The number of the last line, if it was cut off in the middle.
    pub truncated_line: Option<usize>,
    /// How many records are missing, or too many, by what its end says.
    pub miscount: Option<Miscount>,
}

/// A history whose end does not fit to what is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Miscount {
    /// As its end says.
    pub told: u64,
    /// As they were read.
    pub read: u64,
}

impl History {
    /// Reads a whole `history.jsonl`.
    ///
    /// # Errors
    /// Says the line that is not a history's. A last line that was cut off is not an error.
    pub fn parse(text: &[u8]) -> Result<Self, HistoryError> {
        let mut reader = Reader::default();
        for line in text.split(|byte| *byte == b'\n') {
            reader.push(line)?;
        }
        reader.finish()
    }

    /// A history of which nothing was written.
    #[must_use]
    pub fn empty(run: &str) -> Self {
        Self {
            header: Header::new(run, 0, None),
            attempts: Vec::new(),
            ended_at_us: None,
            truncated_line: None,
            miscount: None,
        }
    }

    /// The latest time of its records, but for the end.
    #[must_use]
    pub fn last_us(&self) -> Option<u64> {
        let attempts = self.attempts.iter();
        let times = attempts.map(|attempt| {
            let ended = attempt.complete.as_ref().map(|complete| complete.at_us);
            ended.unwrap_or(0).max(attempt.invoke.sent_us)
        });
        times.max()
    }

    /// Whether every request that was sent is known to be in it, with what came of it. One that ends before its last
    /// record does not know its end. Looks through all attempts.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let ended_us = self.ended_at_us;
        ended_us.is_some_and(|ended_us| self.last_us().is_none_or(|last_us| last_us <= ended_us))
            && self.truncated_line.is_none()
            && self.miscount.is_none()
            && self.lack().is_none()
    }
}

/// One line of `history.jsonl`, with its newline.
///
/// # Errors
/// Never for the types of this module; the signature is `serde_json`'s.
pub fn line<T: Serialize>(record: &T) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(record)?;
    text.push('\n');
    Ok(text)
}

//! Failpoints: the places at which a service of the test images can be made to crash. Release images have none.
//!
//! A step of the saga is named by the message that asks for it. Around its transaction there are four
//! [`Moment`]s, so a failpoint is called `reserve.before-commit`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Holds the name of the failpoint at which the process is to crash; empty: at none. It is read again on `SIGHUP`.
pub const FILE: &str = "/tmp/failpoint";

/// A step of the saga: the service that takes it, and the message that asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub service: &'static str,
    pub name: &'static str,
}

/// Every step that a saga takes. The first is a request's admission, which no message asks for.
pub const STEPS: [Step; 9] = [
    step("order", "admission"),
    step("stock", "reserve"),
    step("order", "reserved"),
    step("order", "reserve_refused"),
    step("payment", "charge"),
    step("order", "charged"),
    step("order", "charge_refused"),
    step("stock", "release"),
    step("order", "released"),
];

/// The step without a message.
pub const ADMISSION: &str = STEPS[0].name;

const fn step(service: &'static str, name: &'static str) -> Step {
    Step { service, name }
}

/// When, around the transaction that takes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    BeforeCommit,
    AfterCommit,
    /// Committed, and about to publish what follows from it.
    BeforePublish,
    AfterPublish,
}

impl Moment {
    pub const ALL: [Self; 4] = [
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::BeforePublish,
        Self::AfterPublish,
    ];

    /// As in a failpoint's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before-commit",
            Self::AfterCommit => "after-commit",
            Self::BeforePublish => "before-publish",
            Self::AfterPublish => "after-publish",
        }
    }
}

/// One failpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Failpoint {
    pub step: Step,
    pub moment: Moment,
}

impl Failpoint {
    /// All of them, in the order in which a saga meets them.
    pub fn all() -> impl Iterator<Item = Self> {
        STEPS
            .into_iter()
            .flat_map(|step| Moment::ALL.map(|moment| Self { step, moment }))
    }
}

impl fmt::Display for Failpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.step.name, self.moment.name())
    }
}

impl FromStr for Failpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::all()
            .find(|point| point.to_string() == text)
            .ok_or_else(|| format!("there is no failpoint `{text}`"))
    }
}

impl TryFrom<String> for Failpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Failpoint> for String {
    fn from(point: Failpoint) -> Self {
        point.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Credits, OrderId, SagaId, UserId,
        saga::{Event, PaymentCommand, PaymentStep, Refusal, RefusalCode, Reply},
    };

    #[test]
    fn a_name_reads_back() {
        for point in Failpoint::all() {
            assert_eq!(point.to_string().parse(), Ok(point));
        }
        assert_eq!(Failpoint::all().count(), 36);
        assert!("reserve.sometime".parse::<Failpoint>().is_err());
    }

    #[test]
    fn steps_are_called_what_their_messages_are_called() {
        let refusal = || Refusal {
            code: RefusalCode::OutOfStock,
            message: String::new(),
        };
        let named = |json: String| {
            let known = STEPS.map(|step| format!("\"{}\"", step.name));
            known.iter().any(|name| json.contains(name))
        };
        for event in [
            Event::Reserved,
            Event::ReserveRefused { refusal: refusal() },
            Event::Released,
            Event::Charged,
            Event::ChargeRefused { refusal: refusal() },
        ] {
            let (saga_id, order_id) = (SagaId(1), OrderId(1));
            let reply = Reply {
                saga_id,
                order_id,
                event,
            };
            let json = serde_json::to_string(&reply).unwrap();
            assert!(named(json.clone()), "{json}");
        }
        let charge = PaymentCommand {
            saga_id: SagaId(1),
            order_id: OrderId(1),
            step: PaymentStep::Charge {
                user_id: UserId(1),
                amount: Credits(1),
            },
        };
        assert!(named(serde_json::to_string(&charge).unwrap()));
    }
}

//! The saga of one checkout as a pure function: reserve the stock, charge the credit, and either both
//! stand or neither.
//!
//! ```text
//! reserving ──Reserved──▶ charging ──Charged──▶ completed
//!     │                       └──ChargeRefused──▶ releasing ──Released──▶ rejected
//!     └──ReserveRefused─────────────────────────────────────────────────────▲
//! ```
//!
//! A step is named by its reply, never counted, so a reply that comes twice, late or out of order can
//! only be recognised as such; it cannot be taken for another one.

use planted::Bug;
use protocol::saga::{Event, Refusal};

/// Where a saga is. A refusal is kept from the moment it decides the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Waiting for the stock service to take every line, or none.
    Reserving,
    /// The stock is taken; waiting for the payment service.
    Charging,
    /// The charge was refused; waiting for the stock to be given back.
    Releasing(Refusal),
    /// Stock taken, credit charged, order paid.
    Completed,
    /// Nothing is taken and nothing will be.
    Rejected(Refusal),
}

/// The one command whose reply a saga waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outstanding {
    Reserve,
    Charge,
    Release,
}

/// What a reply does to a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The saga moves on.
    Advance(State),
    /// An answer that the saga has had before.
    Repeated,
    /// An answer that no participant can give a saga in this state. It changes nothing and is an error
    /// of a participant: an inbox that forgot its reply, or a step nobody asked for.
    Unexpected,
}

/// A state as it stands in a row that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a saga in state {name:?} with refusal {refusal:?}")]
pub struct BadState {
    name: String,
    refusal: Option<Refusal>,
}

/// What a saga in `state` does with `event`.
#[must_use]
pub fn step(state: &State, event: &Event) -> Step {
    match (state, event) {
        (State::Reserving, Event::Reserved) => Step::Advance(State::Charging),
        (State::Reserving, Event::ReserveRefused { refusal }) => {
            Step::Advance(State::Rejected(refusal.clone()))
        }
        (State::Charging, Event::Charged) => Step::Advance(State::Completed),
        (State::Charging, Event::ChargeRefused { refusal })
            if planted::is(Bug::ForgetCompensation) =>
        {
            Step::Advance(State::Rejected(refusal.clone()))
        }
        (State::Charging, Event::ChargeRefused { refusal }) => {
            Step::Advance(State::Releasing(refusal.clone()))
        }
        (State::Releasing(refusal), Event::Released) => {
            Step::Advance(State::Rejected(refusal.clone()))
        }

        (State::Charging | State::Completed, Event::Reserved)
        | (State::Completed, Event::Charged)
        | (State::Releasing(_), Event::Reserved | Event::ChargeRefused { .. })
        | (
            State::Rejected(_),
            Event::Reserved
            | Event::ReserveRefused { .. }
            | Event::ChargeRefused { .. }
            | Event::Released,
        ) => Step::Repeated,

        (State::Reserving, Event::Charged | Event::ChargeRefused { .. } | Event::Released)
        | (State::Charging, Event::ReserveRefused { .. } | Event::Released)
        | (State::Releasing(_), Event::ReserveRefused { .. } | Event::Charged)
        | (
            State::Completed,
            Event::ReserveRefused { .. } | Event::ChargeRefused { .. } | Event::Released,
        )
        | (State::Rejected(_), Event::Charged)
        | (_, Event::Refunded) => Step::Unexpected,
    }
}

impl State {
    /// The command that the saga waits for; `None` once it has ended.
    #[must_use]
    pub fn outstanding(&self) -> Option<Outstanding> {
        match self {
            Self::Reserving => Some(Outstanding::Reserve),
            Self::Charging => Some(Outstanding::Charge),
            Self::Releasing(_) => Some(Outstanding::Release),
            Self::Completed | Self::Rejected(_) => None,
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.outstanding().is_none()
    }

    /// The state's name in the database.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reserving => "reserving",
            Self::Charging => "charging",
            Self::Releasing(_) => "releasing",
            Self::Completed => "completed",
            Self::Rejected(_) => "rejected",
        }
    }

    /// Why the checkout is rejected, or is going to be.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Releasing(refusal) | Self::Rejected(refusal) => Some(refusal),
            Self::Reserving | Self::Charging | Self::Completed => None,
        }
    }

    /// Reads what [`Self::name`] and [`Self::refusal`] wrote.
    pub fn from_row(name: &str, refusal: Option<Refusal>) -> Result<Self, BadState> {
        match (name, refusal) {
            ("reserving", None) => Ok(Self::Reserving),
            ("charging", None) => Ok(Self::Charging),
            ("releasing", Some(refusal)) => Ok(Self::Releasing(refusal)),
            ("completed", None) => Ok(Self::Completed),
            ("rejected", Some(refusal)) => Ok(Self::Rejected(refusal)),
            (name, refusal) => Err(BadState {
                name: name.to_owned(),
                refusal,
            }),
        }
    }
}

#[cfg(test)]
mod tests;

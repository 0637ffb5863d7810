//! Nothing is planted.

use std::io;

use protocol::failpoint::Moment;

use crate::Bug;

/// Whether this bug is in this process.
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}

/// Prepares what is planted.
///
/// # Errors
/// None in this build.
pub const fn start() -> io::Result<()> {
    Ok(())
}

/// The steps that a transaction takes, for the failpoints around it.
#[derive(Debug, Clone, Copy)]
pub struct Steps;

impl Steps {
    /// No step of a saga.
    #[must_use]
    pub const fn none() -> Self {
        Self
    }

    /// The steps that these messages ask for.
    #[must_use]
    pub fn of<'a>(_messages: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self
    }

    /// A step that no message asks for.
    #[must_use]
    pub const fn named(_step: &'static str) -> Self {
        Self
    }

    /// Crashes the process where it is to crash here.
    pub const fn reach(&self, _moment: Moment) {}
}

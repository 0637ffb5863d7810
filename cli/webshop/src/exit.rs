//! How the program ends. The numbers are a promise to scripts.

use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::printer::Printer;

/// Every exit code there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; for a verdict: PASS.
    Pass = 0,
    /// At least one consistency check failed.
    Violation = 1,
    /// Too little evidence for a verdict.
    Unknown = 2,
    /// Consistent, but over the budget for recovery time or availability.
    Slo = 3,
    /// Docker or the stack could not do what was asked.
    Harness = 4,
    /// The command line or a file given on it is wrong.
    Usage = 64,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints what clap has to say; its own code 2 would read as UNKNOWN.
pub(crate) fn of_usage(printer: &Printer, error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            // Nobody reads (`webshop --help | head -1`): that is no failure.
            Ok(()) | Err(_) => Exit::Pass,
        },
        _ => {
            // It quotes what it was given.
            printer.note(error.render().ansi().to_string().trim_end());
            Exit::Usage
        }
    }
}

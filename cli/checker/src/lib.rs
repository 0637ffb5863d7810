//! Judges a run of the shop: its clients' history and the databases' final rows in, a verdict out.
//!
//! Pure: no IO, no clock, no randomness, so a stored run is judged the same again on any machine.
//!
//! ```text
//! let history = History::parse(&bytes)?;             // history.jsonl, see `history`
//! let initial: Initial = …;                          // rows before the load, see `snapshot`
//! let snapshots: Vec<Snapshot> = …;                  // two final reads, a few seconds apart
//! let evidence: Evidence = …;                        // what the harness saw, see `evidence`
//! let planned = Planned { … };                       // what the plan says of all of these, see `evidence`
//! let judgement = judge(&Run { planned: &planned, history: &history, initial: &initial,
//!                              snapshots: &snapshots, evidence: &evidence,
//!                              budgets: &Budgets::default() });
//! ExitCode::from(judgement.exit_code)
//! ```
//!
//! While a run goes on, [`outcome::classify`] says what each HTTP exchange means.

pub mod availability;
mod book;
mod check;
pub mod contents;
mod effect;
pub mod evidence;
mod explain;
pub mod history;
mod judge;
pub mod outcome;
#[cfg(any(test, feature = "testing"))]
pub mod sample;
pub mod snapshot;
pub mod story;
pub mod verdict;

pub use evidence::Evidence;
pub use history::History;
pub use judge::{Run, judge};
pub use snapshot::{Initial, Snapshot};
pub use story::{Story, story};
pub use verdict::{Budgets, Judgement, Verdict};

#[cfg(any(test, feature = "testing"))]
#[allow(clippy::unwrap_used, reason = "test code")]
#[cfg_attr(
    not(test),
    allow(
        dead_code,
        unused_imports,
        reason = "the tests of other crates need a part of it"
    )
)]
mod testing;

//! The program as its users meet it, and the rules that its sources keep.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

mod help;
mod hostile;
mod large;
mod output;
mod printed;
mod refusals;
mod report;
mod scenario;
mod tidy;
mod verify;

//! The Docker adapter against a fake engine.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

mod deploy;
mod engine;
mod fake;
mod overview;
mod remove;

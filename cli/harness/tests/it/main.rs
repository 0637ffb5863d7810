//! The Docker adapter against a fake engine, and the report in a real browser.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

mod browser;
mod deploy;
mod engine;
mod fake;
mod faults;
mod flash_sale;
mod generator;
mod mock_shop;
mod overview;
mod remove;

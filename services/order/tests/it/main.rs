#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

mod batch_init;
mod cart;
mod checkout;
mod lane;
mod misdeeds;
mod shop;

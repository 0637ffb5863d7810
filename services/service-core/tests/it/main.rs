#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

mod cache;
mod chaos_proxy;
mod idempotency;
mod lane;
mod wait;

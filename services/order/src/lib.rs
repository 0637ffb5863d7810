//! The order service: carts, checkouts, and the saga that ties stock and payment together.
//!
//! A checkout is admitted ([`admission`]) in a transaction with others, which starts a saga; its replies
//! come in on the order lane ([`replies`]) and move it on as [`saga`] says; the request waits meanwhile
//! ([`waiting`]) and hears of the end from this replica or another one ([`notification`]).

pub mod admission;
pub mod app;
pub mod command;
pub mod config;
pub mod http;
pub mod notification;
pub mod price;
pub mod replies;
pub mod saga;
pub mod store;
pub mod waiting;

//! The CLI's eyes inside the network. It holds no state and no privileges: every answer is read from the
//! databases, the brokers, Redis or the services at that moment, and every name is resolved again.

pub mod config;
pub mod counters;
pub mod databases;
pub mod digest;
pub mod direct;
pub mod error;
pub mod kafka;
pub mod lanes;
pub mod quorum;
pub mod redis;
pub mod rows;
pub mod serve;
pub mod services;
pub mod sql;

//! What all service binaries share.
//!
//! [`postgres`] knows which database node is the primary and retries what a failover breaks;
//! [`idempotency`] makes every mutating request happen once; [`lane`] turns a Kafka partition into
//! transactions with exactly-once effects. The rest is plumbing: configuration, telemetry, HTTP
//! answers, Kafka and Redis clients, shutdown.

pub mod cache;
pub mod config;
pub mod health;
pub mod http;
pub mod idempotency;
pub mod inbox;
pub mod kafka;
pub mod lane;
pub mod postgres;
pub mod serve;
pub mod shutdown;
pub mod telemetry;

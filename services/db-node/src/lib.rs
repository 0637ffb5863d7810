//! PID 1 of a database container: decides how its node starts, watches the primary, and lets nobody become
//! primary without a peer's durable word.
//!
//! [`decide`] and [`gate`] are pure: facts in, a decision out. [`node`] is the one task that acts on them, so
//! that granting and promoting exclude each other. Around it: [`durable`] (what must survive a kill),
//! [`postgres`] (processes, configuration, SQL), [`peers`] and [`http`] (what nodes tell each other),
//! [`repmgr`] (registration, and a second, slower detector).
//!
//! **Invariant:** within one epoch at most one node is primary. To lead an epoch takes the node's own durable
//! vote and one of its two peers': a majority of three.
//!
//! **Invariant:** whoever votes for an epoch first stops feeding every older primary, so nothing that an older
//! primary acknowledges afterwards exists, and nothing that it acknowledged before is missing.

pub mod children;
pub mod config;
pub mod data_dir;
pub mod decide;
pub mod durable;
pub mod gate;
pub mod http;
pub mod node;
pub mod peers;
pub mod postgres;
pub mod repmgr;
pub mod shared;
pub mod watch;

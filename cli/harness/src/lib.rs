//! Drives a real cluster: the Docker engine, images, deployment, load, faults, recording.
//!
//! Start with [`cluster::Cluster`], the handle that every operation takes, and [`stack::deploy`], which
//! brings a stack up. Progress leaves as [`event::Event`]s; nothing here prints.

pub mod agent;
mod axis;
pub mod bench;
pub mod cluster;
pub mod converge;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod event;
mod exec;
pub mod fault;
pub mod image;
pub mod inside;
pub mod load;
pub mod lock;
pub mod printable;
pub mod project;
pub mod recorder;
pub mod report;
pub mod run;
pub mod rundir;
pub mod scenario;
pub mod selftest;
pub mod settle;
pub mod snapshot;
pub mod stack;
pub mod target;
pub mod tasks;
pub mod timestamp;
pub mod units;
pub mod wait;

pub use cluster::Cluster;
pub use engine::Engine;
pub use error::{Error, Result};
pub use event::{Event, Events};
pub use project::Project;

#[cfg(test)]
mod testing;

//! Drives a real cluster: the Docker engine, images, deployment, load, faults, recording.
//!
//! Start with [`cluster::Cluster`], the handle that every operation takes. Progress leaves as
//! [`event::Event`]s; nothing here prints.

pub mod cluster;
pub mod engine;
pub mod error;
pub mod event;
pub mod project;
pub mod units;
pub mod wait;

pub use cluster::Cluster;
pub use engine::Engine;
pub use error::{Error, Result};
pub use event::{Event, Events};
pub use project::Project;

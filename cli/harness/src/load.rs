//! Open-loop load: requests leave when the schedule says, whether or not the shop keeps up, and latency
//! counts from that moment.

pub mod client;
pub mod data;
pub mod exchange;
pub mod generator;
pub mod mix;
pub mod schedule;
pub mod stats;
pub mod workload;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::client::Client;
pub use self::data::{Data, Sizes};
pub use self::generator::{Generator, Offered};
pub use self::mix::Mix;
pub use self::stats::{Figures, Stats};

/// What kind of load to offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Operations a second.
    pub rate: f64,
    pub mix: Mix,
    /// Decides every random choice of the load.
    pub seed: u64,
    /// A request that has no whole answer by then is given up: its outcome is unknown.
    pub request_timeout_ms: u64,
    /// How often an operation of unknown outcome is sent again, under the same identity.
    pub retries: u32,
}

impl Profile {
    /// The bound of one request.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    /// How many connections stand before anything is due: what is due in 50 ms, more than is under way at a server
    /// that is quick. Opening one takes longer than a request on one that stands, so a first moment whose requests
    /// all open their own is one that the rest never catches up with.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float to integer cast saturates, and the rate is positive"
    )]
    pub fn connections_first(&self) -> usize {
        ((self.rate * 0.05).ceil() as usize).min(self.in_flight_max())
    }

    /// How many requests may be under way. Enough for the shop to be away for a whole request timeout;
    /// what is due beyond that is recorded as never sent.
    #[must_use]
    pub fn in_flight_max(&self) -> usize {
        const LEAST: usize = 64;
        // The engine's proxy of a published port ends, with every connection it carries, when it runs out of
        // file descriptors, of which a connection takes six: 20 000 are the least seen.
        const MOST: usize = 3072;
        // In range: the rate is positive and checked, and the result is clamped.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float to integer cast saturates"
        )]
        let wanted = (self.rate * self.request_timeout().as_secs_f64()) as usize;
        wanted.clamp(LEAST, MOST)
    }
}

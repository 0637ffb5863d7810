//! The engine's Swarm: made where there is none.

use std::net::UdpSocket;

use bollard::models::{LocalNodeState, SwarmInitRequest};

use super::Engine;
use crate::error::{Error, Result};
use crate::event::Events;

/// Loopback is enough for a Swarm of one, and opens nothing to the network.
const LOOPBACK: &str = "127.0.0.1";
/// An address of the documentation range: a route to it tells which address of ours faces outwards.
const OUTWARDS: &str = "192.0.2.1:9";

impl Engine {
    /// Makes the engine a Swarm of one node if it is in none.
    ///
    /// # Errors
    /// [`Error::NotManager`] where it is a worker of somebody's Swarm.
    pub async fn ensure_swarm(&self, events: &Events) -> Result<()> {
        if self.is_manager().await? {
            return Ok(());
        }
        let mut refused = None;
        for address in [Some(LOOPBACK.to_owned()), outward_address()] {
            let Some(address) = address else { continue };
            let request = SwarmInitRequest {
                listen_addr: Some(format!("{address}:2377")),
                advertise_addr: Some(address.clone()),
                ..SwarmInitRequest::default()
            };
            match self.docker().init_swarm(request).await {
                Ok(_node) => {
                    events.note("this engine is now a Swarm of one node");
                    return Ok(());
                }
                // Somebody else was faster, and that is as good.
                Err(_) if self.is_manager().await? => return Ok(()),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) => Err(Error::docker("make this engine a Swarm", error)),
            None => Err(Error::NotManager),
        }
    }

    /// Whether the engine manages a Swarm; `false` where it is in none.
    ///
    /// # Errors
    /// [`Error::NotManager`] where it is a worker, or its Swarm is locked or has no leader.
    pub async fn is_manager(&self) -> Result<bool> {
        let info = self
            .docker()
            .info()
            .await
            .map_err(|error| Error::docker("ask the engine about its Swarm", error))?;
        let swarm = info.swarm.unwrap_or_default();
        match swarm.local_node_state {
            None | Some(LocalNodeState::EMPTY | LocalNodeState::INACTIVE) => Ok(false),
            Some(LocalNodeState::ACTIVE) if swarm.control_available == Some(true) => Ok(true),
            Some(
                LocalNodeState::ACTIVE
                | LocalNodeState::PENDING
                | LocalNodeState::ERROR
                | LocalNodeState::LOCKED,
            ) => Err(Error::NotManager),
        }
    }
}

/// The address of this machine that the default route would use. Sends nothing.
fn outward_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect(OUTWARDS).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then(|| address.to_string())
}

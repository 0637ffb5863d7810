//! The Docker engine: where it is, whether it is new enough, and its Swarm.

mod context;
mod disk;
mod swarm;

use std::path::PathBuf;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker, query_parameters::InspectNetworkOptions};

use crate::error::{Error, Result};

/// The oldest engine that has been tried: 20.10.
const API_OLDEST: (usize, usize) = (1, 41);
/// How long an engine may take to say which one it is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long any one call may take until its answer begins.
const CALL_TIMEOUT_SECONDS: u64 = 120;

/// Every Swarm's own name for it.
const SWARM_BRIDGE: &str = "docker_gwbridge";

/// Where to look for the engine.
#[derive(Debug, Clone, Default)]
pub struct Endpoint {
    /// `DOCKER_HOST`; goes before everything else.
    pub host: Option<String>,
    /// `DOCKER_CONTEXT`; goes before the configured one.
    pub context: Option<String>,
    /// Where Docker's client keeps its configuration, normally `~/.docker`.
    pub config_dir: Option<PathBuf>,
}

/// A connection to an engine that answered. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    host: String,
    version: String,
}

impl Engine {
    /// Finds the engine, asks for its version and settles on an API version that both speak.
    ///
    /// # Errors
    /// [`Error::NoEngine`] where nothing answers, [`Error::EngineTooOld`], [`Error::DockerContext`].
    pub async fn connect(endpoint: &Endpoint) -> Result<Self> {
        let host = context::host(endpoint)?;
        let absent = |source| Error::NoEngine {
            host: host.clone(),
            source: Some(Box::new(source)),
        };
        let docker = open(&host).map_err(absent)?;
        let hello = async {
            let docker = docker.negotiate_version().await?;
            let version = docker.version().await?;
            Ok((docker, version))
        };
        let (docker, version) = match tokio::time::timeout(CONNECT_TIMEOUT, hello).await {
            Ok(answer) => answer.map_err(absent)?,
            Err(_elapsed) => return Err(Error::NoEngine { host, source: None }),
        };
        let api = docker.client_version();
        if (api.major_version, api.minor_version) < API_OLDEST {
            return Err(Error::EngineTooOld {
                found: api.to_string(),
                needed: format!("{}.{}", API_OLDEST.0, API_OLDEST.1),
            });
        }
        Ok(Self {
            docker,
            host,
            version: version.version.unwrap_or_default(),
        })
    }

    /// The client, for calls that need no more than one line.
    pub const fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The engine's address, as `DOCKER_HOST` would have it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The engine's version, such as `20.10.24`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether the engine runs on this machine: only then can its ports be probed from here.
    pub fn is_local(&self) -> bool {
        self.host.starts_with("unix://")
    }

    /// The address of the bridge by which this machine's Swarm tasks reach the world. What is sent there to a published
    /// port is turned to its task by the kernel; what is sent to loopback goes through a process of the engine, which
    /// reads and writes all of it once more. `None` where there is no such bridge.
    pub async fn bridge(&self) -> Option<String> {
        if !self.is_local() {
            return None;
        }
        let found = self
            .docker
            .inspect_network(SWARM_BRIDGE, None::<InspectNetworkOptions>)
            .await;
        let configured = found.ok()?.ipam?.config?.into_iter();
        configured
            .filter_map(|range| range.gateway)
            .find(|gateway| !gateway.is_empty())
    }

    /// The address under which published ports answer.
    pub fn published_host(&self) -> &str {
        self.host
            .split_once("://")
            .filter(|(scheme, _)| *scheme == "tcp" || *scheme == "http")
            .and_then(|(_, rest)| rest.rsplit_once(':'))
            .map_or("127.0.0.1", |(host, _port)| host)
    }
}

fn open(host: &str) -> std::result::Result<Docker, bollard::errors::Error> {
    if host.starts_with("tcp://") || host.starts_with("http://") {
        Docker::connect_with_http(host, CALL_TIMEOUT_SECONDS, API_DEFAULT_VERSION)
    } else if host.starts_with("unix://") {
        Docker::connect_with_unix(host, CALL_TIMEOUT_SECONDS, API_DEFAULT_VERSION)
    } else {
        Err(bollard::errors::Error::UnsupportedURISchemeError {
            uri: host.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_where_nothing_listens_is_no_engine() {
        let endpoint = Endpoint {
            host: Some("tcp://127.0.0.1:1".to_owned()),
            ..Endpoint::default()
        };
        let error = Engine::connect(&endpoint).await.unwrap_err();
        assert!(matches!(&error, Error::NoEngine { host, .. } if host == "tcp://127.0.0.1:1"));
    }

    #[tokio::test]
    async fn a_scheme_that_cannot_be_spoken_is_no_engine() {
        let endpoint = Endpoint {
            host: Some("ssh://somewhere".to_owned()),
            ..Endpoint::default()
        };
        let error = Engine::connect(&endpoint).await.unwrap_err();
        assert!(matches!(error, Error::NoEngine { .. }), "{error}");
    }
}

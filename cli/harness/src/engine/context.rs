//! Docker contexts: which engine the user's own `docker` would talk to.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Endpoint;
use crate::error::{Error, Result};

const LOCAL_SOCKET: &str = "unix:///var/run/docker.sock";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    current_context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: DockerEndpoint,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEndpoint {
    host: String,
}

/// The engine's address, in the order of Docker's client: `DOCKER_HOST`, `DOCKER_CONTEXT`, the
/// configured context, the local socket.
pub(super) fn host(endpoint: &Endpoint) -> Result<String> {
    if let Some(host) = &endpoint.host {
        return Ok(host.clone());
    }
    let Some(config_dir) = &endpoint.config_dir else {
        return Ok(LOCAL_SOCKET.to_owned());
    };
    let name = match &endpoint.context {
        Some(name) => Some(name.clone()),
        None => configured(config_dir),
    };
    match name.as_deref() {
        None | Some("" | "default") => Ok(LOCAL_SOCKET.to_owned()),
        Some(name) => of_context(config_dir, name),
    }
}

/// The context that `docker context use` chose. A configuration that cannot be read chooses none,
/// as it does for Docker's client.
fn configured(config_dir: &Path) -> Option<String> {
    let text = std::fs::read_to_string(config_dir.join("config.json")).ok()?;
    match serde_json::from_str::<Config>(&text) {
        Ok(config) => config.current_context,
        Err(error) => {
            tracing::warn!(%error, "the configuration of Docker's client cannot be read");
            None
        }
    }
}

fn of_context(config_dir: &Path, name: &str) -> Result<String> {
    let bad = |reason: String| Error::DockerContext {
        name: name.to_owned(),
        reason,
    };
    let id = hex(&Sha256::digest(name));
    let path = config_dir.join("contexts/meta").join(id).join("meta.json");
    let text = std::fs::read_to_string(&path).map_err(|error| bad(error.to_string()))?;
    let meta: Meta = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    Ok(meta.endpoints.docker.host)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_context(current: &str) -> (tempfile::TempDir, Endpoint) {
        let dir = tempfile::tempdir().unwrap();
        let meta = dir
            .path()
            .join("contexts/meta")
            .join(hex(&Sha256::digest("far")));
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(
            meta.join("meta.json"),
            r#"{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:2375","SkipTLSVerify":false}}}"#,
        )
        .unwrap();
        std::fs::write(
            dir.path().join("config.json"),
            format!(r#"{{"auths":{{}},"currentContext":"{current}"}}"#),
        )
        .unwrap();
        let endpoint = Endpoint {
            config_dir: Some(dir.path().to_owned()),
            ..Endpoint::default()
        };
        (dir, endpoint)
    }

    #[test]
    fn the_configured_context_is_followed() {
        let (_dir, endpoint) = with_context("far");
        assert_eq!(host(&endpoint).unwrap(), "tcp://far:2375");
    }

    #[test]
    fn docker_host_goes_first() {
        let (_dir, mut endpoint) = with_context("far");
        endpoint.host = Some("tcp://near:1".to_owned());
        assert_eq!(host(&endpoint).unwrap(), "tcp://near:1");
    }

    #[test]
    fn without_a_context_it_is_the_local_socket() {
        let (_dir, endpoint) = with_context("default");
        assert_eq!(host(&endpoint).unwrap(), LOCAL_SOCKET);
        assert_eq!(host(&Endpoint::default()).unwrap(), LOCAL_SOCKET);
    }

    #[test]
    fn a_context_that_does_not_exist_is_an_error() {
        let (_dir, mut endpoint) = with_context("default");
        endpoint.context = Some("gone".to_owned());
        let error = host(&endpoint).unwrap_err();
        assert!(matches!(&error, Error::DockerContext { name, .. } if name == "gone"));
    }
}

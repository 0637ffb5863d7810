//! The stack file: the part of the compose format that is understood, read strictly. A key that is
//! not listed here is refused by name and line, because ignoring it would deploy something else than
//! what the file says.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::interpolate::interpolate;
use crate::error::{Error, Result};
use crate::units;

/// A whole stack file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    pub services: BTreeMap<String, Service>,
    pub networks: BTreeMap<String, Network>,
    pub volumes: BTreeMap<String, Volume>,
    pub secrets: BTreeMap<String, Secret>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub image: String,
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, Scalar>,
    #[serde(default)]
    pub networks: Vec<String>,
    #[serde(default)]
    pub ports: Vec<Port>,
    /// `name:path`
    #[serde(default)]
    pub volumes: Vec<String>,
    #[serde(default)]
    pub secrets: Vec<String>,
    #[serde(default)]
    pub cap_drop: Vec<String>,
    pub logging: Option<Logging>,
    #[serde(default, deserialize_with = "optional_duration")]
    pub stop_grace_period: Option<Duration>,
    #[serde(default)]
    pub deploy: Deploy,
    /// Resolver options; `docker stack deploy` has no key for them and passes over `x-…`.
    #[serde(default, rename = "x-dns-opt")]
    pub dns_opt: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    pub target: u16,
    pub published: u16,
    pub protocol: Protocol,
    pub mode: PublishMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
}

/// Ingress publishing needs IPVS, which not every kernel has: it is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishMode {
    Host,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    pub driver: String,
    #[serde(default)]
    pub options: BTreeMap<String, Scalar>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    #[serde(default)]
    pub mode: Mode,
    pub replicas: Option<u32>,
    pub endpoint_mode: Option<EndpointMode>,
    pub restart_policy: Option<RestartPolicy>,
    pub update_config: Option<UpdateConfig>,
    #[serde(default)]
    pub placement: Placement,
    #[serde(default)]
    pub labels: BTreeMap<String, Scalar>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Replicated,
    Global,
}

/// Virtual IPs need IPVS as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointMode {
    Dnsrr,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartPolicy {
    pub condition: Condition,
    #[serde(default, deserialize_with = "optional_duration")]
    pub delay: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    None,
    OnFailure,
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateConfig {
    pub order: UpdateOrder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    StopFirst,
    StartFirst,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    #[serde(default)]
    pub constraints: Vec<String>,
    #[serde(default)]
    pub preferences: Vec<Preference>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preference {
    pub spread: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    pub driver: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    pub external: bool,
    pub name: String,
}

/// A value that is text in the end, however it is written: `"3"`, `3`, `true`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar(pub String);

impl File {
    /// Reads a stack file.
    ///
    /// # Errors
    /// [`Error::Compose`] with the file's name and the line.
    pub fn read(path: &Path, variables: &BTreeMap<String, String>) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::io(format!("read {}", path.display()), source))?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self::parse(&name.to_string_lossy(), &text, variables)
    }

    /// Reads the text of a stack file called `file`.
    ///
    /// # Errors
    /// [`Error::Compose`] with the line.
    pub fn parse(file: &str, text: &str, variables: &BTreeMap<String, String>) -> Result<Self> {
        let wrong = |line, message| Error::Compose {
            file: file.to_owned(),
            line,
            message,
        };
        let text =
            interpolate(text, variables).map_err(|mistake| wrong(mistake.line, mistake.message))?;
        let parsed: Self = serde_saphyr::from_str(&text).map_err(|error| {
            let line = error.location().map_or(0, |location| location.line());
            wrong(line, message(&error))
        })?;
        parsed.check().map_err(|message| wrong(0, message))?;
        Ok(parsed)
    }

    /// Gives a service that many tasks.
    ///
    /// # Errors
    /// Nothing of that name can have more than one: the names of those that can. A service with a volume cannot, nor one
    /// that runs once on each node.
    pub fn scale(&mut self, name: &str, replicas: u32) -> std::result::Result<(), Vec<String>> {
        let scales = |service: &Service| {
            service.deploy.mode == Mode::Replicated && service.volumes.is_empty()
        };
        match self.services.get_mut(name) {
            Some(service) if scales(service) => {
                service.deploy.replicas = Some(replicas);
                Ok(())
            }
            Some(_) | None => Err(self
                .services
                .iter()
                .filter(|(_, service)| scales(service))
                .map(|(name, _)| name.clone())
                .collect()),
        }
    }

    /// Every name that a service uses is defined.
    fn check(&self) -> std::result::Result<(), String> {
        for (name, service) in &self.services {
            let absent = |kind: &str, used: &str| {
                Err(format!(
                    "service {name} uses the {kind} `{used}`, which is not defined"
                ))
            };
            for network in &service.networks {
                if !self.networks.contains_key(network) {
                    return absent("network", network);
                }
            }
            for secret in &service.secrets {
                if !self.secrets.contains_key(secret) {
                    return absent("secret", secret);
                }
            }
            for mount in &service.volumes {
                let Some((volume, path)) = mount.split_once(':') else {
                    return Err(format!(
                        "service {name}: the volume `{mount}` is not NAME:PATH"
                    ));
                };
                if !path.starts_with('/') {
                    return Err(format!("service {name}: `{path}` is not an absolute path"));
                }
                if !self.volumes.contains_key(volume) {
                    return absent("volume", volume);
                }
            }
        }
        Ok(())
    }
}

/// The parser's words without its picture of the place: the line is said by the error already.
fn message(error: &serde_saphyr::Error) -> String {
    if let serde_saphyr::Error::SerdeUnknownField {
        field, expected, ..
    } = error.without_snippet()
    {
        return format!("unknown key `{field}`; known here: {}", expected.join(", "));
    }
    error.without_snippet().to_string()
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TopLevel)
    }
}

const TOP_LEVEL: &[&str] = &[
    "version", "services", "networks", "volumes", "secrets", "x-…",
];

/// By hand, because `x-…` is allowed here and nowhere else.
struct TopLevel;

impl<'de> Visitor<'de> for TopLevel {
    type Value = File;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stack file")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
        let mut file = File::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "services" => file.services = map.next_value()?,
                "networks" => file.networks = map.next_value()?,
                "volumes" => file.volumes = map.next_value()?,
                "secrets" => file.secrets = map.next_value()?,
                // `docker stack deploy` asks for it; it has no meaning of its own any more.
                "version" => {
                    map.next_value::<IgnoredAny>()?;
                }
                extension if extension.starts_with("x-") => {
                    map.next_value::<IgnoredAny>()?;
                }
                unknown => return Err(A::Error::unknown_field(unknown, TOP_LEVEL)),
            }
        }
        Ok(file)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ScalarText)
    }
}

struct ScalarText;

impl Visitor<'_> for ScalarText {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number or a boolean")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar(number.to_string()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }
}

fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    units::duration(&text).map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

//! What can go wrong while a cluster is driven, told apart by what the caller does next.

use std::path::{Path, PathBuf};

use checker::evidence::LOOKS_MIN;

use crate::{
    printable,
    scenario::{file::Mistake, place::Place},
};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How the program ends after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request itself is wrong: nothing was tried.
    Usage,
    /// Docker or the stack could not do what was asked.
    Harness,
    /// The user asked to stop.
    Interrupted,
}

/// Every failure of this crate. `Display` says what was attempted, `source` why it failed,
/// [`Error::hint`] what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no Docker engine answers at {host}")]
    NoEngine {
        host: String,
        #[source]
        source: Option<Box<bollard::errors::Error>>,
    },
    #[error("the Docker engine speaks API {found}, at least {needed} is needed")]
    EngineTooOld { found: String, needed: String },
    #[error("this engine is part of a Swarm but not one of its managers")]
    NotManager,
    #[error("cannot use the Docker context `{name}`: {reason}")]
    DockerContext { name: String, reason: String },
    #[error("cannot {action}")]
    Docker {
        action: String,
        #[source]
        source: Box<bollard::errors::Error>,
    },
    #[error("cannot {action}")]
    Io {
        action: String,
        #[source]
        source: std::io::Error,
    },
    #[error("no webshop checkout at or above {from}", from = from.display())]
    NoProject { from: PathBuf },
    #[error("{file}:{line}: {message}")]
    Compose {
        file: String,
        line: u64,
        message: String,
    },
    #[error("port {port} of this machine is taken{by}")]
    PortTaken { port: u16, by: String },
    #[error("the disk of the Docker engine is full: cannot {action}")]
    NoSpace { action: String },
    #[error("building the image {image} failed\n{log}")]
    Build { image: String, log: String },
    #[error("building the service binaries failed\n{log}")]
    Cargo { log: String },
    /// `found` in a release image, or not found in a test image.
    #[error("the image {image} {} planted code (`{mark}`)", if *found { "has" } else { "lacks its" })]
    PlantedCode {
        image: String,
        mark: &'static str,
        found: bool,
    },
    #[error("there is no mutant `{name}`")]
    NoMutant {
        name: String,
        known: Vec<&'static str>,
    },
    #[error("no base image: {reason}")]
    NoBase { reason: String },
    #[error("volumes of stack `{stack}` hold databases whose passwords are gone: {volumes}")]
    SecretsGone { stack: String, volumes: String },
    #[error("stack `{stack}` was made with profile {existing}, not {wanted}")]
    ProfileMismatch {
        stack: String,
        existing: String,
        wanted: String,
    },
    #[error("stack `{stack}` has volumes whose only bound is the machine's disk")]
    VolumesUnbound { stack: String },
    #[error("the volume {volume} has {} GiB: filling it would fill the machine's disk", bytes >> 30)]
    NoBound { volume: String, bytes: u64 },
    #[error("stack `{stack}` runs release images, which have no failpoints")]
    NoFailpoints { stack: String },
    #[error("stack `{stack}` is not deployed")]
    NoStack { stack: String },
    #[error("`{stack}` is not the name of a stack")]
    BadStackName { stack: String },
    #[error("no service `{service}` in stack `{stack}`")]
    UnknownService {
        service: String,
        stack: String,
        known: Vec<String>,
    },
    #[error("not converged after {waited}: {what}", waited = crate::units::human(*waited))]
    NotConverged {
        waited: std::time::Duration,
        what: String,
    },
    #[error("gave up after {waited} waiting for {what}; last seen: {last}", waited = crate::units::human(*waited))]
    Timeout {
        what: String,
        waited: std::time::Duration,
        last: String,
    },
    #[error("interrupted")]
    Interrupted,
    #[error("the agent cannot say: {reason}")]
    Agent { reason: String },
    #[error("{attempt}")]
    Http {
        attempt: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("preparing the data failed: {request}: {reason}")]
    Prepare { request: String, reason: String },
    #[error("nothing in stack `{stack}` is called `{target}`")]
    UnknownTarget {
        target: String,
        stack: String,
        near: Vec<String>,
        known: Vec<String>,
    },
    #[error("`{target}` names nothing: {reason}")]
    BadTarget { target: String, reason: String },
    #[error("`{target}` is nothing right now: {reason}")]
    NoTarget { target: String, reason: String },
    #[error("{}", several_primaries(database, nodes, *looks))]
    SplitBrain {
        database: String,
        nodes: Vec<String>,
        /// How many looks in a row saw the same.
        looks: u32,
    },
    /// What a step of a fault said when it failed.
    #[error("a fault did not work: {reason}")]
    Fault { reason: String },
    #[error("this engine's kernel cannot do `{verb}`: {reason}")]
    Kernel { verb: &'static str, reason: String },
    #[error("the image that faults are made with is not built")]
    NoFaultImage,
    #[error("stack `{stack}` is in use: {holder}")]
    Locked { stack: String, holder: String },
    #[error("{path}: {reason}", path = path.display())]
    Run { path: PathBuf, reason: String },
    #[error("there is no run in {dir}", dir = dir.display())]
    NoRun { dir: PathBuf },
    #[error("{}", wrong(file, mistakes))]
    Scenario {
        file: PathBuf,
        mistakes: Vec<Mistake>,
    },
    #[error("no scenario `{name}`")]
    NoScenario { name: String, known: Vec<String> },
    #[error("the run {run} has not been judged")]
    NotJudged { run: String },
    #[error("the argument `{}` has characters that cannot be seen", argument.escape_debug())]
    HiddenCharacters { argument: String },
    #[error("cannot write JSON")]
    Json(#[source] serde_json::Error),
}

/// What is certain has the name of the defect.
fn several_primaries(database: &str, nodes: &[String], looks: u32) -> String {
    let nodes = nodes.join(", ");
    if looks >= LOOKS_MIN {
        format!("SPLIT_BRAIN: {database} has several primaries: {nodes}")
    } else {
        format!(
            "at one look {database} had several primaries ({nodes}), and the looks do not agree"
        )
    }
}

impl Error {
    /// Whether it is two primaries of one database, as looks agree that it is certain.
    #[must_use]
    pub fn is_split_brain(&self) -> bool {
        matches!(self, Self::SplitBrain { looks, .. } if *looks >= LOOKS_MIN)
    }

    /// An engine call that failed; the engine's own "no space left" becomes its own variant.
    pub fn docker(action: impl Into<String>, source: bollard::errors::Error) -> Self {
        let action = action.into();
        if source.to_string().contains("no space left on device") {
            return Self::NoSpace { action };
        }
        Self::Docker {
            action,
            source: Box::new(source),
        }
    }

    /// A failure of the local system.
    pub fn io(action: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            action: action.into(),
            source,
        }
    }

    /// Something of ours that would not become JSON.
    pub fn json(source: serde_json::Error) -> Self {
        Self::Json(source)
    }

    /// The engine's HTTP status, where the engine answered at all.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Docker { source, .. } => match source.as_ref() {
                bollard::errors::Error::DockerResponseServerError { status_code, .. } => {
                    Some(*status_code)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// How the program should end.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Interrupted => Kind::Interrupted,
            Self::Compose { .. }
            | Self::UnknownService { .. }
            | Self::BadStackName { .. }
            | Self::ProfileMismatch { .. }
            | Self::NoFailpoints { .. }
            | Self::VolumesUnbound { .. }
            | Self::NoBound { .. }
            | Self::UnknownTarget { .. }
            | Self::BadTarget { .. }
            | Self::Run { .. }
            | Self::NoRun { .. }
            | Self::Scenario { .. }
            | Self::NoScenario { .. }
            | Self::NoMutant { .. }
            | Self::NotJudged { .. }
            | Self::HiddenCharacters { .. }
            | Self::NoProject { .. } => Kind::Usage,
            _ => Kind::Harness,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        self.stack_hint().or_else(|| self.run_hint())
    }

    /// Where the engine or the stack is not as it must be.
    fn stack_hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoEngine { .. } => {
                "start Docker, or let scripts/bootstrap.sh install and start it; DOCKER_HOST and docker contexts are respected".to_owned()
            }
            Self::EngineTooOld { .. } => {
                "Docker Engine 20.10 is the oldest that works; scripts/bootstrap.sh installs the one of your distribution".to_owned()
            }
            Self::NotManager => {
                "point DOCKER_HOST at a manager of the Swarm, or `docker swarm leave` to let this engine be one of its own".to_owned()
            }
            Self::DockerContext { .. } => {
                "`docker context ls` shows the contexts; DOCKER_HOST overrides them".to_owned()
            }
            Self::NoProject { .. } => {
                "run inside the checkout, or give --project-dir (WEBSHOP_PROJECT_DIR)".to_owned()
            }
            Self::PortTaken { port, .. } => {
                format!("choose another one: webshop up --port {}", port.saturating_add(1))
            }
            Self::NoSpace { .. } => "`docker system df` shows what takes the space".to_owned(),
            Self::Cargo { .. } => {
                "scripts/bootstrap.sh installs what a build needs (a C compiler and make)".to_owned()
            }
            Self::NoBase { .. } => {
                "as root, scripts/base-image.sh makes the image from Debian's package archive".to_owned()
            }
            Self::SecretsGone { stack, .. } => format!(
                "remove the old data and begin anew: webshop --stack {stack} down --volumes"
            ),
            Self::ProfileMismatch { stack, existing, .. } => format!(
                "keep it (--profile {existing}), or remove it first: webshop --stack {stack} down --volumes"
            ),
            Self::VolumesUnbound { stack } => format!(
                "they get one when they are made: webshop --stack {stack} down --volumes, then up --volume-size 1gb"
            ),
            Self::NoFailpoints { stack } => format!(
                "webshop --stack {stack} up --test-images, or run scenarios without a `crash`"
            ),
            Self::NoStack { stack } => format!("bring it up: webshop --stack {stack} up"),
            Self::BadStackName { .. } => {
                "letters, digits, `-` and `_`, beginning with a letter or digit, at most 40".to_owned()
            }
            Self::NoMutant { known, .. } => format!("there are: {}", known.join(", ")),
            Self::UnknownService { known, .. } => format!("its services: {}", known.join(", ")),
            Self::NotConverged { .. } => {
                "`webshop ps` shows every task, `webshop logs SERVICE` what it said; `webshop up` again goes on from here".to_owned()
            }
            _ => return None,
        };
        Some(hint)
    }

    /// Where a run cannot be made or found.
    fn run_hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownTarget { near, known, .. } => match near.as_slice() {
                [] => format!("there are: {}", known.join(", ")),
                near => format!(
                    "did you mean {}? `webshop targets` lists all there are",
                    near.join(" or ")
                ),
            },
            Self::BadTarget { .. } => "`webshop targets` lists the names and forms".to_owned(),
            Self::NoTarget { .. } => "`webshop ps` shows the state of the stack".to_owned(),
            Self::SplitBrain { .. } => {
                "`webshop ps` shows both; `webshop logs` what they said".to_owned()
            }
            Self::Kernel { .. } => {
                "`webshop doctor` tells what this kernel can do and what is missing".to_owned()
            }
            Self::NoBound { .. } => {
                "give volumes a bound: webshop down --volumes, then webshop up --volume-size 1gb"
                    .to_owned()
            }
            Self::NoFaultImage => "`webshop up` builds it".to_owned(),
            Self::Locked { .. } => {
                "wait for it, or stop it; another stack is another --stack NAME".to_owned()
            }
            Self::NoRun { .. } => {
                "record one first: webshop chaos --kill stock-db-primary".to_owned()
            }
            Self::NoScenario { known, .. } => {
                format!("a file, a directory, or one of: {}", known.join(", "))
            }
            Self::Scenario { .. } => {
                "`webshop scenario schema` is what an editor needs to help with it".to_owned()
            }
            Self::NotJudged { run } => format!("judge it first: webshop verify {run}"),
            _ => return None,
        };
        Some(hint)
    }
}

/// One line for each mistake, as compilers write them.
fn wrong(file: &Path, mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes
        .iter()
        .map(|mistake| {
            // What has no place is no `file:line:column`.
            let gap = if mistake.place == Place::default() {
                " "
            } else {
                ""
            };
            printable::line(&format!("{}:{gap}{mistake}", file.display()))
        })
        .collect();
    lines.join("\n")
}

//! The commands that look after the stack.

use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use harness::project::Profile;
use harness::stack::{SCALE_MAX, VOLUME_SIZE_MIN};
use harness::units;

/// Build what is missing, deploy the stack and wait until it answers. Safe to repeat: what is
/// there is left alone, what is broken is repaired.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop up
  webshop up --profile small --port 8080
  webshop up --volume-size 1gb
  webshop --stack second up --port 8001 --scale order=4")]
pub(crate) struct UpArgs {
    /// How much of the shop: `full` fails over, `small` has one node of everything and does not
    /// [default: what the stack has, else full]
    #[arg(long, value_enum)]
    pub(crate) profile: Option<ProfileArg>,

    /// The gateway's port on this machine [default: what the stack has, else 8000]
    #[arg(long, env = "WEBSHOP_PORT", hide_env_values = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,

    /// Replicas of a service, such as order=4; may be given several times
    #[arg(long, value_name = "SERVICE=N", value_parser = scale)]
    pub(crate) scale: Vec<(String, u32)>,

    /// How services reach their primary: directly, or through pgpool
    #[arg(long, value_enum, default_value_t = DbRoute::Direct, env = "WEBSHOP_DB_ROUTE", hide_env_values = true)]
    pub(crate) db_route: DbRoute,

    /// Bound each volume of the databases, brokers and Redis that is made, so that `chaos --fill-disk` can fill one
    /// [default: no bound but the machine's disk]
    #[arg(long, value_name = "SIZE", value_parser = volume_size)]
    pub(crate) volume_size: Option<u64>,

    /// How long the stack may take to come up once it is deployed
    #[arg(long, value_name = "DURATION", default_value = "180s", value_parser = units::duration)]
    pub(crate) wait_timeout: Duration,

    /// Build every image anew
    #[arg(long)]
    pub(crate) rebuild: bool,

    /// Run services and database nodes with failpoints in them, for scenarios that crash them on purpose
    #[arg(long)]
    pub(crate) test_images: bool,
}

fn volume_size(text: &str) -> Result<u64, String> {
    let size = units::read_bytes(text)?;
    if size < VOLUME_SIZE_MIN {
        let least = units::bytes(VOLUME_SIZE_MIN);
        return Err(format!("a node's data need at least {least}"));
    }
    Ok(size)
}

/// Which stack file to deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileArg {
    /// Three nodes per database, three brokers, two replicas of each service
    Full,
    /// One node of everything, no failover
    Small,
}

impl From<ProfileArg> for Profile {
    fn from(profile: ProfileArg) -> Self {
        match profile {
            ProfileArg::Full => Self::Full,
            ProfileArg::Small => Self::Small,
        }
    }
}

/// The way from a service to its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DbRoute {
    /// A pool that follows the primary
    Direct,
    /// The cluster's pgpool
    Pgpool,
}

impl DbRoute {
    /// As the stack file wants it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Pgpool => "pgpool",
        }
    }
}

/// Heal faults, remove the stack and wait until nothing of it runs. Data survives unless --volumes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop down
  webshop down --volumes")]
pub(crate) struct DownArgs {
    /// Remove the databases' and brokers' data too, and the secrets that open it
    #[arg(long)]
    pub(crate) volumes: bool,

    /// How long the removal may take
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = units::duration)]
    pub(crate) timeout: Duration,
}

/// Show services and tasks, and from inside: database roles, timelines and lag, Kafka's leaders,
/// consumer lag.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop ps
  webshop ps --format json | jq '.services[] | select(.running < .wanted)'")]
pub(crate) struct PsArgs {
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Look this machine over: the engine, its Swarm and kernel, port, disk, memory, clock, and what faults and runs have
/// left. Exits with 4 where something is in the way.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop doctor
  webshop doctor --format json | jq '.[] | select(.state != \"good\")'")]
pub(crate) struct DoctorArgs {
    /// The port that the gateway is to have
    #[arg(long, default_value_t = 8000, env = "WEBSHOP_PORT", hide_env_values = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,

    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Show every name that chaos understands and what it means right now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop targets
  webshop targets --format json")]
pub(crate) struct TargetsArgs {
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Show what a service's tasks have written, the dead ones' too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop logs order
  webshop logs stock-db-0 -f --tail 100")]
pub(crate) struct LogsArgs {
    /// The service, such as order or stock-db-0
    pub(crate) service: String,

    /// Go on as it is written, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// Begin with the last N lines of each task
    #[arg(long, value_name = "N")]
    pub(crate) tail: Option<u32>,

    /// Put the time before each line
    #[arg(short, long)]
    pub(crate) timestamps: bool,
}

/// Build the stack's images without deploying them, and print each one's name and reference.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop images
  webshop images | awk '$1 == \"database\" { print $2 }'")]
pub(crate) struct ImagesArgs {
    /// Build every image anew
    #[arg(long)]
    pub(crate) rebuild: bool,
}

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop completions bash > /etc/bash_completion.d/webshop")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

fn scale(text: &str) -> Result<(String, u32), String> {
    let (service, replicas) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not of the form SERVICE=N"))?;
    let replicas = replicas
        .parse()
        .map_err(|error| format!("`{replicas}` is not a number of replicas: {error}"))?;
    if replicas > SCALE_MAX {
        return Err(format!(
            "`{replicas}` replicas are too many: at most {SCALE_MAX}"
        ));
    }
    Ok((service.to_owned(), replicas))
}

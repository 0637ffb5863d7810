//! The commands that load the stack, break it and judge.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use harness::fault::action::{Count, Sides};
use harness::load::Mix;
use harness::scenario::Settle;
use harness::scenario::quantity::{BitRate, Cpus, Quantity, Share, Span};
use harness::units;
use protocol::OrderId;

use super::Format;

/// Load the shop at a fixed arrival rate and record every operation as a run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop load
  webshop load --rate 500/s --for 5m --seed 7
  webshop load --mix checkout=50%,find_order=50%
  webshop load --mix checkout=20%,create_order=20%,add_item=60%

Exit codes:
  0 the load was sent and recorded; nothing was judged: webshop verify does
  4 Docker or the stack failed")]
pub(crate) struct LoadArgs {
    /// How long
    #[arg(long = "for", value_name = "DURATION", default_value = "60s", value_parser = units::duration)]
    pub(crate) length: Duration,

    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
}

/// What the load is like.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load options")]
pub(crate) struct ShapeArgs {
    /// Operations that arrive per second, whether or not earlier ones have been answered
    #[arg(long, value_name = "RATE", default_value = "100/s", value_parser = units::rate)]
    pub(crate) rate: f64,

    /// What the operations are; the shares add up to 100%
    #[arg(long, value_name = "MIX", default_value_t)]
    pub(crate) mix: Mix,

    /// Makes the same operations again [default: a new one each time]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// When a request without an answer is given up: its outcome is then unknown
    #[arg(long, value_name = "DURATION", default_value = "35s", value_parser = units::duration)]
    pub(crate) request_timeout: Duration,

    /// How often an operation of unknown outcome is sent again
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) retries: u32,

    /// What to call the run: letters, digits, `-` and `_` [default: what it does]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Break something while the shop is under load, prove that each fault took effect and was over afterwards, and
/// record it all as a run.
///
/// Several faults are injected at once. The load goes on for as long as they take to heal, and a little longer.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  webshop chaos --kill stock-db-primary
  webshop chaos --kill order.1 --at 5s --for 20s --verify
  webshop chaos --kill stock --count all
  webshop chaos --pause order-db-primary --for 20s
  webshop chaos --partition 'stock-db-primary..stock-db-standby' --kill redis
  webshop chaos --loss kafka-1=30% --throttle order.2=0.05cpu
  webshop chaos --bandwidth kafka-leader:stock.commands='25% of now'
  webshop chaos --kill order --repeat 5 --every 20s
  webshop chaos --random --seed 1 --for 10m --verify
  webshop chaos --kill order-db-primary --dry-run
  webshop chaos --kill redis --print-scenario > scenarios/redis.yaml
  webshop chaos clear

Exit codes:
  with --verify, the verdict's
  0 without it: every fault was seen to take effect; nothing was judged
  1 a target was looked up, and two looks met two primaries of a database
  2 a fault was not seen to take effect, or not for as long as planned
  4 Docker or the stack failed"
)]
pub(crate) struct ChaosArgs {
    #[command(flatten)]
    pub(crate) faults: FaultArgs,

    /// When, counted from the start of the load
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = units::duration)]
    pub(crate) at: Duration,

    /// How long a fault that is held lasts, and how long the load goes on after the last injection, at least
    #[arg(long = "for", value_name = "DURATION", default_value = "20s", value_parser = units::duration)]
    pub(crate) length: Duration,

    /// How many of the tasks that a target names, at once: a number, a percentage, `majority` or `all`
    /// [default: one, or all where the name says so]
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<Count>,

    /// Inject the faults so many times, `--every` apart
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repeat: u32,

    /// From one injection to the next; with --random at most, and at least a third of it
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = units::duration)]
    pub(crate) every: Duration,

    /// Write straight to every database node all the time, past its pool and from within its network: no two may
    /// acknowledge at once, and nothing acknowledged may be missing
    #[arg(long)]
    pub(crate) direct_writes: bool,

    /// Only break it: such a run is no evidence, and verify says UNKNOWN
    #[arg(long)]
    pub(crate) no_load: bool,

    /// Judge the run right away; the exit code is the verdict's. Without it nothing is judged
    #[arg(long, conflicts_with = "no_load")]
    pub(crate) verify: bool,

    /// Show what would be hit; starts nothing, tries nothing and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print the scenario file that these options amount to, and change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "verify"])]
    pub(crate) print_scenario: bool,

    #[command(flatten)]
    pub(crate) shape: ShapeArgs,

    #[command(subcommand)]
    pub(crate) command: Option<ChaosCommand>,
}

/// What is done to whom; each option may be given several times.
#[derive(Debug, Args)]
#[command(next_help_heading = "Faults")]
#[group(required = true, multiple = true)]
pub(crate) struct FaultArgs {
    /// Kill the target's container; `webshop targets` lists the names
    #[arg(long, value_name = "TARGET")]
    pub(crate) kill: Vec<String>,

    /// Tell the target to stop, as the Swarm would; a new task takes its place
    #[arg(long, value_name = "TARGET")]
    pub(crate) stop: Vec<String>,

    /// Restart the target's whole service, task by task
    #[arg(long, value_name = "TARGET")]
    pub(crate) restart: Vec<String>,

    /// Kill the target's container and delete everything on its volume
    #[arg(long, value_name = "TARGET")]
    pub(crate) wipe: Vec<String>,

    /// Freeze every process of the target
    #[arg(long, value_name = "TARGET")]
    pub(crate) pause: Vec<String>,

    /// Cut the target off from everybody
    #[arg(long, value_name = "TARGET")]
    pub(crate) isolate: Vec<String>,

    /// Drop every packet between two targets (A..B), or those from one to the other (A->B)
    #[arg(long, value_name = "A..B")]
    pub(crate) partition: Vec<Sides>,

    /// Drop a share of the packets that reach the target
    #[arg(long, value_name = "TARGET=30%")]
    pub(crate) loss: Vec<Amount<Share>>,

    /// Reset the target's TCP connections, and every new one
    #[arg(long, value_name = "TARGET")]
    pub(crate) reset: Vec<String>,

    /// Let the target send no faster than that, or than a part of what it sends just then: `TARGET="25% of now"`
    #[arg(long, value_name = "TARGET=1mbit")]
    pub(crate) bandwidth: Vec<Amount<BitRate>>,

    /// Let what the target sends arrive later by that much; needs a kernel with sch_netem
    #[arg(long, value_name = "TARGET=200ms")]
    pub(crate) delay: Vec<Amount<Span>>,

    /// Give the target no more of the processors than that, or than a part of what it uses just then: `TARGET="25% of now"`
    #[arg(long, value_name = "TARGET=0.05cpu")]
    pub(crate) throttle: Vec<Amount<Cpus>>,

    /// Leave no room on the target's volume; needs volumes with a bound, as of `webshop up --volume-size 1gb`
    #[arg(long, value_name = "TARGET")]
    pub(crate) fill_disk: Vec<String>,

    /// Faults of all kinds that the seed draws, for as long as `--for` says and at most `--every` apart; two at once, but
    /// never on the same database, on the brokers or on the replicas of one service
    #[arg(long, conflicts_with_all = ["kill", "stop", "restart", "wipe", "pause", "isolate", "partition", "loss", "reset", "bandwidth", "delay", "throttle", "fill_disk", "repeat", "count"])]
    pub(crate) random: bool,
}

/// A target and how much of something it gets: `TARGET=AMOUNT`.
#[derive(Debug, Clone)]
pub(crate) struct Amount<T> {
    pub(crate) target: String,
    pub(crate) amount: T,
}

impl<T: Quantity> FromStr for Amount<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A target may have a `=` of its own: `label:k=v`.
        let (target, amount) = text.rsplit_once('=').ok_or_else(|| {
            format!(
                "`{text}` has no amount: write for example order.1={}",
                T::EXAMPLE
            )
        })?;
        Ok(Self {
            target: target.to_owned(),
            amount: T::read(amount)?,
        })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ChaosCommand {
    /// Heal every fault of the stack, whoever left it: what a helper, a pause, a quota, an armed failpoint or a full volume
    /// tells of
    Clear,
}

/// Judge a run: settle the stack, read every database, and account for each order.
///
/// A run whose final reads were taken before is judged by those, and needs no stack. Leaves
/// result.json, report.html, summary.md and junit.xml in the run's directory.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop verify
  webshop verify runs/20250102-150405-kill-stock-db-primary --offline
  webshop verify --order 7314

Exit codes:
  0 PASS
  1 VIOLATION
  2 UNKNOWN: too little evidence
  3 SLO: consistent, but over a budget
  4 HARNESS: Docker or the stack failed
  64 wrong usage, or no run that can be read
  130/143 interrupted, by Ctrl-C/SIGTERM
  A reader that goes away, a full disk or a report that cannot be written
  changes none of them.

Where an answer was no proof, the verdict is UNKNOWN, and the lines with `- `
above it say what to look at:
  NAME: held 1.2 of 15 s
      somebody or something ended that fault early: find out who, run again
  a fault is left: …
      webshop chaos clear, then webshop verify
  … suspected
      the shop still moved, or a part of the run is missing: settle, run again")]
pub(crate) struct VerifyArgs {
    /// The run's directory, or its name [default: the last run]
    pub(crate) run: Option<PathBuf>,

    /// Judge by what the run's directory holds, whatever is missing; asks neither Docker nor the stack
    #[arg(long)]
    pub(crate) offline: bool,

    /// Tell one order's story, by what the run's directory holds; the exit code is the run's verdict
    #[arg(long, value_name = "ID")]
    pub(crate) order: Option<OrderId>,

    /// Take the final reads anew, even where the run has them
    #[arg(long, conflicts_with_all = ["offline", "order"])]
    pub(crate) again: bool,

    /// How long the stack may take to settle before final reads are taken: at least 60s, and 30s more than a checkout may take [default: as the run's plan says]
    #[arg(long, value_name = "DURATION", value_parser = settle_timeout)]
    pub(crate) settle_timeout: Option<Duration>,

    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// No less than a scenario may ask: a saga that is slow but lives is not stuck.
fn settle_timeout(text: &str) -> Result<Duration, String> {
    let timeout = units::duration(text)?;
    let least = Settle::TIMEOUT_MIN;
    if timeout < least.0 {
        return Err(format!("`{text}` is too short: at least {least}"));
    }
    Ok(timeout)
}

//! The commands that load the stack, break it and judge.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use harness::load::Mix;
use harness::run::plan::Count;
use harness::units;
use protocol::OrderId;

use super::Format;

/// Load the shop at a fixed arrival rate and record every operation as a run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop load
  webshop load --rate 500/s --for 5m --seed 7
  webshop load --mix checkout=50%,find_order=50%")]
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

    /// What to call the run [default: what it does]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Break something while the shop is under load, prove that the fault took effect, and record it
/// all as a run.
///
/// The load goes on for as long as the fault takes to heal, and a little longer.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  webshop chaos --kill stock-db-primary
  webshop chaos --kill order.1 --at 5s --for 20s --verify
  webshop chaos --kill stock --count all
  webshop chaos --kill order-db-primary --dry-run
  webshop chaos --kill redis --print-scenario > scenarios/redis.yaml
  webshop chaos clear"
)]
pub(crate) struct ChaosArgs {
    /// Kill the target's container; `webshop targets` lists the names
    #[arg(long, value_name = "TARGET", required = true)]
    pub(crate) kill: Option<String>,

    /// When, counted from the start of the load
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = units::duration)]
    pub(crate) at: Duration,

    /// How long the load goes on after the fault, at least
    #[arg(long = "for", value_name = "DURATION", default_value = "20s", value_parser = units::duration)]
    pub(crate) length: Duration,

    /// How many of the tasks that the target names, at once: a number or `all` [default: one, or all
    /// where the name says so]
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<Count>,

    /// Only break it: such a run is no evidence, and verify says UNKNOWN
    #[arg(long)]
    pub(crate) no_load: bool,

    /// Judge the run right away; the exit code is the verdict's
    #[arg(long, conflicts_with = "no_load")]
    pub(crate) verify: bool,

    /// Show what would be hit and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print the scenario file that these options amount to, and change nothing
    #[arg(long, conflicts_with_all = ["no_load", "dry_run", "verify"])]
    pub(crate) print_scenario: bool,

    #[command(flatten)]
    pub(crate) shape: ShapeArgs,

    #[command(subcommand)]
    pub(crate) command: Option<ChaosCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ChaosCommand {
    /// Heal every fault of the stack, whoever left it
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
  webshop verify --order 7314")]
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

    /// How long the stack may take to settle [default: as the run's plan says]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) settle_timeout: Option<Duration>,

    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

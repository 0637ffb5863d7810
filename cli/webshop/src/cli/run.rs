//! The commands that load the stack, break it and judge.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use harness::units;

/// Load the shop at a fixed arrival rate and record every operation as a run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop load
  webshop load --rate 500/s --for 5m --seed 7")]
pub(crate) struct LoadArgs {
    /// Checkouts that arrive per second, whether or not earlier ones have been answered
    #[arg(long, value_name = "RATE", default_value = "100/s", value_parser = units::rate)]
    pub(crate) rate: f64,

    /// How long
    #[arg(long = "for", value_name = "DURATION", default_value = "60s", value_parser = units::duration)]
    pub(crate) length: Duration,

    /// Makes the same operations again [default: a new one each time]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

/// Break something while the shop is under load, prove that the fault took effect, and record it
/// all as a run.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  webshop chaos --kill stock-db-primary
  webshop chaos --kill order.1 --at 5s --for 20s --verify
  webshop chaos --kill order-db-primary --dry-run
  webshop chaos clear"
)]
pub(crate) struct ChaosArgs {
    /// Kill the target's container; `webshop targets` lists the names
    #[arg(long, value_name = "TARGET", required = true)]
    pub(crate) kill: Option<String>,

    /// When, counted from the start of the load
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = units::duration)]
    pub(crate) at: Duration,

    /// How long the load goes on after the first fault
    #[arg(long = "for", value_name = "DURATION", default_value = "20s", value_parser = units::duration)]
    pub(crate) length: Duration,

    /// How often; the target is resolved anew each time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) count: u32,

    /// Checkouts that arrive per second
    #[arg(long, value_name = "RATE", default_value = "100/s", value_parser = units::rate)]
    pub(crate) rate: f64,

    /// Makes the same operations again [default: a new one each time]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Only break it: such a run is no evidence, and verify says UNKNOWN
    #[arg(long)]
    pub(crate) no_load: bool,

    /// Judge the run right away; the exit code is the verdict's
    #[arg(long, conflicts_with = "no_load")]
    pub(crate) verify: bool,

    /// Show what would be hit and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(subcommand)]
    pub(crate) command: Option<ChaosCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ChaosCommand {
    /// Heal every fault of the stack, whoever left it
    Clear,
}

/// Judge a run: settle the stack, read every database, and account for each order.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop verify
  webshop verify runs/20250102-150405-kill-stock-db-primary")]
pub(crate) struct VerifyArgs {
    /// The run's directory [default: runs/latest]
    pub(crate) run: Option<PathBuf>,
}

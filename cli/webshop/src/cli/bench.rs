//! The command that measures how fast the stack is.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use harness::bench;
use harness::load::Mix;
use harness::scenario::quantity::{Quantity as _, Share};
use harness::units;

use super::Format;

/// Find the highest rate that the stack sustains, prove that it stayed consistent at it, and say what a checkout costs
/// there: processor time by service, transactions, write-ahead log, messages.
///
/// Requests leave when they are due, whether or not the shop keeps up, and latency counts from that moment. Every rate that
/// is tried, and the one that is held in the end, is recorded as a run of its own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop bench
  webshop bench --items 10               every order buys some of the same ten
  webshop bench --rate 500/s --for 30s   no search: what does that rate cost?
  webshop bench --plot bench.svg --format json > today.json
  webshop bench --compare yesterday.json
  webshop bench --rate 100/s --for 20s --compare budget.json --slack 50%

Exit codes:
  0 a rate was sustained, and the run at it is a PASS
  1 it is not consistent    2 too little evidence
  3 no rate was sustained, or a checkout takes more than --slack allows
  4 Docker or the stack failed, or what the rate took could not be read")]
pub(crate) struct BenchArgs {
    /// Hold this rate, without a search
    #[arg(long, value_name = "RATE", value_parser = units::rate)]
    pub(crate) rate: Option<f64>,

    /// Where the search begins; it doubles the rate until it is too much, then closes in
    #[arg(long, value_name = "RATE", default_value = "100/s", value_parser = units::rate, conflicts_with = "rate")]
    pub(crate) from: f64,

    /// How long each rate is tried
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = units::duration)]
    pub(crate) step: Duration,

    /// How long the highest rate is held in the end
    #[arg(long = "for", value_name = "DURATION", default_value = "120s", value_parser = units::duration)]
    pub(crate) length: Duration,

    /// A rate is too much where the 99th percentile of the latency is above that
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = units::duration)]
    pub(crate) p99: Duration,

    /// How many users the orders are of: with few, many charges meet on one account
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) users: u32,

    /// How many items the orders buy two of: with few, many reservations meet on one item
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub(crate) items: u32,

    /// What the operations are; the shares add up to 100%
    #[arg(long, value_name = "MIX", default_value = bench::MIX)]
    pub(crate) mix: Mix,

    /// Makes the same operations again [default: a new one each time]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Set it beside what `--format json` has written before
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,

    /// How much more transactions, write-ahead log and messages a checkout may take than in the file of --compare
    #[arg(long, value_name = "SHARE", value_parser = Share::read, requires = "compare")]
    pub(crate) slack: Option<Share>,

    /// Draw it, as SVG: latency over the rates that were tried, and where the processor time goes
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,

    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

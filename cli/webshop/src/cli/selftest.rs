//! The command that tests the judge.

use clap::Args;

use super::Format;

/// Judge the judge: bring up builds with planted bugs, one at a time, and require that each is found under
/// its right name, and that a healthy build passes.
///
/// Each build gets a small stack of its own, named after --stack, which is removed afterwards. All of them
/// take about twenty minutes on two cores.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop selftest --list
  webshop selftest --quick
  webshop selftest lost-update drop-reply

Exit codes:
  0 every bug was caught, and the healthy builds passed
  1 one was not: do not trust a verdict of this build
  4 a stack could not be brought up or judged
  64 wrong usage    130/143 interrupted, by Ctrl-C/SIGTERM")]
pub(crate) struct SelftestArgs {
    /// Only these [default: all]
    #[arg(value_name = "MUTANT")]
    pub(crate) mutants: Vec<String>,

    /// Only four of them, for every change
    #[arg(long, conflicts_with = "mutants")]
    pub(crate) quick: bool,

    /// Say what there is, and run nothing
    #[arg(long)]
    pub(crate) list: bool,

    /// How to print the table
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

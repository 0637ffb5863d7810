//! The commands around scenario files.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use harness::scenario::tags::Tags;

/// Run scenarios, each to its verdict; the exit code is the worst one's.
///
/// A stack that is not up is brought up first, and taken down again afterwards, with its data unless it had
/// some before.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop run stock-primary-failover
  webshop run scenarios --tags ci
  webshop run my.yaml --seed 7 --repeat 10
  webshop run scenarios --tags 'db,broker' --fail-fast
  webshop run nightly-random --until-fail

Tags:
  ci   db,broker (one of them)   db+ci (both)   !nightly (not)

Exit codes:
  0 PASS   1 VIOLATION   2 UNKNOWN: too little evidence
  3 SLO: over a budget   4 HARNESS: Docker or the stack failed
  64 wrong usage, or a scenario that cannot work
  130/143 interrupted, by Ctrl-C/SIGTERM
  Of several scenarios the worst, in the order 1, 4, 2, 3, 0")]
pub(crate) struct RunArgs {
    /// Files, directories, or names of the project's own scenarios
    #[arg(required = true, value_name = "FILE|DIR|NAME")]
    pub(crate) scenarios: Vec<String>,

    /// Decides every random choice [default: the scenario's, or a new one each time]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Run only those that the tags select
    #[arg(long, value_name = "EXPR")]
    pub(crate) tags: Option<Tags>,

    /// Run each so many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) repeat: u32,

    /// Run over and over until one is not a PASS
    #[arg(long, conflicts_with = "repeat")]
    pub(crate) until_fail: bool,

    /// Leave the stack up that was brought up for this
    #[arg(long)]
    pub(crate) keep_up: bool,

    /// Stop at the first that is not a PASS
    #[arg(long)]
    pub(crate) fail_fast: bool,
}

/// Write, check and understand scenario files.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop scenario new my-failover > scenarios/my-failover.yaml
  webshop scenario list --tags ci
  webshop scenario validate scenarios
  webshop scenario explain stock-primary-failover --seed 7
  webshop scenario schema > scenario.schema.json")]
pub(crate) struct ScenarioArgs {
    #[command(subcommand)]
    pub(crate) command: ScenarioCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ScenarioCommand {
    /// Print a new scenario file to begin with
    New {
        /// What it is to be called
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// List the project's scenarios, or those of a directory
    List {
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
        /// List only those that the tags select
        #[arg(long, value_name = "EXPR")]
        tags: Option<Tags>,
    },
    /// Check files without running them: everything that is wrong, with line and column
    Validate {
        #[arg(required = true, value_name = "FILE|DIR|NAME")]
        scenarios: Vec<String>,
    },
    /// Say in plain words what a scenario will do
    Explain {
        #[arg(value_name = "FILE|NAME")]
        scenario: String,
        /// Draws the random blocks [default: the scenario's, or 0]
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
    },
    /// Print the JSON Schema of scenario files, for editors
    Schema,
}

//! The commands that look at runs that are over.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Format;

/// Write a judged run's reports again: report.html, summary.md and junit.xml in its directory.
///
/// With --format, one report goes to stdout instead; several runs then make one summary or one
/// JUnit file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop report --open
  webshop report runs/20250102-150405-kill-stock-db-primary
  webshop report --format junit runs/2025* > junit.xml
  webshop report --schema > result.schema.json

Exit codes:
  0 the reports were written or printed, whatever their verdicts are
  4 HARNESS: one could not be written, printed or shown
  64 wrong usage, or no run that was judged
  130/143 interrupted, by Ctrl-C/SIGTERM")]
pub(crate) struct ReportArgs {
    /// The runs' directories, or their names [default: the last run]
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,

    /// Print this report and write no file
    #[arg(long, value_enum)]
    pub(crate) format: Option<ReportFormat>,

    /// Show report.html in the browser
    #[arg(long, conflicts_with = "format")]
    pub(crate) open: bool,

    /// Print the JSON Schema that every result.json keeps to
    #[arg(long, conflicts_with_all = ["runs", "format", "open"])]
    pub(crate) schema: bool,
}

/// What a report is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// One file for a colleague, with plots; of one run
    Html,
    /// JUnit XML for a CI server: a run that is not a PASS fails in it
    Junit,
    /// A summary for a pull request
    Markdown,
}

/// List the runs with their verdicts and figures, or set two of them side by side.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  webshop history
  webshop history --compare 20250102-150405-load 20250102-160708-load
  webshop history --format json | jq '.[] | select(.verdict != \"pass\").run'")]
pub(crate) struct HistoryArgs {
    /// Two judged runs to set side by side: directories, or names
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    pub(crate) compare: Option<Vec<PathBuf>>,

    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

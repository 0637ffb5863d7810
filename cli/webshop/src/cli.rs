//! The command line: types and help texts, nothing else.

mod bench;
mod report;
mod run;
mod scenario;
mod selftest;
mod stack;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, Parser, Subcommand, ValueEnum};
use harness::cluster::StackName;
use harness::engine::Endpoint;
use harness::error::Error;
use harness::printable;

use crate::printer::Style;

pub(crate) use bench::BenchArgs;
pub(crate) use report::{HistoryArgs, ReportArgs, ReportFormat};
pub(crate) use run::{Amount, ChaosArgs, ChaosCommand, FaultArgs, LoadArgs, ShapeArgs, VerifyArgs};
pub(crate) use scenario::{RunArgs, ScenarioArgs, ScenarioCommand};
pub(crate) use selftest::SelftestArgs;
pub(crate) use stack::{
    CompletionsArgs, DoctorArgs, DownArgs, Format, ImagesArgs, LogsArgs, PsArgs, TargetsArgs,
    UpArgs,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  webshop up                                bring the whole shop up
  webshop chaos --kill stock-db-primary     kill the stock primary under load
  webshop verify                            judge the last run, order by order
  webshop run scenarios --tags ci           run scenario files: one exit code
  webshop down --volumes                    remove everything

Exit codes:
  0 done, or PASS    1 VIOLATION    2 UNKNOWN    3 over the budget
  4 Docker or the stack failed    64 wrong usage    130/143 interrupted
  `load`, and `chaos` without --verify, judge nothing: their 0 is no PASS.
  A reader that goes away or a report that cannot be written changes no verdict.";

/// Brings a replicated web shop up on Docker Swarm, loads it, breaks it, and proves order by order
/// whether stock and credit stayed consistent.
#[derive(Debug, Parser)]
#[command(name = "webshop", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The stack to work on: two of different names live side by side
    #[arg(
        long,
        global = true,
        env = "WEBSHOP_STACK",
        default_value = StackName::DEFAULT,
        value_name = "NAME",
        hide_env_values = true
    )]
    pub(crate) stack: String,

    /// The checkout to build from and to keep runs in [default: the one around the working directory]
    #[arg(
        long,
        global = true,
        env = "WEBSHOP_PROJECT_DIR",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub(crate) project_dir: Option<PathBuf>,

    /// The Docker engine to use, such as unix:///var/run/docker.sock or tcp://HOST:PORT
    #[arg(
        long,
        global = true,
        env = "DOCKER_HOST",
        value_name = "URL",
        hide_env_values = true
    )]
    docker_host: Option<String>,

    /// The Docker context to use
    #[arg(
        long,
        global = true,
        env = "DOCKER_CONTEXT",
        value_name = "NAME",
        hide_env_values = true
    )]
    docker_context: Option<String>,

    /// How progress is shown: drawn in place, as lines, or as a JSON object a line [default: drawn on a
    /// terminal, lines elsewhere]
    #[arg(long, global = true, value_name = "STYLE")]
    progress: Option<ProgressStyle>,

    /// Where Docker's client keeps its contexts
    #[arg(
        long,
        global = true,
        env = "DOCKER_CONFIG",
        value_name = "DIR",
        hide = true
    )]
    docker_config: Option<PathBuf>,

    /// A bundle of certificate authorities to pass into builds
    #[arg(
        long,
        global = true,
        env = "SSL_CERT_FILE",
        value_name = "FILE",
        hide = true
    )]
    ca_bundle: Option<PathBuf>,

    /// Whether this is a job of GitHub's
    #[arg(
        long,
        global = true,
        env = "GITHUB_ACTIONS",
        value_name = "BOOL",
        hide = true
    )]
    github_actions: Option<String>,

    /// Where a job of GitHub's collects what its page shows
    #[arg(
        long,
        global = true,
        env = "GITHUB_STEP_SUMMARY",
        value_name = "FILE",
        hide = true
    )]
    github_step_summary: Option<PathBuf>,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProgressStyle {
    Auto,
    Plain,
    Json,
}

impl Global {
    /// How progress is to be shown, where it was asked for.
    pub(crate) fn progress(&self) -> Option<Style> {
        match self.progress? {
            ProgressStyle::Auto => None,
            ProgressStyle::Plain => Some(Style::Plain),
            ProgressStyle::Json => Some(Style::Json),
        }
    }

    /// Where the engine is. An empty variable counts as unset, as it does for Docker's own client.
    pub(crate) fn endpoint(&self) -> Endpoint {
        let set = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        Endpoint {
            host: set(&self.docker_host),
            context: set(&self.docker_context),
            config_dir: self
                .docker_config
                .clone()
                .or_else(|| std::env::home_dir().map(|home| home.join(".docker"))),
        }
    }

    /// The certificate authorities that this user trusts, where it is not the system's own bundle.
    pub(crate) fn ca_bundle(&self) -> Option<PathBuf> {
        self.ca_bundle
            .clone()
            .filter(|path| !path.as_os_str().is_empty())
    }

    /// Whether a verdict is to be shown where GitHub shows a job's outcome.
    pub(crate) fn is_github_job(&self) -> bool {
        self.github_actions.as_deref() == Some("true")
    }

    /// Where such a job collects what its page shows.
    pub(crate) fn step_summary(&self) -> Option<&Path> {
        let path = self.github_step_summary.as_deref()?;
        (!path.as_os_str().is_empty()).then_some(path)
    }
}

/// No argument has anything in it that nobody could see where it is quoted: a control, a line break, a turn of the
/// text's direction.
pub(crate) fn require_printable(arguments: &[OsString]) -> harness::Result<()> {
    let mut texts = arguments.iter().map(|argument| argument.to_string_lossy());
    match texts.find(|text| printable::has_hidden(text)) {
        None => Ok(()),
        Some(argument) => Err(Error::HiddenCharacters {
            argument: argument.into_owned(),
        }),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(UpArgs),
    Down(DownArgs),
    Ps(PsArgs),
    Targets(TargetsArgs),
    Logs(LogsArgs),
    Doctor(DoctorArgs),
    Images(ImagesArgs),
    Load(LoadArgs),
    Chaos(Box<ChaosArgs>),
    Run(RunArgs),
    Scenario(ScenarioArgs),
    Verify(VerifyArgs),
    Selftest(SelftestArgs),
    Bench(Box<BenchArgs>),
    Report(ReportArgs),
    History(HistoryArgs),
    Completions(CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_the_options_in_a_help_breaks_where_it_was_broken() {
        let mut left = vec![Cli::command()];
        while let Some(command) = left.pop() {
            left.extend(command.get_subcommands().cloned());
            let Some(text) = command.get_after_help() else {
                continue;
            };
            for line in text.to_string().lines() {
                let name = command.get_name();
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
        }
    }

    #[test]
    fn who_judges_and_who_reports_say_how_they_end_without_a_verdict() {
        let program = Cli::command();
        for name in ["verify", "report"] {
            let command = program.find_subcommand(name).unwrap();
            let text = command.get_after_help().unwrap().to_string();
            let (_, codes) = text.split_once("Exit codes:\n").unwrap();
            for code in ["0", "4", "64", "130/143"] {
                let says = |line: &str| line.starts_with(&format!("  {code} "));
                assert!(codes.lines().any(says), "{name}: {code}");
            }
        }
    }

    #[test]
    fn chaos_takes_a_fault_or_clear() {
        Cli::try_parse_from(["webshop", "chaos", "--kill", "order.1", "--at", "10s"]).unwrap();
        Cli::try_parse_from(["webshop", "chaos", "clear"]).unwrap();
        let several = [
            "--pause",
            "redis",
            "--pause",
            "order",
            "--partition",
            "a->b",
        ];
        Cli::try_parse_from(["webshop", "chaos"].iter().chain(&several)).unwrap();
        let measured = ["--loss", "order=30%", "--delay", "label:k=v=200ms"];
        Cli::try_parse_from(["webshop", "chaos"].iter().chain(&measured)).unwrap();
        assert!(Cli::try_parse_from(["webshop", "chaos", "--loss", "order"]).is_err());
        assert!(Cli::try_parse_from(["webshop", "chaos", "--at", "10s"]).is_err());
        assert!(Cli::try_parse_from(["webshop", "chaos"]).is_err());
        assert!(Cli::try_parse_from(["webshop", "chaos", "--kill", "order.1", "clear"]).is_err());
    }
}

//! One file per subcommand, one function each.

mod bench;
mod chaos;
mod completions;
mod doctor;
mod down;
mod history;
mod images;
mod load;
mod logs;
mod ps;
mod report;
mod run;
mod scenario;
mod selftest;
mod targets;
mod up;
mod verify;

use crate::cli::Command;
use crate::exit::Exit;
use crate::session::Session;

/// Runs the subcommand.
pub(crate) async fn dispatch(command: Command, session: Session) -> anyhow::Result<Exit> {
    match command {
        Command::Up(args) => up::run(args, session).await,
        Command::Down(args) => down::run(args, session).await,
        Command::Ps(args) => ps::run(args, session).await,
        Command::Targets(args) => targets::run(args, session).await,
        Command::Logs(args) => logs::run(args, session).await,
        Command::Doctor(args) => doctor::run(args, session).await,
        Command::Images(args) => images::run(args, session).await,
        Command::Load(args) => load::run(args, session).await,
        Command::Chaos(args) => chaos::run(args, session).await,
        Command::Run(args) => run::run(args, session).await,
        Command::Scenario(args) => scenario::run(args, &session),
        Command::Verify(args) => verify::run(args, session).await,
        Command::Selftest(args) => selftest::run(args, session).await,
        Command::Bench(args) => bench::run(*args, session).await,
        Command::Report(args) => report::run(args, session).await,
        Command::History(args) => history::run(&args, &session),
        Command::Completions(args) => completions::run(&args, &session),
    }
}

//! `webshop completions`.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::Exit;
use crate::session::Session;

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs, session: &Session) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "webshop", &mut script);
    session
        .printer
        .document(String::from_utf8(script)?.trim_end())?;
    Ok(Exit::Pass)
}

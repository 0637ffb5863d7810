//! `webshop logs`.

use crate::cli::LogsArgs;
use crate::exit::Exit;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(_args: LogsArgs, session: Session) -> anyhow::Result<Exit> {
    session.cluster().await?;
    Ok(Exit::Harness)
}

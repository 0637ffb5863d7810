//! `webshop ps`.

use crate::cli::PsArgs;
use crate::exit::Exit;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(_args: PsArgs, session: Session) -> anyhow::Result<Exit> {
    session.cluster().await?;
    Ok(Exit::Harness)
}

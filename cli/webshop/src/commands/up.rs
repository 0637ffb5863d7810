//! `webshop up`.

use crate::cli::UpArgs;
use crate::exit::Exit;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(_args: UpArgs, session: Session) -> anyhow::Result<Exit> {
    session.cluster().await?;
    Ok(Exit::Harness)
}

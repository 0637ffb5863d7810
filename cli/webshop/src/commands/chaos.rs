//! `webshop chaos`.

use crate::cli::ChaosArgs;
use crate::exit::Exit;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(_args: ChaosArgs, session: Session) -> anyhow::Result<Exit> {
    session.cluster().await?;
    Ok(Exit::Harness)
}

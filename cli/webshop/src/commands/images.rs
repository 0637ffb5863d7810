//! `webshop images`.

use crate::cli::ImagesArgs;
use crate::exit::Exit;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(_args: ImagesArgs, session: Session) -> anyhow::Result<Exit> {
    session.cluster().await?;
    Ok(Exit::Harness)
}

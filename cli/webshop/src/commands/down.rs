//! `webshop down`.

use harness::stack::remove;

use crate::cli::DownArgs;
use crate::exit::Exit;
use crate::session::Session;

/// Takes the stack down.
pub(crate) async fn run(args: DownArgs, session: Session) -> anyhow::Result<Exit> {
    let cluster = session.cluster().await?;
    let removed = remove::down(&cluster, args.volumes, args.timeout).await?;
    if removed.is_nothing() {
        session.printer.note(&format!(
            "nothing to do: there is no stack `{}`",
            cluster.stack
        ));
    }
    Ok(Exit::Pass)
}

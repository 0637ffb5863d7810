//! `webshop logs`.

use std::ops::ControlFlow;

use harness::printable;
use harness::stack::logs::{self, Piece, Wanted};
use harness::stack::overview::Overview;

use crate::cli::LogsArgs;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session::Session;

/// Prints a service's log, each line behind its task's name, until nobody reads it any more.
pub(crate) async fn run(args: LogsArgs, session: Session) -> anyhow::Result<Exit> {
    let cluster = session.cluster().await?;
    let overview = Overview::of_deployed(&cluster).await?;
    let service = overview.service(&args.service, &cluster)?;
    let wanted = Wanted {
        tail: args.tail,
        timestamps: args.timestamps,
    };
    let show = |piece: Piece| print(&session.printer, &piece);
    if args.follow {
        logs::follow(&cluster, &service.name, wanted, show).await?;
    } else {
        logs::existing(&cluster, service, wanted, show).await?;
    }
    Ok(Exit::Pass)
}

fn print(printer: &Printer, piece: &Piece) -> ControlFlow<()> {
    let lines = piece.lines();
    let task = printable::line(&piece.task);
    let lines = lines.iter().map(|line| format!("{task} | {line}\n"));
    printer.stream(&lines.collect::<String>())
}

//! `webshop`: one replicated web shop on Docker Swarm, and the proof that it stayed consistent.

mod cli;
mod commands;
mod exit;
mod failure;
mod interrupt;
mod printer;
mod progress;
mod session;
mod table;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session::Session;

/// A load is some hundred small pieces of memory for each request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Err(error) = cli::require_printable(&arguments) {
        return failure::report(&Printer::new(None), &error.into()).into();
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return exit::of_usage(&Printer::new(None), &error).into(),
    };
    let printer = Printer::new(cli.global.progress());
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&printer, &error.into()).into(),
    };
    runtime.block_on(run(cli, printer)).into()
}

async fn run(cli: Cli, printer: Printer) -> Exit {
    if let Err(error) = interrupt::outlive_file_size_limit() {
        printer.warning(&format!(
            "a limit on a file's size ends the program: {error}"
        ));
    }
    session::start_logging();
    let (session, drawing) = Session::start(cli.global, printer.clone());
    let interrupt = session.interrupt.clone();
    let outcome = commands::dispatch(cli.command, session).await;
    // The session is gone, and with it the sender of progress: the drawing ends by itself.
    drawing.finish().await;
    let exit = match outcome {
        Ok(exit) => exit,
        Err(error) => failure::report(&printer, &error),
    };
    printer.warn_of_loss();
    interrupt.exit().unwrap_or(exit)
}

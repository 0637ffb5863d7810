//! What every command starts with: the global options, the terminal, the wish to stop, progress.

use std::io::{self, Write};
use std::path::PathBuf;

use harness::{Cluster, Engine, Events, Project, printable};
use tracing_subscriber::EnvFilter;

use crate::cli::Global;
use crate::interrupt::Interrupt;
use crate::printer::Printer;
use crate::progress::Drawing;

/// Handed to each command.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) global: Global,
    pub(crate) printer: Printer,
    pub(crate) interrupt: Interrupt,
    pub(crate) events: Events,
}

impl Session {
    /// Starts to listen for signals and to draw progress.
    pub(crate) fn start(global: Global, printer: Printer) -> (Self, Drawing) {
        let (events, receiver) = Events::channel();
        let drawing = Drawing::start(printer.clone(), receiver);
        let interrupt = Interrupt::listen(printer.clone());
        (
            Self {
                global,
                printer,
                interrupt,
                events,
            },
            drawing,
        )
    }

    /// Connects to the engine. The handle names the stack that `--stack` asked for.
    pub(crate) async fn cluster(&self) -> harness::Result<Cluster> {
        let stack = self.global.stack.parse()?;
        Ok(Cluster {
            engine: Engine::connect(&self.global.endpoint()).await?,
            stack,
            events: self.events.clone(),
            cancel: self.interrupt.token.clone(),
        })
    }

    /// Where runs are kept: in the checkout, or in the working directory where there is none.
    pub(crate) fn runs(&self) -> PathBuf {
        self.project()
            .map_or_else(|_none| PathBuf::new(), |project| project.root().to_owned())
            .join("runs")
    }

    /// The checkout to build from.
    pub(crate) fn project(&self) -> harness::Result<Project> {
        Project::find(self.global.project_dir.as_deref())
    }
}

/// Logs are for people who debug this program: off unless `RUST_LOG` asks for them.
pub(crate) fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new("off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Defused(io::stderr()))
        // It would tell of a dead stderr on stderr, and panic.
        .log_internal_errors(false)
        .init();
}

/// A log quotes what engines and files say: it is no command to a terminal or a CI runner either.
#[derive(Debug)]
struct Defused<W>(W);

impl<W: Write> Write for Defused<W> {
    /// Takes a whole event at once.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = printable::styled(&String::from_utf8_lossy(event));
        self.0.write_all(text.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_event_of_a_log_is_a_command() {
        let mut written = Vec::new();
        Defused(&mut written)
            .write_all("INFO said\n::error::forged\u{1b}[2J\n".as_bytes())
            .unwrap();
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written, "INFO said\n: :error::forged\\u{1b}[2J\n");
    }
}

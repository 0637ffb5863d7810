//! Ctrl-C and SIGTERM: the first asks the work to stop cleanly, the second ends the program at once.
//! SIGXFSZ ends nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::printer::Printer;

/// Whether the user has asked to stop, and how.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    pub(crate) token: CancellationToken,
    exit: Arc<AtomicU8>,
}

impl Interrupt {
    /// Starts to listen.
    pub(crate) fn listen(printer: Printer) -> Self {
        let interrupt = Self::default();
        let heard = interrupt.clone();
        tokio::spawn(async move { heard.hear(&printer).await });
        interrupt
    }

    async fn hear(&self, printer: &Printer) {
        let (mut interrupts, mut terminations) = match (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) {
            (Ok(interrupts), Ok(terminations)) => (interrupts, terminations),
            (Err(error), _) | (_, Err(error)) => {
                // The system's own handling stays: Ctrl-C ends the program, just not cleanly.
                printer.warning(&format!("cannot listen for Ctrl-C: {error}"));
                return;
            }
        };
        loop {
            let exit = tokio::select! {
                _ = interrupts.recv() => Exit::Interrupted,
                _ = terminations.recv() => Exit::Terminated,
            };
            if self.token.is_cancelled() {
                leave(exit);
            }
            self.exit.store(exit as u8, Ordering::Relaxed);
            self.token.cancel();
            printer.warning("stopping; once more to stop at once");
        }
    }

    /// How the program ends if it was asked to stop.
    pub(crate) fn exit(&self) -> Option<Exit> {
        match self.exit.load(Ordering::Relaxed) {
            0 => None,
            code if code == Exit::Terminated as u8 => Some(Exit::Terminated),
            _ => Some(Exit::Interrupted),
        }
    }
}

/// Lets a write beyond the limit on a file's size fail, as on a full disk: the system would end the program. Holds
/// until the program ends, though nobody listens.
///
/// # Errors
/// The system takes no handler; its own handling stays.
pub(crate) fn outlive_file_size_limit() -> io::Result<()> {
    signal(SignalKind::from_raw(Signal::SIGXFSZ as i32)).map(drop)
}

#[allow(
    clippy::exit,
    reason = "the user asked a second time: nothing may hold the program up"
)]
fn leave(exit: Exit) -> ! {
    std::process::exit(i32::from(exit as u8))
}

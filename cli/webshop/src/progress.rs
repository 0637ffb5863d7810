//! Draws the harness's events: bars on a terminal, one line per event elsewhere.

mod bars;
mod lines;

use harness::Event;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use crate::printer::Printer;

/// The task that draws.
#[derive(Debug)]
pub(crate) struct Drawing(JoinHandle<()>);

impl Drawing {
    /// Draws until every sender of events is gone.
    pub(crate) fn start(printer: Printer, mut events: Receiver<Event>) -> Self {
        Self(tokio::spawn(async move {
            if printer.interactive() {
                let mut bars = bars::Bars::new(&printer);
                while let Some(event) = events.recv().await {
                    bars.draw(&event);
                }
                bars.clear();
            } else {
                let mut lines = lines::Lines::default();
                while let Some(event) = events.recv().await {
                    if let Some(line) = lines.line(&event) {
                        printer.note(&line);
                    }
                }
            }
        }))
    }

    /// Waits until everything is drawn.
    pub(crate) async fn finish(self) {
        if let Err(error) = self.0.await {
            tracing::debug!(%error, "drawing ended early");
        }
    }
}

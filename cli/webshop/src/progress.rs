//! Draws the harness's events: a screen on a terminal, one line per event elsewhere, or as JSON.

mod bars;
mod lines;
mod screen;

use harness::Event;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use crate::printer::{Printer, Style};

/// The task that draws.
#[derive(Debug)]
pub(crate) struct Drawing(JoinHandle<()>);

impl Drawing {
    /// Draws until every sender of events is gone.
    pub(crate) fn start(printer: Printer, mut events: Receiver<Event>) -> Self {
        Self(tokio::spawn(async move {
            match printer.style() {
                Style::Screen => {
                    let mut bars = bars::Bars::new(&printer);
                    while let Some(event) = events.recv().await {
                        bars.draw(&event);
                    }
                    bars.clear();
                }
                Style::Plain => {
                    let mut lines = lines::Lines::default();
                    while let Some(event) = events.recv().await {
                        if let Some(line) = lines.line(&event) {
                            printer.note(&line);
                        }
                    }
                }
                Style::Json => {
                    while let Some(event) = events.recv().await {
                        if let Err(error) = printer.json_note(&event) {
                            tracing::debug!(%error, "an event without a JSON form");
                        }
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

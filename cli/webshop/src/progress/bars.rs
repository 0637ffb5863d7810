//! Progress as bars: one for each build that runs, one for what is waited for.

use std::collections::HashMap;
use std::time::Duration;

use harness::Event;
use harness::event::Progress;
use harness::printable;
use indicatif::{ProgressBar, ProgressStyle};

use super::lines;
use super::screen::Screen;
use crate::printer::Printer;

/// The bars that are on the screen.
pub(crate) struct Bars {
    printer: Printer,
    builds: HashMap<String, ProgressBar>,
    waiting: Option<ProgressBar>,
    screen: Screen,
    live: Option<ProgressBar>,
}

impl Bars {
    /// Nothing drawn yet.
    pub(crate) fn new(printer: &Printer) -> Self {
        Self {
            printer: printer.clone(),
            builds: HashMap::new(),
            waiting: None,
            screen: Screen::default(),
            live: None,
        }
    }

    /// Moves a bar, or prints a line above the bars.
    pub(crate) fn draw(&mut self, event: &Event) {
        match event {
            Event::Build {
                name,
                progress: Progress::Started,
            } => self.open(name),
            Event::Build {
                name,
                progress: Progress::Step { at, of, text },
            } => self.step(name, *at, *of, text),
            Event::Waiting {
                what,
                done,
                wanted,
                missing,
            } => self.wait(&lines::waiting(what, *done, *wanted, missing)),
            Event::Phase { .. }
            | Event::Roles { .. }
            | Event::Fault { .. }
            | Event::Load { .. } => {
                self.end_wait();
                self.screen.take(event);
                self.show();
            }
            Event::Build { name, .. } => {
                if let Some(bar) = self.builds.remove(name) {
                    bar.finish_and_clear();
                }
                self.tell(event);
            }
            Event::Reached { .. } => {
                self.end_wait();
                self.tell(event);
            }
            Event::Warning { text } => self.printer.warning(text),
            Event::Note { .. } | Event::Service { .. } => self.tell(event),
        }
    }

    /// Takes every bar away.
    pub(crate) fn clear(&mut self) {
        for (_, bar) in self.builds.drain() {
            bar.finish_and_clear();
        }
        self.end_wait();
        if let Some(bar) = self.live.take() {
            bar.finish_and_clear();
        }
    }

    /// The run's screen below everything else: it is drawn in place and leaves nothing behind.
    fn show(&mut self) {
        let bar = self.live.get_or_insert_with(|| {
            let bar = self.printer.bars().add(ProgressBar::new_spinner());
            bar.set_style(style("{msg}"));
            bar
        });
        bar.set_message(self.screen.text());
    }

    fn tell(&self, event: &Event) {
        if let Some(line) = lines::settled(event) {
            self.printer.note(&line);
        }
    }

    fn open(&mut self, name: &str) {
        let bar = self.printer.bars().add(ProgressBar::new(0));
        bar.set_style(style("{spinner} {prefix} {wide_msg:.dim} {elapsed}"));
        bar.set_prefix(printable::line(name));
        bar.enable_steady_tick(Duration::from_millis(125));
        self.builds.insert(name.to_owned(), bar);
    }

    fn step(&mut self, name: &str, at: usize, of: usize, text: &str) {
        if let Some(bar) = self.builds.get(name) {
            if of > 0 && bar.length() != Some(of as u64) {
                bar.set_style(style(
                    "{spinner} {prefix} {bar:20} {pos}/{len} {wide_msg:.dim} {elapsed}",
                ));
                bar.set_length(of as u64);
            }
            bar.set_position(at as u64);
            bar.set_message(printable::line(text));
        }
    }

    fn wait(&mut self, text: &str) {
        let bar = self.waiting.get_or_insert_with(|| {
            let bar = self.printer.bars().add(ProgressBar::new_spinner());
            bar.set_style(style("{spinner} {wide_msg} {elapsed}"));
            bar.enable_steady_tick(Duration::from_millis(125));
            bar
        });
        bar.set_message(text.to_owned());
    }

    fn end_wait(&mut self) {
        if let Some(bar) = self.waiting.take() {
            bar.finish_and_clear();
        }
    }
}

/// Every template is a constant of this file; a test reads them all.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_wrong| ProgressStyle::default_spinner())
}

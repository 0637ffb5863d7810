//! The one door to the terminal: data goes to stdout, everything else to stderr.
//!
//! Nothing that goes through it can command a terminal or a CI runner, whatever outside text is in it: only our own
//! colours and [`Printer::annotation`] do. That outside text begins no line is up to the caller, with
//! [`harness::printable`], wherever more than one line is printed.
//!
//! What a command found out does not depend on who reads it: a write that fails is remembered, never an error of the
//! command. Only [`Printer::document`] fails, for commands that do nothing but print.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use harness::printable;
use indicatif::{MultiProgress, ProgressDrawTarget};
use owo_colors::OwoColorize;
use serde::Serialize;

use crate::terminal::Terminal;

/// How often a second bars are drawn, at most.
const DRAWN_HZ: u8 = 8;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Drawn in place.
    Screen,
    /// A line for each thing that happens.
    Plain,
    /// A JSON object a line.
    Json,
}

/// Owns both streams. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    bars: MultiProgress,
    style: Style,
    /// The first write to stdout that failed.
    lost: Arc<OnceLock<io::Error>>,
}

impl Printer {
    /// In the style that was asked for; else a screen where stderr is a terminal and nothing says `CI`, plain
    /// lines elsewhere. Colours follow `NO_COLOR`, `CLICOLOR_FORCE` and whether the stream is a terminal.
    pub(crate) fn new(asked: Option<Style>) -> Self {
        let is_ci = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false");
        let style = asked.unwrap_or(if io::stderr().is_terminal() && !is_ci {
            Style::Screen
        } else {
            Style::Plain
        });
        let target = match style {
            Style::Screen => {
                ProgressDrawTarget::term_like_with_hz(Box::new(Terminal::stderr()), DRAWN_HZ)
            }
            Style::Plain | Style::Json => ProgressDrawTarget::hidden(),
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            style,
            lost: Arc::default(),
        }
    }

    /// How progress is shown.
    pub(crate) const fn style(&self) -> Style {
        self.style
    }

    /// Where bars live; text printed through this printer never tears them.
    pub(crate) const fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Data: one line on stdout, whatever is in it.
    pub(crate) fn line(&self, text: &str) {
        self.block(&text.replace('\n', " "));
    }

    /// Data: several lines on stdout.
    pub(crate) fn block(&self, text: &str) {
        let text = printable::styled(text);
        let written = self
            .bars
            .suspend(|| writeln!(anstream::stdout().lock(), "{text}"));
        self.remember(written);
    }

    /// Data of a stream without an end: whole lines on stdout. Says to stop where nobody can read any more.
    pub(crate) fn stream(&self, lines: &str) -> ControlFlow<()> {
        let written = self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(printable::page(lines).as_bytes())?;
            out.flush()
        });
        let broken = written.is_err();
        self.remember(written);
        if broken {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Data: one JSON document on stdout.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> serde_json::Result<()> {
        self.block(&printable::json(&serde_json::to_string_pretty(value)?));
        Ok(())
    }

    /// A document that is all that the command is for: where it cannot be written, the command has failed. A reader
    /// that went away (`| head`) has read enough.
    pub(crate) fn document(&self, text: &str) -> harness::Result<()> {
        let text = printable::page(text);
        let written = self
            .bars
            .suspend(|| writeln!(anstream::stdout().lock(), "{text}"));
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(harness::Error::io("write to stdout", error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// News on stderr.
    pub(crate) fn note(&self, text: &str) {
        self.stderr(&printable::styled(text));
    }

    /// News for programs: a JSON document on a line of stderr.
    pub(crate) fn json_note<T: Serialize>(&self, value: &T) -> serde_json::Result<()> {
        self.stderr(&printable::json(&serde_json::to_string(value)?));
        Ok(())
    }

    /// A command to GitHub's runner, on a line of stderr of its own: the one thing here that it is to obey.
    pub(crate) fn annotation(&self, line: &str) {
        self.stderr(line);
    }

    /// A warning on stderr, of whatever origin.
    pub(crate) fn warning(&self, text: &str) {
        let text = printable::lines(text);
        self.stderr(&format!("{} {text}", "warning:".yellow().bold()));
    }

    /// An error on stderr.
    pub(crate) fn error(&self, text: &str) {
        let text = text.replace("\n\nhint:", &format!("\n\n{}", "hint:".cyan().bold()));
        self.note(&format!("{} {text}", "error:".red().bold()));
    }

    /// Says so where data was lost to anything but a reader that went away.
    pub(crate) fn warn_of_loss(&self) {
        if let Some(error) = self.lost.get()
            && error.kind() != ErrorKind::BrokenPipe
        {
            self.warning(&format!(
                "stdout is incomplete: {error}; the exit code stands"
            ));
        }
    }

    fn remember(&self, written: io::Result<()>) {
        if let Err(error) = written {
            // Later ones say no more than the first.
            self.lost.get_or_init(|| error);
        }
    }

    fn stderr(&self, text: &str) {
        let written = self
            .bars
            .suspend(|| writeln!(anstream::stderr().lock(), "{text}"));
        if let Err(error) = written {
            tracing::debug!(%error, "stderr is closed");
        }
    }
}

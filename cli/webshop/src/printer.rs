//! The one door to the terminal: data goes to stdout, everything else to stderr.
//!
//! What a command found out does not depend on who reads it: a write that fails is remembered, never an error of the
//! command. Only [`Printer::document`] fails, for commands that do nothing but print.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

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

    /// Data: a line on stdout.
    pub(crate) fn line(&self, text: &str) {
        let written = self
            .bars
            .suspend(|| writeln!(anstream::stdout().lock(), "{text}"));
        self.remember(written);
    }

    /// Data of a stream without an end: bytes on stdout as they are. Says to stop where nobody can read any more.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> ControlFlow<()> {
        let written = self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
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
        self.line(&serde_json::to_string_pretty(value)?);
        Ok(())
    }

    /// A document that is all that the command is for: where it cannot be written, the command has failed. A reader
    /// that went away (`| head`) has read enough.
    pub(crate) fn document(&self, text: &str) -> harness::Result<()> {
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

    /// News: a line on stderr.
    pub(crate) fn note(&self, text: &str) {
        self.stderr(text);
    }

    /// A warning on stderr.
    pub(crate) fn warning(&self, text: &str) {
        self.stderr(&format!("{} {text}", "warning:".yellow().bold()));
    }

    /// An error on stderr.
    pub(crate) fn error(&self, text: &str) {
        let text = text.replace("\n\nhint:", &format!("\n\n{}", "hint:".cyan().bold()));
        self.stderr(&format!("{} {text}", "error:".red().bold()));
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

//! The one door to the terminal: data goes to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressDrawTarget};
use owo_colors::OwoColorize;
use serde::Serialize;

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
            Style::Screen => ProgressDrawTarget::stderr_with_hz(8),
            Style::Plain | Style::Json => ProgressDrawTarget::hidden(),
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            style,
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
    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        self.bars
            .suspend(|| writeln!(anstream::stdout().lock(), "{text}"))
    }

    /// Data: bytes on stdout as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        })
    }

    /// Data: one JSON document on stdout.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> anyhow::Result<()> {
        self.line(&serde_json::to_string_pretty(value)?)?;
        Ok(())
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

    fn stderr(&self, text: &str) {
        let written = self
            .bars
            .suspend(|| writeln!(anstream::stderr().lock(), "{text}"));
        if let Err(error) = written {
            tracing::debug!(%error, "stderr is closed");
        }
    }
}

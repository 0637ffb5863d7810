//! A terminal to draw on that may go away at any time: then nothing is drawn, and nothing fails.

use std::io;

use console::Term;
use indicatif::TermLike;

/// Whatever is drawn on; what draws panics where it reports a failure.
#[derive(Debug)]
pub(crate) struct Terminal<T>(T);

impl Terminal<Term> {
    pub(crate) fn stderr() -> Self {
        Self(Term::buffered_stderr())
    }
}

fn forgiven(drawn: io::Result<()>) -> io::Result<()> {
    if let Err(error) = drawn {
        tracing::trace!(%error, "the terminal is gone");
    }
    Ok(())
}

impl<T: TermLike> TermLike for Terminal<T> {
    fn width(&self) -> u16 {
        self.0.width()
    }

    fn height(&self) -> u16 {
        self.0.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        forgiven(self.0.move_cursor_up(n))
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        forgiven(self.0.move_cursor_down(n))
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        forgiven(self.0.move_cursor_right(n))
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        forgiven(self.0.move_cursor_left(n))
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        forgiven(self.0.write_line(text))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        forgiven(self.0.write_str(text))
    }

    fn clear_line(&self) -> io::Result<()> {
        forgiven(self.0.clear_line())
    }

    fn flush(&self) -> io::Result<()> {
        forgiven(self.0.flush())
    }
}

#[cfg(test)]
mod tests {
    use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

    use super::*;

    /// As a terminal whose window was closed.
    #[derive(Debug)]
    struct Gone;

    fn gone() -> io::Result<()> {
        Err(io::Error::from_raw_os_error(5))
    }

    impl TermLike for Gone {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _n: usize) -> io::Result<()> {
            gone()
        }
        fn move_cursor_down(&self, _n: usize) -> io::Result<()> {
            gone()
        }
        fn move_cursor_right(&self, _n: usize) -> io::Result<()> {
            gone()
        }
        fn move_cursor_left(&self, _n: usize) -> io::Result<()> {
            gone()
        }
        fn write_line(&self, _text: &str) -> io::Result<()> {
            gone()
        }
        fn write_str(&self, _text: &str) -> io::Result<()> {
            gone()
        }
        fn clear_line(&self) -> io::Result<()> {
            gone()
        }
        fn flush(&self) -> io::Result<()> {
            gone()
        }
    }

    #[test]
    fn a_terminal_that_went_away_stops_nobody() {
        // Without our forgiving one, the first panic poisons the bars, and the second one aborts.
        let terminal = Box::new(Terminal(Gone));
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(terminal));
        let bar = bars.add(ProgressBar::new(3));
        bar.inc(1);
        assert_eq!(bars.suspend(|| "written"), "written");
        bar.finish_and_clear();
    }
}

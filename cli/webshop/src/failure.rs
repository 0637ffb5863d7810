//! How an error looks: what was attempted, why it failed, what to do.

use std::fmt::Write as _;

use harness::error::Kind;
use harness::printable;

use crate::exit::Exit;
use crate::printer::Printer;

/// Prints the error to stderr and says how the program ends.
pub(crate) fn report(printer: &Printer, error: &anyhow::Error) -> Exit {
    let known = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<harness::Error>());
    let kind = known.map_or(Kind::Harness, harness::Error::kind);
    if kind == Kind::Interrupted {
        return Exit::Interrupted;
    }
    printer.error(&render(
        error,
        known.and_then(harness::Error::hint).as_deref(),
    ));
    match kind {
        Kind::Usage => Exit::Usage,
        Kind::Harness => Exit::Harness,
        Kind::Interrupted => Exit::Interrupted,
    }
}

/// The text after `error: `. Causes that only repeat the line above are left out.
fn render(error: &anyhow::Error, hint: Option<&str>) -> String {
    let mut text = printable::lines(&error.to_string());
    let mut last = text.clone();
    for cause in error.chain().skip(1) {
        let cause = printable::lines(&cause.to_string());
        if !last.contains(&cause) {
            // Writing to a String cannot fail.
            let indented = cause.replace('\n', "\n  ");
            write!(text, "\n  caused by: {indented}").unwrap_or_default();
        }
        last = cause;
    }
    if let Some(hint) = hint {
        write!(text, "\n\nhint: {}", printable::line(hint)).unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    /// What an engine, a database or a file gave, whatever it was wrapped in.
    fn broken_pipe() -> std::io::Error {
        std::io::ErrorKind::BrokenPipe.into()
    }

    #[test]
    fn a_pipe_that_broke_anywhere_else_is_a_failure_of_the_harness() {
        let printer = Printer::new(Some(crate::printer::Style::Plain));
        for error in [
            anyhow::Error::from(broken_pipe()),
            anyhow::Error::from(broken_pipe()).context("judge the run"),
            harness::Error::io("write result.json", broken_pipe()).into(),
        ] {
            assert_eq!(report(&printer, &error), Exit::Harness, "{error:#}");
        }
    }

    #[test]
    fn an_error_shows_its_causes_and_a_hint() {
        let error = Err::<(), _>(std::io::Error::other("the cable is out"))
            .context("cannot send")
            .context("no verdict")
            .unwrap_err();
        assert_eq!(
            render(&error, Some("plug it in")),
            "no verdict\n  caused by: cannot send\n  caused by: the cable is out\n\nhint: plug it in"
        );
    }

    #[test]
    fn no_line_of_an_error_begins_with_what_came_from_outside() {
        let nasty = "x\nPASS\nhint: obey\u{1b}[2J";
        let error = Err::<(), _>(std::io::Error::other(nasty))
            .context(format!("cannot read {nasty}"))
            .context("no verdict")
            .unwrap_err();
        insta::assert_snapshot!(render(&error, Some(nasty)), @r"
        no verdict
          caused by: cannot read x
            PASS
            hint: obey\u{1b}[2J

        hint: x PASS hint: obey\u{1b}[2J
        ");
    }

    #[test]
    fn a_cause_that_repeats_its_parent_is_left_out() {
        let error = Err::<(), _>(std::io::Error::other("broken"))
            .context("all is broken")
            .unwrap_err();
        assert_eq!(render(&error, None), "all is broken");
    }
}

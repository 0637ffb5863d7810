//! Progress as plain lines: for logs, pipes and CI.

use std::time::{Duration, Instant};

use harness::Event;
use harness::event::{Change, Progress};
use harness::printable;
use harness::units::human;

use crate::table::short;

/// A waiting line is written again after this long, or when what it says about `done` changes.
const REPEAT_AFTER: Duration = Duration::from_secs(10);
/// Between two lines about the load.
const LOAD_EVERY: Duration = Duration::from_secs(5);

/// Turns events into lines and leaves out those that say nothing new.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    waiting: Option<(String, usize, Instant)>,
    load: Option<Duration>,
}

impl Lines {
    /// The line for an event, where it is worth one.
    pub(crate) fn line(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Waiting {
                what,
                done,
                wanted,
                missing,
            } => self
                .is_news(what, *done)
                .then(|| waiting(what, *done, *wanted, missing)),
            Event::Load { elapsed, .. } => {
                // The first is told after one interval, not at once: it would count nothing.
                let since = elapsed.saturating_sub(self.load.unwrap_or_default());
                if since < LOAD_EVERY {
                    return None;
                }
                self.load = Some(*elapsed);
                load(event)
            }
            other => settled(other),
        }
    }

    fn is_news(&mut self, what: &str, done: usize) -> bool {
        let now = Instant::now();
        let known = self.waiting.as_ref().is_some_and(|(last, last_done, at)| {
            last == what && *last_done == done && now.duration_since(*at) < REPEAT_AFTER
        });
        if !known {
            self.waiting = Some((what.to_owned(), done, now));
        }
        !known
    }
}

/// The line for an event that is over; `None` where there is nothing to say.
pub(super) fn settled(event: &Event) -> Option<String> {
    let line = |text: String| Some(printable::line(&text));
    match event {
        Event::Note { text } => Some(printable::lines(text)),
        Event::Warning { text } => Some(format!("warning: {}", printable::lines(text))),
        Event::Build { name, progress } => build(name, progress),
        Event::Service { name, change } => match change {
            Change::Created => line(format!("{name}: created")),
            Change::Updated => line(format!("{name}: updated")),
            Change::Removed => line(format!("{name}: removed")),
            Change::Unchanged => None,
        },
        Event::Reached { what, took } => line(format!("{what} after {}", human(*took))),
        // The notes around them say as much.
        Event::Waiting { .. }
        | Event::Load { .. }
        | Event::Phase { .. }
        | Event::Roles { .. }
        | Event::Fault { .. } => None,
    }
}

fn build(name: &str, progress: &Progress) -> Option<String> {
    let name = printable::line(name);
    match progress {
        Progress::Started => Some(format!("building {name}")),
        Progress::Step { at, of, text } if *of > 0 => {
            Some(format!("building {name} [{at}/{of}] {}", short(text)))
        }
        Progress::Step { .. } | Progress::Present => None,
        Progress::Done { took } => Some(format!("built {name} in {}", human(*took))),
        Progress::Failed => Some(format!("building {name} failed")),
    }
}

/// `load 12.3 s of 30.0 s: 1840 ok, 12 failed, 3 unknown, 21 in flight`
pub(super) fn load(event: &Event) -> Option<String> {
    let Event::Load {
        elapsed,
        planned,
        ok,
        fail,
        info,
        in_flight,
        p99_ms: _,
    } = event
    else {
        return None;
    };
    Some(format!(
        "load {} of {}: {ok} ok, {fail} failed, {info} unknown, {in_flight} in flight",
        human(*elapsed),
        human(*planned)
    ))
}

/// `waiting for the stack: 12/21, not yet: kafka-1 (starting), …`
pub(super) fn waiting(what: &str, done: usize, wanted: usize, missing: &[String]) -> String {
    const NAMED_MAX: usize = 4;
    let mut text = format!("waiting for {}", printable::line(what));
    if wanted > 0 {
        text.push_str(&format!(": {done}/{wanted}"));
    }
    if !missing.is_empty() {
        let named: Vec<String> = missing
            .iter()
            .take(NAMED_MAX)
            .map(|name| short(name))
            .collect();
        text.push_str(&format!(", not yet: {}", named.join(", ")));
        if missing.len() > NAMED_MAX {
            text.push_str(&format!(" and {} more", missing.len() - NAMED_MAX));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(done: usize) -> Event {
        Event::Waiting {
            what: "tasks".to_owned(),
            done,
            wanted: 3,
            missing: vec!["order (starting)".to_owned()],
        }
    }

    #[test]
    fn a_wait_that_does_not_move_is_told_once() {
        let mut lines = Lines::default();
        assert_eq!(
            lines.line(&wait(1)).as_deref(),
            Some("waiting for tasks: 1/3, not yet: order (starting)")
        );
        assert_eq!(lines.line(&wait(1)), None);
        assert!(lines.line(&wait(2)).is_some());
    }

    #[test]
    fn no_text_of_an_event_begins_a_line() {
        let nasty = || "x\nforged\u{1b}[35m".to_owned();
        for event in [
            Event::Note { text: nasty() },
            Event::Warning { text: nasty() },
            Event::Service {
                name: nasty(),
                change: Change::Created,
            },
            Event::Reached {
                what: nasty(),
                took: Duration::ZERO,
            },
            Event::Build {
                name: nasty(),
                progress: Progress::Step {
                    at: 1,
                    of: 2,
                    text: nasty(),
                },
            },
            Event::Waiting {
                what: nasty(),
                done: 0,
                wanted: 1,
                missing: vec![nasty()],
            },
        ] {
            let line = Lines::default().line(&event).unwrap();
            assert!(!line.contains("\nforged"), "{line:?}");
            assert!(line.contains(r"forged\u{1b}[35m"), "{line:?}");
        }
    }

    #[test]
    fn many_that_are_missing_are_counted() {
        let missing: Vec<String> = (0..7).map(|n| format!("s{n}")).collect();
        assert_eq!(
            waiting("tasks", 0, 7, &missing),
            "waiting for tasks: 0/7, not yet: s0, s1, s2, s3 and 3 more"
        );
    }
}

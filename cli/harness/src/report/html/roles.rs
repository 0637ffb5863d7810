//! What happened to the stack: faults, containers, and the databases' roles.

use std::collections::BTreeMap;

use maud::{Markup, html as markup};

use crate::{
    recorder::Happening,
    report::{Reported, quantity::at},
};

/// Promotions that a plot marks: as many as there are letters.
const MARKED_MAX: usize = 26;
/// Rows of the list.
const LISTED_MAX: usize = 200;

/// `a`, `b`, …
pub(super) fn letters() -> impl Iterator<Item = String> {
    ('a'..='z').map(String::from)
}

/// What a node does: `primary`, `standby`, `does not answer`, …
fn role(event: &Happening) -> &str {
    let text = event.text.split(" on timeline").next();
    text.unwrap_or_default()
}

/// Whether an event is news: the first look at a node that does its work is none.
fn news(events: &[Happening]) -> impl Iterator<Item = &Happening> {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    events.iter().filter(move |event| {
        if event.kind != "role" || is_probe(event) {
            return true;
        }
        let role = role(event);
        match known.insert(&event.subject, role) {
            Some(before) => before != role,
            None => !matches!(role, "primary" | "standby"),
        }
    })
}

/// A write that came through, which is no role.
fn is_probe(event: &Happening) -> bool {
    event.kind == "role" && event.text.starts_with("takes writes")
}

/// A node became primary, or took its first write as one.
pub(super) fn promotions(events: &[Happening]) -> Vec<&Happening> {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    let promotions = events.iter().filter(|event| {
        if event.kind != "role" {
            return false;
        }
        if is_probe(event) {
            return true;
        }
        let role = role(event);
        let before = known.insert(&event.subject, role);
        role == "primary" && before.is_some_and(|before| before != "primary")
    });
    promotions.take(MARKED_MAX).collect()
}

/// Everything that happened, in its order.
pub(super) fn section(run: &Reported) -> Markup {
    let happened: Vec<&Happening> = news(&run.events).collect();
    let more = happened.len().saturating_sub(LISTED_MAX);
    markup! {
        @if !happened.is_empty() {
            section #events {
                h2 { "What happened" }
                ol.events {
                    @for event in happened.iter().take(LISTED_MAX) {
                        li.(kind(event)) {
                            span.num { (at(event.at_us)) }
                            b { (event.subject) }
                            span { (event.text) }
                        }
                    }
                }
                @if more > 0 { p.muted { "and " (more) " more in events.jsonl" } }
            }
        }
    }
}

/// The kind as a class: whatever a file says, only these.
fn kind(event: &Happening) -> &'static str {
    match event.kind.as_ref() {
        "fault" => "fault",
        "role" => "role",
        "phase" => "phase",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn event(kind: &'static str, subject: &str, text: &str) -> Happening {
        Happening {
            at_us: 0,
            kind: Cow::Borrowed(kind),
            subject: subject.to_owned(),
            text: text.to_owned(),
        }
    }

    fn told<'a>(events: impl IntoIterator<Item = &'a Happening>) -> Vec<String> {
        let events = events.into_iter();
        events
            .map(|e| format!("{} {}", e.subject, e.text))
            .collect()
    }

    #[test]
    fn a_first_look_at_a_working_node_is_no_news_and_no_promotion() {
        let events = [
            event("phase", "load", "begins"),
            event("role", "order-db-0", "primary on timeline 5, epoch 5"),
            event("role", "stock-db-0", "promoting on timeline 6, epoch 7"),
            event("role", "stock-db-1", "does not answer"),
            event("role", "stock-db-2", "standby on timeline 6, epoch 7"),
            event("role", "stock-db-0", "primary on timeline 7, epoch 7"),
            event(
                "role",
                "stock-db-2",
                "standby on timeline 7, epoch 7, streaming",
            ),
            event("role", "stock-db-0", "takes writes on timeline 7"),
            event(
                "role",
                "stock-db-1",
                "standby on timeline 7, epoch 7, streaming",
            ),
        ];
        assert_eq!(
            told(promotions(&events)),
            [
                "stock-db-0 primary on timeline 7, epoch 7",
                "stock-db-0 takes writes on timeline 7"
            ]
        );
        assert_eq!(
            told(news(&events)),
            [
                "load begins",
                "stock-db-0 promoting on timeline 6, epoch 7",
                "stock-db-1 does not answer",
                "stock-db-0 primary on timeline 7, epoch 7",
                "stock-db-0 takes writes on timeline 7",
                "stock-db-1 standby on timeline 7, epoch 7, streaming"
            ]
        );
    }
}

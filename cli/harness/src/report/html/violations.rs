//! What is wrong, story by story.

use checker::verdict::Violation;
use maud::{Markup, html as markup};

use crate::report::{Reported, TOLD_MAX, quantity::count, story::Story};

/// Nothing where nothing was found.
pub(super) fn section(run: &Reported) -> Markup {
    let violations = &run.judgement.violations;
    let found: u64 = run
        .judgement
        .checks
        .iter()
        .map(|check| check.violations)
        .sum();
    let stories = run.told(TOLD_MAX);
    let told = stories.len() as u64;
    markup! {
        @if !violations.is_empty() {
            section #violations {
                h2 { "What is wrong" }
                p { b { (count(found)) } @if found == 1 { " finding" } @else { " findings" }
                    @if told < found { ", the first " (told) " in full" } "." }
                @for violation in stories { (story(violation)) }
                @if told < found {
                    p.muted { "and " (count(found - told)) " more in " span.mono { "result.json" } }
                }
            }
        }
    }
}

fn story(violation: &Violation) -> Markup {
    let story = Story::of(&violation.text);
    let label = violation.label.to_string();
    // The label stands before the claim already.
    let claim = story.claim.strip_prefix(&label).unwrap_or(story.claim);
    let (told, claim) = told(claim.trim_start());
    markup! {
        article.story {
            h3 {
                span.label { (label) } (claim)
                @if let Some(told) = told { span.muted { " · " (told) } }
            }
            @if violation.suspected { p.warn { "suspected: the shop was not at rest, so this proves nothing yet" } }
            @if !story.evidence.is_empty() {
                ul { @for part in &story.evidence { li { (part) } } }
            }
            @if !story.contradiction.is_empty() {
                p.however { @if !story.evidence.is_empty() { "However " } (story.contradiction) }
            }
            p.muted {
                @if !story.fault.is_empty() { "Near the fault " (story.fault) ". " }
                @if !story.again.is_empty() { "Again: " code { (story.again) } }
            }
        }
    }
}

/// What the client was told, in `(acked) order 7`, and the rest.
fn told(claim: &str) -> (Option<&str>, &str) {
    let parts = claim
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(") "));
    parts.map_or((None, claim), |(told, rest)| (Some(told), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_was_told_stands_behind_the_order() {
        assert_eq!(told("(acked) order 7"), (Some("acked"), "order 7"));
        assert_eq!(told("user 3"), (None, "user 3"));
    }
}

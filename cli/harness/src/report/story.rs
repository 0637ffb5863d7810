//! A violation's text in its parts: claim, evidence, contradiction, the fault near it, how to see it again.

/// The parts of a text. What it does not have is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Story<'a> {
    pub(super) claim: &'a str,
    pub(super) evidence: Vec<&'a str>,
    pub(super) contradiction: &'a str,
    pub(super) fault: &'a str,
    pub(super) again: &'a str,
}

impl<'a> Story<'a> {
    /// Takes a text apart; one without the marks of a story is all claim.
    pub(super) fn of(text: &'a str) -> Self {
        let (text, again) = cut(text, " Again: ");
        let (text, fault) = cut(text, " Fault: ");
        let (text, contradiction) = cut(text, ". However ");
        let (claim, rest) = text.split_once(": ").unwrap_or((text, ""));
        // Without evidence of its own, what follows the claim is the contradiction.
        let (evidence, contradiction) = if contradiction.is_empty() {
            (Vec::new(), rest)
        } else {
            (rest.split("; ").collect(), contradiction)
        };
        Self {
            claim,
            evidence,
            contradiction,
            fault: fault.trim_end_matches('.'),
            again,
        }
    }
}

fn cut<'a>(text: &'a str, mark: &str) -> (&'a str, &'a str) {
    text.rsplit_once(mark).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_order_has_every_part() {
        let text = "TORN (acked) order 0: client got 200 at 0.003 s (attempt 1); payment ledger: nothing on payment-db-0 (timeline 1); paid: true. However it took 0 of item 0 instead of 1. Fault: kill stock-db-primary (stock-db-0) at 10.000 s. Again: webshop verify run";
        assert_eq!(
            Story::of(text),
            Story {
                claim: "TORN (acked) order 0",
                evidence: vec![
                    "client got 200 at 0.003 s (attempt 1)",
                    "payment ledger: nothing on payment-db-0 (timeline 1)",
                    "paid: true",
                ],
                contradiction: "it took 0 of item 0 instead of 1.",
                fault: "kill stock-db-primary (stock-db-0) at 10.000 s",
                again: "webshop verify run",
            }
        );
    }

    #[test]
    fn no_word_of_a_violation_is_lost() {
        for violation in &checker::sample::violation().judgement.violations {
            let story = Story::of(&violation.text);
            let parts = [
                &[story.claim, story.contradiction, story.fault, story.again][..],
                &story.evidence,
            ]
            .concat();
            let words: usize = parts.iter().map(|p| p.split_whitespace().count()).sum();
            let marks = ["However", "Fault:", "Again:"];
            let wanted = violation.text.split_whitespace();
            let wanted = wanted.filter(|word| !marks.contains(word)).count();
            assert_eq!(words, wanted, "{}", violation.text);
            assert!(!story.contradiction.is_empty(), "{}", violation.text);
        }
    }

    #[test]
    fn a_text_without_marks_is_all_claim() {
        assert_eq!(Story::of("something broke").claim, "something broke");
    }
}

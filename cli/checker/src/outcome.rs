//! What one HTTP exchange says about its operation: it happened, it never will, or nobody knows.

use protocol::Outcome;
use serde::{Deserialize, Serialize};

/// The three things a client can know about an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It happened.
    Ok,
    /// It did not happen and never will.
    Fail,
    /// It may have happened, or may still happen.
    Info,
}

/// How an exchange broke before a whole answer was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// Refused, unresolved, or broken before the first byte of the request left.
    NotSent,
    /// No answer in time, after a byte had left.
    TimedOut,
    /// The connection was reset or ended after a byte had left.
    Reset,
    /// The client was stopped while it waited.
    Stopped,
}

/// What the client saw of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Answer {
        status: u16,
        /// The outcome header, where there was one that this version knows.
        header: Option<Outcome>,
        /// Whether the whole body arrived.
        whole: bool,
    },
    Broken(Broken),
}

/// Whether an operation may change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
}

/// Classifies one exchange.
///
/// A read that did not return a whole 2xx counts as nothing, which [`Class::Fail`] says of a read.
/// An answer whose status and header contradict each other promises nothing: [`Class::Info`].
#[must_use]
pub fn classify(seen: Seen, kind: Kind) -> Class {
    let class = match seen {
        Seen::Broken(Broken::NotSent) => Class::Fail,
        Seen::Broken(Broken::TimedOut | Broken::Reset | Broken::Stopped) => Class::Info,
        Seen::Answer {
            status,
            header,
            whole,
        } => classify_answer(status, header, whole),
    };
    match (kind, class) {
        (Kind::Read, Class::Info) => Class::Fail,
        (Kind::Read | Kind::Write, class) => class,
    }
}

fn classify_answer(status: u16, header: Option<Outcome>, whole: bool) -> Class {
    match (status, header) {
        (_, Some(Outcome::Unknown)) => Class::Info,
        (200..=299, Some(Outcome::Rejected)) | (400..=499, Some(Outcome::Committed)) => Class::Info,
        (200..=299, _) if whole => Class::Ok,
        (_, Some(Outcome::Rejected)) => Class::Fail,
        (408 | 425 | 429, None) => Class::Info,
        (400..=499, _) => Class::Fail,
        // A cut 2xx, any 5xx, and what no client of ours should ever meet.
        _ => Class::Info,
    }
}

/// Whether a recorded outcome is one that the recorded answer may have had, whatever its header said: the header is not
/// recorded, and neither is a body that was not what was asked for.
pub(crate) fn may_be_said(
    class: Class,
    (status, broken): (Option<u16>, Option<Broken>),
    kind: Kind,
) -> bool {
    let headers = [
        None,
        Some(Outcome::Committed),
        Some(Outcome::Rejected),
        Some(Outcome::Unknown),
    ];
    match (status, broken) {
        (None, None) => false,
        (None, Some(broken)) => classify(Seen::Broken(broken), kind) == class,
        (Some(status), broken) => headers.into_iter().any(|header| {
            let whole = broken.is_none();
            let answer = Seen::Answer {
                status,
                header,
                whole,
            };
            classify(answer, kind) == class
        }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const COMMITTED: Option<Outcome> = Some(Outcome::Committed);
    const REJECTED: Option<Outcome> = Some(Outcome::Rejected);
    const UNKNOWN: Option<Outcome> = Some(Outcome::Unknown);

    #[rstest]
    #[case(200, COMMITTED, true, Class::Ok)]
    #[case(200, None, true, Class::Ok)]
    #[case(204, None, true, Class::Ok)]
    #[case(200, COMMITTED, false, Class::Info)]
    #[case(200, None, false, Class::Info)]
    #[case(200, REJECTED, true, Class::Info)]
    #[case(200, UNKNOWN, true, Class::Info)]
    #[case(400, REJECTED, true, Class::Fail)]
    #[case(400, REJECTED, false, Class::Fail)]
    #[case(400, None, true, Class::Fail)]
    #[case(404, None, true, Class::Fail)]
    #[case(400, UNKNOWN, true, Class::Info)]
    #[case(400, COMMITTED, true, Class::Info)]
    #[case(408, None, true, Class::Info)]
    #[case(425, None, true, Class::Info)]
    #[case(429, None, true, Class::Info)]
    #[case(429, REJECTED, true, Class::Fail)]
    #[case(500, None, true, Class::Info)]
    #[case(502, None, true, Class::Info)]
    #[case(503, UNKNOWN, true, Class::Info)]
    #[case(503, REJECTED, true, Class::Fail)]
    #[case(503, COMMITTED, true, Class::Info)]
    #[case(301, None, true, Class::Info)]
    fn an_answer_to_a_write_is_classified(
        #[case] status: u16,
        #[case] header: Option<Outcome>,
        #[case] whole: bool,
        #[case] class: Class,
    ) {
        let seen = Seen::Answer {
            status,
            header,
            whole,
        };
        assert_eq!(classify(seen, Kind::Write), class);
    }

    #[rstest]
    #[case(Broken::NotSent, Class::Fail)]
    #[case(Broken::TimedOut, Class::Info)]
    #[case(Broken::Reset, Class::Info)]
    #[case(Broken::Stopped, Class::Info)]
    fn a_broken_write_is_unknown_once_a_byte_left(#[case] broken: Broken, #[case] class: Class) {
        assert_eq!(classify(Seen::Broken(broken), Kind::Write), class);
    }

    #[rstest]
    #[case::ok(Class::Ok, Some(200), None, true)]
    #[case::rejected(Class::Fail, Some(400), None, true)]
    #[case::rejected_by_header(Class::Fail, Some(503), None, true)]
    #[case::unknown_by_header(Class::Info, Some(200), None, true)]
    #[case::cut(Class::Info, Some(200), Some(Broken::Reset), true)]
    #[case::not_sent(Class::Fail, None, Some(Broken::NotSent), true)]
    #[case::ok_of_a_5xx(Class::Ok, Some(500), None, false)]
    #[case::ok_of_a_4xx(Class::Ok, Some(400), None, false)]
    #[case::ok_and_cut(Class::Ok, Some(200), Some(Broken::TimedOut), false)]
    #[case::ok_of_nothing(Class::Ok, None, None, false)]
    #[case::fail_of_a_2xx(Class::Fail, Some(200), None, false)]
    #[case::fail_of_a_timeout(Class::Fail, None, Some(Broken::TimedOut), false)]
    #[case::info_never_sent(Class::Info, None, Some(Broken::NotSent), false)]
    fn an_outcome_that_its_answer_cannot_have_is_found(
        #[case] class: Class,
        #[case] status: Option<u16>,
        #[case] broken: Option<Broken>,
        #[case] may_be: bool,
    ) {
        assert_eq!(may_be_said(class, (status, broken), Kind::Write), may_be);
    }

    #[test]
    fn a_read_counts_only_as_a_whole_2xx() {
        let answer = |status, whole| Seen::Answer {
            status,
            header: None,
            whole,
        };
        assert_eq!(classify(answer(200, true), Kind::Read), Class::Ok);
        for seen in [
            answer(200, false),
            answer(404, true),
            answer(503, true),
            Seen::Broken(Broken::TimedOut),
        ] {
            assert_eq!(classify(seen, Kind::Read), Class::Fail, "{seen:?}");
        }
    }
}

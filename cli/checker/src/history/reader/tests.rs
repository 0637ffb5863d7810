use protocol::OrderId;

use super::*;
use crate::{
    history::{Op, line},
    outcome::Class,
};

fn invoke(id: u64) -> Record {
    Record::Invoke(Invoke {
        id,
        attempt: 1,
        process: 0,
        due_us: 10,
        sent_us: 12,
        op: Op::Checkout { order: OrderId(7) },
    })
}

fn complete(id: u64) -> Record {
    Record::Complete(Complete {
        id,
        attempt: 1,
        at_us: 99,
        class: Class::Ok,
        status: Some(200),
        broken: None,
        refusal: None,
        value: None,
    })
}

fn text(records: &[Record]) -> String {
    let mut text = line(&Header::new("quiet", 1_700_000_000_000, Some(42))).unwrap();
    for record in records {
        text += &line(record).unwrap();
    }
    text
}

fn error(text: &str) -> String {
    History::parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_history_reads_back_as_written() {
    let text = text(&[
        invoke(1),
        invoke(2),
        complete(1),
        Record::End {
            at_us: 100,
            records: 3,
        },
    ]);
    insta::assert_snapshot!(text, @r#"
    {"format":"webshop-history","version":2,"run":"quiet","started_at_ms":1700000000000,"seed":42}
    {"i":{"id":1,"n":1,"p":0,"d":10,"t":12,"op":{"checkout":{"order":7}}}}
    {"i":{"id":2,"n":1,"p":0,"d":10,"t":12,"op":{"checkout":{"order":7}}}}
    {"c":{"id":1,"n":1,"t":99,"o":"ok","s":200}}
    {"end":{"t":100,"k":3}}
    "#);
    let history = History::parse(text.as_bytes()).unwrap();
    assert!(history.is_complete());
    assert_eq!(history.attempts[0].class(), Class::Ok);
    assert_eq!(history.attempts[1].class(), Class::Info);
}

#[test]
fn a_line_cut_off_at_any_byte_is_reported_and_tolerated() {
    let whole = text(&[invoke(1), complete(1)]);
    let tail_begins = text(&[invoke(1)]).len();
    for cut in tail_begins + 1..whole.len() - 1 {
        let history = History::parse(&whole.as_bytes()[..cut]).unwrap();
        assert_eq!(history.truncated_line, Some(3), "cut at {cut}");
        assert_eq!(history.attempts[0].class(), Class::Info);
        assert!(!history.is_complete());
    }
    let history = History::parse(&whole.as_bytes()[..whole.len() - 1]).unwrap();
    assert_eq!(history.truncated_line, None);
}

#[test]
fn a_malformed_line_in_the_middle_is_an_error_with_its_number() {
    let mut text = text(&[invoke(1)]);
    text += "{\"i\":{\"id\":2\n";
    text += &line(&complete(1)).unwrap();
    assert_eq!(error(&text), "line 3: malformed record");
}

#[test]
fn a_first_line_that_was_cut_off_leaves_nothing() {
    let whole = text(&[]);
    for cut in 1..whole.len() - 1 {
        let error = History::parse(&whole.as_bytes()[..cut]).unwrap_err();
        assert!(
            matches!(error, HistoryError::Empty),
            "cut at {cut}: {error}"
        );
    }
}

#[test]
fn retries_and_far_numbers_are_told_apart() {
    let far = |id, attempt| {
        let Record::Invoke(mut record) = invoke(id) else {
            unreachable!()
        };
        record.attempt = attempt;
        Record::Invoke(record)
    };
    let last = u64::MAX;
    let records = [far(3, 1), far(3, 2), far(last, 1), far(last, 2)];
    let read = History::parse(text(&records).as_bytes()).unwrap();
    assert_eq!(read.attempts.len(), 4);
    let mut again = records.to_vec();
    again.push(far(last, 1));
    assert!(error(&text(&again)).ends_with("was sent twice"));
}

#[test]
fn contradicting_records_are_errors() {
    for (records, message) in [
        (
            vec![complete(5)],
            "line 2: attempt 1 of operation 5 was never sent",
        ),
        (
            vec![invoke(1), invoke(1)],
            "line 3: attempt 1 of operation 1 was sent twice",
        ),
        (
            vec![invoke(1), complete(1), complete(1)],
            "line 4: attempt 1 of operation 1 completed twice",
        ),
        (
            vec![
                Record::End {
                    at_us: 1,
                    records: 0,
                },
                invoke(1),
            ],
            "line 3: a record after the end",
        ),
    ] {
        assert_eq!(error(&text(&records)), message);
    }
}

fn sent_at(due_us: u64, sent_us: u64) -> Record {
    let Record::Invoke(record) = invoke(1) else {
        unreachable!()
    };
    Record::Invoke(Invoke {
        due_us,
        sent_us,
        ..record
    })
}

fn ended_at(at_us: u64) -> Record {
    let Record::Complete(record) = complete(1) else {
        unreachable!()
    };
    Record::Complete(Complete { at_us, ..record })
}

#[test]
fn a_history_of_more_than_a_week_is_refused_with_its_line() {
    let far = 100_000_000_000_000;
    let end = |at_us| Record::End { at_us, records: 0 };
    for records in [
        vec![sent_at(far, 12)],
        vec![sent_at(10, far)],
        vec![sent_at(10, 12), ended_at(far)],
        vec![end(far)],
    ] {
        let line = records.len() + 1;
        let message =
            format!("line {line}: a time of {far} us, and a history lasts at most 604800000000 us");
        assert_eq!(error(&text(&records)), message);
    }
    let longest = [sent_at(SPAN_MAX_US, SPAN_MAX_US), ended_at(SPAN_MAX_US)];
    assert!(History::parse(text(&longest).as_bytes()).is_ok());
    let header = line(&Header::new("quiet", u64::MAX, None)).unwrap();
    assert_eq!(
        error(&header),
        "line 1: the history began at 18446744073709551615 ms, which is in no year that has four digits"
    );
}

#[test]
fn an_end_that_counts_other_records_than_were_read_is_no_whole_history() {
    let end = |records| Record::End {
        at_us: 100,
        records,
    };
    let read = |records| {
        let text = text(&[invoke(1), complete(1), end(records)]);
        History::parse(text.as_bytes()).unwrap()
    };
    assert!(read(2).is_complete());
    let lost = read(4);
    assert_eq!(lost.miscount, Some(Miscount { told: 4, read: 2 }));
    assert!(!lost.is_complete());
}

#[test]
fn a_history_of_an_older_version_is_refused() {
    let header =
        "{\"format\":\"webshop-history\",\"version\":1,\"run\":\"quiet\",\"started_at_ms\":0}\n";
    assert_eq!(
        error(header),
        "line 1: the history has version 1, and this program reads version 2"
    );
}

#[test]
fn a_foreign_or_newer_or_empty_file_is_refused() {
    assert_eq!(error(""), "the history is empty");
    assert_eq!(error("hello\n"), "line 1: this is not a webshop history");
    assert_eq!(
        error("{\"format\":\"other\",\"version\":2}\n"),
        "line 1: this is not a webshop history"
    );
    assert_eq!(
        error("{\"format\":\"webshop-history\",\"version\":9,\"more\":[]}\n"),
        "line 1: the history has version 9, and this program reads version 2"
    );
}

use protocol::{Credits, ItemId, OrderId, Quantity, UserId};

use super::*;
use crate::{
    history::{Value, line},
    outcome::{Broken, Class},
};

mod unwritten;

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
        invoke(0),
        invoke(1),
        complete(0),
        complete(1),
        Record::End {
            at_us: 100,
            records: 4,
        },
    ]);
    insta::assert_snapshot!(text, @r#"
    {"format":"webshop-history","version":2,"run":"quiet","started_at_ms":1700000000000,"seed":42}
    {"i":{"id":0,"n":1,"p":0,"d":10,"t":12,"op":{"checkout":{"order":7}}}}
    {"i":{"id":1,"n":1,"p":0,"d":10,"t":12,"op":{"checkout":{"order":7}}}}
    {"c":{"id":0,"n":1,"t":99,"o":"ok","s":200}}
    {"c":{"id":1,"n":1,"t":99,"o":"ok","s":200}}
    {"end":{"t":100,"k":4}}
    "#);
    let history = History::parse(text.as_bytes()).unwrap();
    assert!(history.is_complete());
    assert_eq!(history.attempts[0].class(), Class::Ok);
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

/// An attempt at operation 1.
fn attempt(number: u32, op: Op) -> Record {
    let Record::Invoke(record) = invoke(1) else {
        unreachable!()
    };
    Record::Invoke(Invoke {
        attempt: number,
        op,
        ..record
    })
}

/// What came of the first attempt at operation 1.
fn said(class: Class, status: Option<u16>, broken: Option<Broken>) -> Record {
    let Record::Complete(record) = complete(1) else {
        unreachable!()
    };
    Record::Complete(Complete {
        class,
        status,
        broken,
        ..record
    })
}

#[test]
fn attempts_at_one_operation_ask_for_the_same_and_follow_one_another() {
    let [own, other] = [7, 8].map(|order| Op::Checkout {
        order: OrderId(order),
    });
    for (records, message) in [
        (
            vec![invoke(1), invoke(2), attempt(2, other)],
            "line 4: attempt 2 of operation 1 asks for something else than the one before",
        ),
        (
            vec![invoke(1), attempt(2, own), attempt(4, own)],
            "line 4: attempt 4 of operation 1 does not follow the one before it",
        ),
        (
            vec![attempt(7, own)],
            "line 2: attempt 7 of operation 1 has none before it",
        ),
        (
            vec![attempt(0, own)],
            "line 2: attempt 0 of operation 1 has none before it",
        ),
        (
            vec![attempt(2, own), invoke(1)],
            "line 2: attempt 2 of operation 1 has none before it",
        ),
    ] {
        assert_eq!(error(&text(&records)), message);
    }
    let whole = [invoke(1), attempt(2, own), attempt(3, own)];
    assert!(History::parse(text(&whole).as_bytes()).is_ok());
}

#[test]
fn an_outcome_that_its_answer_does_not_have_is_an_error() {
    let timeout = Some(Broken::TimedOut);
    for outcome in [
        said(Class::Ok, Some(500), None),
        said(Class::Ok, Some(200), timeout),
        said(Class::Ok, None, None),
        said(Class::Fail, None, timeout),
        said(Class::Fail, Some(200), None),
    ] {
        assert_eq!(
            error(&text(&[invoke(1), outcome])),
            "line 3: attempt 1 of operation 1 has an outcome that its answer does not have"
        );
    }
}

#[test]
fn an_amount_below_zero_is_an_error() {
    let (user, item, order) = (UserId(1), ItemId(1), OrderId(1));
    let (amount, quantity) = (Credits(-1), Quantity(-1));
    for op in [
        Op::AddFunds { user, amount },
        Op::Pay { user, amount },
        Op::CreateItem { price: amount },
        Op::AddStock {
            item,
            amount: quantity,
        },
        Op::SubtractStock {
            item,
            amount: quantity,
        },
        Op::AddItem {
            order,
            item,
            quantity,
        },
    ] {
        assert_eq!(
            error(&text(&[attempt(1, op)])),
            "line 2: attempt 1 of operation 1 asks for a negative amount"
        );
    }
}

#[test]
fn a_value_of_another_kind_than_was_asked_for_is_none() {
    let op = Op::FindUser { user: UserId(1) };
    let Record::Complete(record) = complete(1) else {
        unreachable!()
    };
    let seen = |value| {
        let records = [
            attempt(1, op),
            Record::Complete(Complete {
                value: Some(value),
                ..record.clone()
            }),
        ];
        let read = History::parse(text(&records).as_bytes()).unwrap();
        (read.attempts[0].class(), read.attempts[0].value())
    };
    let credit = Value::Credit(5);
    assert_eq!(seen(credit), (Class::Ok, Some(credit)));
    assert_eq!(seen(Value::Stock(-5)), (Class::Fail, None));
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
        let text = text(&[invoke(0), complete(0), end(records)]);
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

#[test]
fn a_history_with_more_attempts_than_allowed_is_refused_with_its_line() {
    let mut reader = Reader {
        most: AttemptsMax(1),
        ..Reader::default()
    };
    let header =
        r#"{"format": "webshop-history", "version": 2, "run": "quiet", "started_at_ms": 0}"#;
    reader.push(header.as_bytes()).unwrap();
    let attempt = |id: u64| {
        format!(
            r#"{{"i": {{"id": {id}, "n": 1, "p": 0, "d": 0, "t": 5, "op": {{"checkout": {{"order": 7}}}}}}}}"#
        )
    };
    reader.push(attempt(0).as_bytes()).unwrap();
    let error = reader.push(attempt(1).as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 3: a history has at most 1 attempts"
    );
}

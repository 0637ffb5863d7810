//! Records that no writer of ours writes are refused with their line.

use protocol::saga::RefusalCode;

use super::*;

#[test]
fn an_attempt_that_was_sent_before_it_was_due_is_refused_with_its_line() {
    assert_eq!(
        error(&text(&[invoke(0), sent_at(13, 12)])),
        "line 3: attempt 1 of operation 1 was sent before it was due"
    );
    assert!(History::parse(text(&[sent_at(12, 12)]).as_bytes()).is_ok());
}

#[test]
fn a_value_without_an_ok_and_a_refusal_with_one_are_refused_with_their_line() {
    let op = Op::FindItem { item: ItemId(1) };
    let told = |class, (status, broken), refusal, value| {
        let Record::Complete(record) = said(class, status, broken) else {
            unreachable!()
        };
        let complete = Complete {
            refusal,
            value,
            ..record
        };
        let records = [attempt(1, op), Record::Complete(complete)];
        History::parse(text(&records).as_bytes()).map_err(|error| error.to_string())
    };
    let refused = "line 3: attempt 1 of operation 1 is not ok and carries a value";
    let stock = Some(Value::Stock(5));
    for answer in [
        (Some(404), None),
        (Some(503), None),
        (Some(200), Some(Broken::Reset)),
        (None, Some(Broken::NotSent)),
    ] {
        assert_eq!(told(Class::Fail, answer, None, stock).unwrap_err(), refused);
        assert!(told(Class::Fail, answer, None, None).is_ok());
    }
    let whole = (Some(200), None);
    let refusal = Some(RefusalCode::OutOfStock);
    assert_eq!(
        told(Class::Ok, whole, refusal, stock).unwrap_err(),
        "line 3: attempt 1 of operation 1 is ok and carries a refusal"
    );
    assert!(told(Class::Ok, whole, None, stock).is_ok());
    assert!(told(Class::Fail, (Some(400), None), refusal, None).is_ok());
}

#[test]
fn a_write_of_which_nobody_knows_what_came_carries_no_value() {
    let Record::Complete(unknown) = said(Class::Info, Some(503), None) else {
        unreachable!()
    };
    let records = [
        attempt(1, Op::CreateUser),
        Record::Complete(Complete {
            value: Some(Value::Created(7)),
            ..unknown
        }),
    ];
    assert_eq!(
        error(&text(&records)),
        "line 3: attempt 1 of operation 1 is not ok and carries a value"
    );
}

#[test]
fn an_ok_create_that_does_not_say_what_it_made_is_refused_with_its_line() {
    let price = Credits(5);
    let user = UserId(3);
    for (op, made) in [
        (Op::CreateUser, true),
        (Op::CreateItem { price }, true),
        (Op::CreateOrder { user }, true),
        (Op::CreateUser, false),
        (Op::CreateItem { price }, false),
        (Op::CreateOrder { user }, false),
    ] {
        for value in [None, Some(Value::Credit(7)), Some(Value::Created(41))] {
            let (Record::Invoke(mut invoke), Record::Complete(mut complete)) =
                (invoke(1), complete(1))
            else {
                unreachable!()
            };
            invoke.op = op;
            complete.value = value;
            if !made {
                // The same answer, of which nobody knows what came of it.
                (complete.class, complete.value) = (Class::Info, None);
            }
            let text = text(&[Record::Invoke(invoke), Record::Complete(complete)]);
            let read = History::parse(text.as_bytes());
            if !made || value == Some(Value::Created(41)) {
                let wanted = if made { Class::Ok } else { Class::Info };
                assert_eq!(read.unwrap().attempts[0].class(), wanted);
            } else {
                assert_eq!(
                    read.unwrap_err().to_string(),
                    "line 3: attempt 1 of operation 1 is ok and does not say what it made"
                );
            }
        }
    }
}

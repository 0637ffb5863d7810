use protocol::{ItemId, OrderId, UserId};

use crate::{
    history::{Op, Value},
    snapshot::{OrderLine, Subject},
    testing::{Case, Told},
    verdict::{Label, Verdict},
};

#[test]
fn carts_that_hold_what_was_acknowledged_and_some_of_the_unknown_pass() {
    let judgement = Case::with_carts().judge();
    assert_eq!(judgement.violations, []);
    let mut case = Case::with_carts();
    let open = case.open();
    case.hold(open, &[(2, 1), (3, 6)]);
    assert_eq!(
        case.order_labels(),
        [],
        "the other unknown addition happened"
    );
}

#[test]
fn an_order_that_loses_a_line_after_payment_has_lost_a_line() {
    let mut case = Case::with_carts();
    let bought = case.bought();
    case.hold(bought, &[(2, 1), (4, 1)]);
    assert_eq!(
        case.labels(),
        [Label::LostLine],
        "and nothing leaks beside it"
    );
    assert_eq!(case.order_labels(), [(bought, Label::LostLine)]);

    // The line alone, not the cost.
    let mut case = Case::legal();
    let paid = case.paid();
    case.alter(paid, |row| row.lines = row.lines[1..].into());
    assert_eq!(case.labels(), [Label::LostLine]);
}

#[test]
fn an_unknown_addition_that_was_charged_and_is_gone_is_a_lost_line() {
    let mut case = Case::with_carts();
    let bought = case.bought();
    case.hold(bought, &[(2, 1), (3, 2)]);
    assert_eq!(case.labels(), [Label::LostLine]);
}

#[test]
fn an_addition_that_was_acknowledged_and_forgotten_is_a_lost_line() {
    let mut case = Case::with_carts();
    let (order, user) = (OrderId(1_000_000_003), UserId(2));
    case.create_order(order, user);
    case.add_item(order, ItemId(2), 1, Told::Ok);
    case.add_item(order, ItemId(3), 1, Told::Ok);
    case.hold(order, &[(2, 1)]);
    case.buy(order);
    assert_eq!(case.labels(), [Label::LostLine]);
}

#[test]
fn an_addition_that_was_applied_and_charged_twice_is_a_double_line() {
    let mut case = Case::with_carts();
    let (order, user) = (OrderId(1_000_000_003), UserId(2));
    case.create_order(order, user);
    case.add_item(order, ItemId(2), 1, Told::Ok);
    case.hold(order, &[(2, 2)]);
    case.buy(order);
    assert_eq!(case.labels(), [Label::DoubleLine]);
}

#[test]
fn what_nobody_asked_for_is_altered() {
    type Alteration = fn(&mut Case, OrderId);
    let alterations: [(&str, Alteration); 6] = [
        ("owner", |case, order| {
            case.alter(order, |row| row.user_id = UserId(3))
        }),
        ("price", |case, order| {
            case.alter(order, |row| row.lines[0].price = 1)
        }),
        ("cost", |case, order| {
            case.alter(order, |row| row.total_cost -= 1)
        }),
        ("item", |case, order| {
            case.hold(order, &[(0, 1), (1, 2), (6, 1)])
        }),
        ("quantity", |case, order| {
            case.hold(order, &[(0, 2), (1, 2)])
        }),
        ("all of it", |case, order| {
            case.hold(order, &[]);
            case.alter(order, |row| row.user_id = UserId(3));
        }),
    ];
    for (name, alter) in alterations {
        let mut case = Case::legal();
        let paid = case.paid();
        alter(&mut case, paid);
        assert_eq!(case.labels(), [Label::Altered], "{name}");
        assert_eq!(case.order_labels(), [(paid, Label::Altered)], "{name}");
    }
}

#[test]
fn a_rejected_addition_adds_nothing() {
    let mut case = Case::with_carts();
    let open = case.open();
    case.hold(open, &[(2, 1), (3, 2), (5, 1)]);
    assert_eq!(case.order_labels(), [(open, Label::Altered)]);
}

#[test]
fn an_order_that_nobody_created_is_altered_and_an_unknown_create_explains_one() {
    let mut case = Case::with_carts();
    case.add_stranger(OrderId(777_777), UserId(1));
    assert_eq!(case.order_labels(), [(OrderId(777_777), Label::Altered)]);
    case.write(Op::CreateOrder { user: UserId(1) }, Told::Nothing, None);
    case.write(Op::CreateOrder { user: UserId(1) }, Told::Ok, None);
    assert_eq!(case.order_labels(), []);
    case.add_stranger(OrderId(777_778), UserId(2));
    assert_eq!(
        case.order_labels(),
        [(OrderId(777_778), Label::Altered)],
        "another's"
    );
}

/// An order that no client named was charged and refunded.
fn with_ledger_stranger(order: OrderId) -> Case {
    let mut case = Case::with_carts();
    case.charge(order, 10);
    case.refund(order, 10);
    case
}

#[test]
fn an_order_that_only_the_ledgers_know_is_altered() {
    let order = OrderId(777_777_777);
    let mut case = with_ledger_stranger(order);
    assert_eq!(case.labels(), [Label::Altered]);
    assert_eq!(case.order_labels(), [(order, Label::Altered)]);
    case.write(Op::CreateOrder { user: UserId(1) }, Told::Nothing, None);
    assert_eq!(
        case.order_labels(),
        [(order, Label::Altered)],
        "a create that was told no id has nobody to check its order out"
    );
}

#[test]
fn rows_in_the_ledgers_of_an_order_that_somebody_named_or_that_are_older_than_the_load_are_legal() {
    let order = OrderId(777_777_777);
    let mut attempted = with_ledger_stranger(order);
    attempted.write(Op::Checkout { order }, Told::Nothing, None);
    let mut made_by_an_unknown_create = with_ledger_stranger(order);
    let user = UserId(1);
    made_by_an_unknown_create.write(Op::CreateOrder { user }, Told::Nothing, None);
    made_by_an_unknown_create.add_stranger(order, user);
    let mut older = with_ledger_stranger(order);
    let last = older.snapshots.last().unwrap();
    let payments = last.payment_movements.iter().map(|it| it.movement_id);
    older.initial.payment_watermark = payments.max().unwrap();
    let stock = last.stock_movements.iter().map(|it| it.movement_id);
    older.initial.stock_watermark = stock.max().unwrap();
    for case in [attempted, made_by_an_unknown_create, older] {
        let labels = case.order_labels();
        assert!(labels.iter().all(|(of, _)| *of != order), "{labels:?}");
    }
}

#[test]
fn an_item_that_costs_something_else_than_it_was_made_with_is_altered() {
    for item in [ItemId(0), ItemId(900)] {
        let mut case = Case::with_carts();
        for snapshot in &mut case.snapshots {
            let rows = snapshot.items.iter_mut().chain(&mut snapshot.api.items);
            rows.filter(|row| row.item_id == item)
                .for_each(|row| row.price += 1);
        }
        let judgement = case.judge();
        let found: Vec<_> = judgement
            .violations
            .iter()
            .map(|it| (it.label, &it.subject))
            .collect();
        assert_eq!(found, [(Label::Altered, &Subject::Item(item))]);
    }
}

#[test]
fn an_id_that_is_given_twice_is_a_duplicate_even_before_the_shop_is_quiet() {
    for (op, subject) in [
        (
            Op::CreateOrder { user: UserId(2) },
            Subject::Order(OrderId(1_000_000_002)),
        ),
        (Op::CreateUser, Subject::User(UserId(900))),
        (Op::CreateUser, Subject::User(UserId(1))),
    ] {
        let mut case = Case::with_carts();
        case.evidence.settle.quiescent = false;
        let id = match subject {
            Subject::Order(order) => order.0,
            Subject::User(user) => user.0,
            _ => unreachable!("the list above has no other"),
        };
        case.write(op, Told::Ok, Some(Value::Created(id)));
        let judgement = case.judge();
        assert_eq!(judgement.verdict, Verdict::Violation);
        let found: Vec<_> = judgement
            .violations
            .iter()
            .map(|it| (it.label, &it.subject))
            .collect();
        assert_eq!(found, [(Label::DuplicateId, &subject)]);
    }
}

#[test]
fn a_read_that_saw_what_never_was_is_altered() {
    let mut case = Case::with_carts();
    let open = case.open();
    let mut row = case.final_row(open);
    row.user_id = UserId(3);
    let value = Value::Order {
        paid: false,
        contents: row.contents(),
    };
    case.write(Op::FindOrder { order: open }, Told::Ok, Some(value));
    assert_eq!(case.order_labels(), [(open, Label::Altered)]);
}

#[test]
fn a_history_without_its_end_proves_a_lost_line_and_no_stranger() {
    let mut case = Case::with_carts();
    case.history.ended_at_us = None;
    let bought = case.bought();
    case.add_stranger(OrderId(777_777), UserId(1));
    assert_eq!(case.labels(), []);
    case.hold(bought, &[(2, 1)]);
    assert_eq!(case.labels(), [Label::LostLine]);
}

#[test]
fn what_was_read_before_anybody_made_it_is_altered() {
    let early = |op, value| {
        let mut case = Case::with_carts();
        case.write(op, Told::Ok, Some(value));
        let attempt = case.history.attempts.last_mut().unwrap();
        attempt.invoke.sent_us = 1_000;
        attempt.complete.as_mut().unwrap().at_us = 2_000;
        case.labels()
    };
    let user = UserId(900);
    assert!(early(Op::FindUser { user }, Value::Credit(0)).contains(&Label::Altered));
    let item = ItemId(900);
    assert!(early(Op::FindItem { item }, Value::Stock(0)).contains(&Label::Altered));
    let case = Case::with_carts();
    let (order, row) = (case.open(), case.final_row(case.open()));
    let value = Value::Order {
        paid: row.paid,
        contents: row.contents(),
    };
    assert_eq!(early(Op::FindOrder { order }, value), [Label::Altered]);
}

#[test]
fn one_create_that_was_told_two_ids_is_found() {
    let mut case = Case::with_carts();
    let is_it = |it: &&crate::history::Attempt| it.value() == Some(Value::Created(900));
    let mut again = case.history.attempts.iter().find(is_it).unwrap().clone();
    again.invoke.attempt = 2;
    let complete = again.complete.as_mut().unwrap();
    (complete.attempt, complete.value) = (2, Some(Value::Created(901)));
    case.history.attempts.push(again);
    assert_eq!(case.labels(), [Label::DuplicateId]);
}

#[test]
fn a_user_or_an_item_that_was_read_and_is_nowhere_is_lost() {
    let mut case = Case::legal();
    case.read_credit(UserId(777), 5);
    assert_eq!(case.labels(), [Label::CreditLeak]);
    let mut case = Case::legal();
    case.read_stock(ItemId(777), 5);
    assert_eq!(case.labels(), [Label::StockLeak]);
}

#[test]
fn a_line_of_no_pieces_is_altered() {
    let mut case = Case::with_carts();
    let open = case.open();
    case.hold(open, &[(2, 1), (3, 2), (4, 0)]);
    assert_eq!(case.order_labels(), [(open, Label::Altered)]);
}

#[test]
fn what_was_asked_for_after_an_order_was_paid_explains_nothing_that_was_charged() {
    for (lines, late, label) in [
        (&[(2, 2)][..], ItemId(2), Label::DoubleLine),
        (&[(2, 1), (3, 1)], ItemId(3), Label::Altered),
    ] {
        let mut case = Case::with_carts();
        let (order, user) = (OrderId(1_000_000_003), UserId(2));
        case.create_order(order, user);
        case.add_item(order, ItemId(2), 1, Told::Ok);
        case.hold(order, lines);
        let mut early = case.clone();
        case.buy(order);
        case.add_item(order, late, 1, Told::Nothing);
        assert_eq!(case.order_labels(), [(order, label)]);
        early.add_item(order, late, 1, Told::Nothing);
        early.buy(order);
        assert_eq!(early.order_labels(), []);
    }
}

#[test]
fn an_order_that_was_read_as_paid_may_hold_nothing_else_later() {
    let mut case = Case::with_carts();
    let bought = case.bought();
    // Each row may have been: one of the additions is unknown.
    let row = case.final_row(bought);
    case.hold(bought, &[(2, 1), (3, 6)]);
    case.read_as_it_is(bought);
    case.alter(bought, |now| *now = row.clone());
    assert_eq!(case.order_labels(), [(bought, Label::Altered)]);
}

#[test]
fn an_order_that_was_paid_before_the_load_was_paid_as_it_was_then() {
    let mut case = Case::legal();
    let order = case.idle();
    // It was read while it was not paid.
    let attempts = &mut case.history.attempts;
    attempts.retain(|it| it.invoke.op != Op::FindOrder { order });
    for (id, it) in (0..).zip(attempts.iter_mut()) {
        it.invoke.id = id;
        it.complete.as_mut().unwrap().id = id;
    }
    let before = case.initial.orders.iter_mut();
    before.for_each(|row| row.paid |= row.order_id == order);
    case.alter(order, |row| row.paid = true);
    assert_eq!(case.labels(), []);
    case.add_item(order, ItemId(7), 1, Told::Ok);
    case.alter(order, |row| {
        let more = OrderLine {
            item_id: ItemId(7),
            quantity: 1,
            price: 5,
        };
        row.lines = row.lines.iter().copied().chain([more]).collect();
        row.total_cost += 5;
    });
    assert_eq!(case.order_labels(), [(order, Label::Torn)]);
}

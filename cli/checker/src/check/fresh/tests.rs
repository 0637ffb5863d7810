use protocol::{ItemId, OrderId, UserId};

use crate::{
    contents::Digest,
    history::{Op, Value},
    testing::{Case, Told},
    verdict::Label,
};

fn read(case: &mut Case, order: OrderId, paid: bool, contents: Digest) {
    let value = Value::Order { paid, contents };
    case.write(Op::FindOrder { order }, Told::Ok, Some(value));
}

#[test]
fn a_read_that_misses_an_acknowledged_checkout_is_stale() {
    let mut case = Case::legal();
    let paid = case.paid();
    case.forget_reads(paid);
    let contents = case.final_row(paid).contents();
    read(&mut case, paid, false, contents);
    assert_eq!(case.labels(), [Label::Stale]);
    case.evidence.settle.quiescent = false;
    assert_eq!(
        case.labels(),
        [Label::Stale],
        "even before the shop is quiet"
    );
}

#[test]
fn where_an_order_is_reverted_it_is_not_called_stale_too() {
    let mut case = Case::legal();
    let paid = case.paid();
    let contents = case.final_row(paid).contents();
    read(&mut case, paid, true, contents);
    read(&mut case, paid, false, contents);
    assert_eq!(case.labels(), [Label::Reverted]);
}

#[test]
fn a_read_that_misses_an_acknowledged_addition_is_stale() {
    let mut case = Case::with_carts();
    let (order, user) = (OrderId(1_000_000_003), UserId(2));
    case.create_order(order, user);
    case.add_item(order, ItemId(2), 1, Told::Ok);
    read(
        &mut case,
        order,
        false,
        Digest::of(user, 5, [(ItemId(2), 1)]),
    );
    case.hold(order, &[(2, 1)]);
    assert_eq!(case.labels(), []);
    read(&mut case, order, false, Digest::of(user, 0, []));
    assert_eq!(case.labels(), [Label::Stale]);
}

#[test]
fn a_read_of_credit_or_stock_that_misses_what_was_acknowledged_is_stale() {
    for beyond in [-1, 1] {
        let mut case = Case::legal();
        let user = UserId(7);
        case.add_funds(user, 50);
        case.alter_credit(user, 50);
        let at_end = case.snapshots[0].users[7].credit;
        case.write(Op::FindUser { user }, Told::Ok, Some(Value::Credit(at_end)));
        assert_eq!(case.labels(), []);
        case.write(
            Op::FindUser { user },
            Told::Ok,
            Some(Value::Credit(at_end + beyond)),
        );
        assert_eq!(case.labels(), [Label::Stale]);

        let mut case = Case::legal();
        let item = ItemId(7);
        case.add_stock(item, 50);
        case.alter_stock(item, 50);
        let at_end = case.snapshots[0].items[7].stock;
        case.write(
            Op::FindItem { item },
            Told::Ok,
            Some(Value::Stock(at_end + beyond)),
        );
        assert_eq!(case.labels(), [Label::Stale]);
    }
}

#[test]
fn unknown_operations_widen_a_reads_bounds_on_their_side() {
    let seen = |told, op: fn() -> Op, credit| {
        let mut case = Case::legal();
        case.write(op(), told, None);
        let user = UserId(7);
        case.write(Op::FindUser { user }, Told::Ok, Some(Value::Credit(credit)));
        case.labels().contains(&Label::Stale)
    };
    let pay = || Op::Pay {
        user: UserId(7),
        amount: protocol::Credits(10),
    };
    let top_up = || Op::AddFunds {
        user: UserId(7),
        amount: protocol::Credits(10),
    };
    for (told, op, credit, stale) in [
        (Told::Nothing, pay as fn() -> Op, 999_990, false),
        (Told::Nothing, pay, 1_000_000, false),
        (Told::Nothing, pay, 999_989, true),
        (Told::Nothing, pay, 1_000_001, true),
        (Told::Ok, pay, 1_000_000, true),
        (Told::Rejected, pay, 999_990, true),
        (Told::Nothing, top_up, 1_000_010, false),
        (Told::Nothing, top_up, 1_000_000, false),
        (Told::Nothing, top_up, 999_999, true),
        (Told::Ok, top_up, 1_000_000, true),
        (Told::Rejected, top_up, 1_000_010, true),
    ] {
        assert_eq!(
            seen(told, op, credit),
            stale,
            "{told:?} {:?} {credit}",
            op()
        );
    }
}

#[test]
fn a_purchase_that_was_refused_later_may_have_been_charged_meanwhile() {
    let mut case = Case::legal();
    let rejected = case.rejected();
    let (user, cost) = (case.user_of(rejected), case.cost(rejected));
    let credit = case.snapshots[0].users[usize::try_from(user.0).unwrap()].credit;
    case.write(
        Op::FindUser { user },
        Told::Ok,
        Some(Value::Credit(credit - cost)),
    );
    assert_eq!(case.labels(), []);
}

#[test]
fn what_was_made_in_the_run_begins_with_nothing() {
    let mut case = Case::with_carts();
    let user = UserId(900);
    case.write(Op::FindUser { user }, Told::Ok, Some(Value::Credit(0)));
    assert_eq!(case.labels(), []);
    case.write(Op::FindUser { user }, Told::Ok, Some(Value::Credit(1)));
    assert_eq!(case.labels(), [Label::Stale]);
}

#[test]
fn an_id_that_one_user_was_given_twice_charges_him_once() {
    let is_stale = |below: i64, twice: bool| {
        let mut case = Case::legal();
        let rejected = case.rejected();
        let user = case.user_of(rejected);
        let credit = case.snapshots[0].users[usize::try_from(user.0).unwrap()].credit;
        if twice {
            case.create_order(rejected, user);
        }
        let seen = Some(Value::Credit(credit - below));
        case.write(Op::FindUser { user }, Told::Ok, seen);
        case.labels().contains(&Label::Stale)
    };
    let cost = {
        let case = Case::legal();
        case.cost(case.rejected())
    };
    for below in [cost, cost + 1, 2 * cost, 3 * cost, 4 * cost, 100 * cost] {
        assert_eq!(is_stale(below, true), is_stale(below, false), "{below}");
    }
    assert!(!is_stale(cost, true) && is_stale(100 * cost, true));
}

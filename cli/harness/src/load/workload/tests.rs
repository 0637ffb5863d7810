use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::*;

const SIZES: Sizes = Sizes {
    orders: 500,
    users: 10,
    items: 10,
};
const CARTS: &str = "checkout=30%,create_order=15%,add_item=45%,create_user=5%,create_item=5%";

/// A shop that answers everything at once: what it has made begins with this id.
const MADE: i64 = 10_000;

/// Draws `count` operations, each answered before the next one is drawn.
fn play(workload: &mut Workload, count: usize, answer: impl Fn(Op) -> Class) -> Vec<Op> {
    let mut made = MADE;
    let mut ops = Vec::new();
    for _ in 0..count {
        let op = workload.next_op();
        ops.push(op);
        let class = answer(op);
        let creates = matches!(
            op,
            Op::CreateOrder { .. } | Op::CreateItem { .. } | Op::CreateUser
        );
        let value = (creates && class == Class::Ok).then(|| {
            made += 1;
            Value::Created(made)
        });
        workload.answered(Answer { op, class, value });
    }
    ops
}

fn workload(seed: u64, mix: &str) -> Workload {
    Workload::new(seed, mix.parse().unwrap(), SIZES)
}

fn always_ok(_op: Op) -> Class {
    Class::Ok
}

#[test]
fn the_same_seed_and_answers_give_the_same_operations() {
    let ops = |seed| play(&mut workload(seed, CARTS), 2000, always_ok);
    assert_eq!(ops(7), ops(7));
    assert_ne!(ops(7), ops(8));
}

#[test]
fn answers_change_whom_an_operation_is_about_and_not_what_is_drawn() {
    let mix = "checkout=50%,find_user=20%,add_funds=10%,create_user=20%";
    let answered = play(&mut workload(7, mix), 2000, always_ok);
    let unanswered = play(&mut workload(7, mix), 2000, |_op| Class::Info);
    let names = |ops: &[Op]| ops.iter().map(|op| op.name()).collect::<Vec<_>>();
    assert_eq!(names(&answered), names(&unanswered));
    let amounts = |ops: &[Op]| {
        let amounts = ops.iter().map(|op| match op {
            Op::AddFunds { amount, .. } => amount.0,
            _ => 0,
        });
        amounts.collect::<Vec<_>>()
    };
    assert_eq!(amounts(&answered), amounts(&unanswered));
    assert_ne!(answered, unanswered);
}

#[test]
fn every_checkout_takes_a_new_order_until_there_are_none() {
    let mut workload = workload(1, "checkout=80%,find_order=20%");
    let mut seen = HashSet::new();
    for _ in 0..2000 {
        if let Op::Checkout { order } = workload.next_op() {
            assert!(seen.insert(order), "{order} twice");
        }
    }
    assert_eq!(seen.len(), 500);
    assert!(matches!(workload.next_op(), Op::FindOrder { .. }));
}

#[test]
fn carts_are_created_filled_and_checked_out_once() {
    let ops = play(&mut workload(1, CARTS), 5000, always_ok);
    let mut lines: BTreeMap<OrderId, Vec<ItemId>> = BTreeMap::new();
    let mut taken = HashSet::new();
    for op in &ops {
        match op {
            Op::AddItem {
                order,
                item,
                quantity,
            } => {
                assert!(order.0 > MADE && (1..=3).contains(&quantity.0));
                lines.entry(*order).or_default().push(*item);
            }
            Op::Checkout { order } => {
                assert!(taken.insert(*order), "{order} twice");
                assert!(order.0 < MADE || lines.contains_key(order), "{order} empty");
            }
            _ => {}
        }
    }
    let carts = taken.iter().filter(|order| order.0 > MADE).count();
    assert!(carts > 500, "{carts}");
    let counts: BTreeSet<usize> = lines.values().map(Vec::len).collect();
    assert!(
        counts.is_superset(&BTreeSet::from([1, 2, 3, 4])),
        "{counts:?}"
    );
    let twice = lines.values().filter(|items| {
        let distinct: BTreeSet<ItemId> = items.iter().copied().collect();
        distinct.len() < items.len()
    });
    assert!(twice.count() > 50);
}

#[test]
fn a_cart_whose_creation_is_unknown_is_never_used() {
    let ops = play(&mut workload(1, CARTS), 3000, |op| match op {
        Op::CreateOrder { .. } => Class::Info,
        _ => Class::Ok,
    });
    assert!(ops.iter().all(|op| !matches!(op, Op::AddItem { .. })));
    assert!(ops.iter().any(|op| matches!(op, Op::CreateOrder { .. })));
}

#[test]
fn an_added_item_without_a_cart_becomes_a_created_order() {
    let mut workload = workload(1, "add_item=100%");
    let first = workload.next_op();
    assert!(matches!(first, Op::CreateOrder { .. }), "{first:?}");
    workload.answered(Answer {
        op: first,
        class: Class::Ok,
        value: Some(Value::Created(77)),
    });
    let second = workload.next_op();
    assert!(
        matches!(
            second,
            Op::AddItem {
                order: OrderId(77),
                ..
            }
        ),
        "{second:?}"
    );
}

#[test]
fn some_lines_come_beside_the_checkout_of_their_cart_and_some_after_it() {
    let ops = play(&mut workload(1, CARTS), 10_000, always_ok);
    let mut checked_out = HashSet::new();
    let (mut beside, mut after) = (0, 0);
    for pair in ops.windows(2) {
        if let Op::Checkout { order } = pair[0] {
            checked_out.insert(order);
        }
        if let Op::AddItem { order, .. } = pair[1]
            && checked_out.contains(&order)
        {
            if pair[0] == (Op::Checkout { order }) {
                beside += 1;
            } else {
                after += 1;
            }
        }
    }
    assert!(beside > 20 && after > 20, "{beside} beside, {after} after");
    assert!(beside + after < checked_out.len() / 5);
}

#[test]
fn what_was_created_is_read_topped_up_and_bought() {
    let mix = "checkout=20%,create_order=10%,add_item=30%,find_order=5%,find_item=5%,find_user=5%,\
        add_funds=5%,add_stock=5%,pay=3%,subtract_stock=2%,create_user=5%,create_item=5%";
    let ops = play(&mut workload(1, mix), 20_000, always_ok);
    let mut fresh: BTreeMap<&str, u32> = BTreeMap::new();
    for op in &ops {
        let id = match op {
            Op::FindOrder { order } => order.0,
            Op::FindItem { item }
            | Op::AddItem { item, .. }
            | Op::AddStock { item, .. }
            | Op::SubtractStock { item, .. } => item.0,
            Op::FindUser { user }
            | Op::CreateOrder { user }
            | Op::AddFunds { user, .. }
            | Op::Pay { user, .. } => user.0,
            Op::Checkout { .. } | Op::CreateItem { .. } | Op::CreateUser => continue,
        };
        *fresh.entry(op.name()).or_default() += u32::from(id > MADE);
    }
    assert_eq!(fresh.len(), 9);
    assert!(fresh.values().all(|count| *count > 20), "{fresh:?}");
}

#[test]
fn amounts_and_prices_are_from_one_to_ten() {
    let mix = "add_funds=20%,add_stock=20%,pay=20%,subtract_stock=20%,create_item=20%";
    let ops = play(&mut workload(1, mix), 5000, always_ok);
    let amounts = ops.iter().map(|op| match op {
        Op::AddFunds { amount, .. } | Op::Pay { amount, .. } | Op::CreateItem { price: amount } => {
            amount.0
        }
        Op::AddStock { amount, .. } | Op::SubtractStock { amount, .. } => amount.0,
        other => panic!("{other:?}"),
    });
    let amounts: BTreeSet<i64> = amounts.collect();
    assert_eq!(amounts, (1..=10).collect());
}

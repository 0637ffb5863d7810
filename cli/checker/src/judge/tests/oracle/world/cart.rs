//! Orders that are made and filled while the load runs, and users and items that are made.

use protocol::{Credits, ItemId, OrderId, Quantity, UserId};

use super::{
    ITEMS,
    shop::{Shop, price_of},
};
use crate::{
    history::{Op, Value},
    outcome::Class,
    snapshot::{ItemRow, OrderLine, OrderRow, UserRow},
    testing::Dice,
};

/// Prepares an order with some lines, or creates it; more is added then. Returns it as it is in truth.
pub(super) fn fill(shop: &mut Shop, dice: &mut Dice, row: OrderRow) -> OrderRow {
    let mut row = row;
    if dice.percent(65) {
        shop.initial.orders.push(row.clone());
        for _ in 0..dice.pick(&[0, 0, 0, 1, 2]) {
            let (item, quantity) = (dice.between(0, ITEMS - 1), dice.between(1, 2));
            add(shop, dice, &mut row, ItemId(item), quantity);
        }
        return row;
    }
    let lines = std::mem::take(&mut row.lines);
    row.total_cost = 0;
    let op = Op::CreateOrder { user: row.user_id };
    if dice.percent(90) {
        let made = Some(Value::Created(row.order_id.0));
        shop.attempt(shop.id(), 1, op, Some(Class::Ok), made);
    } else {
        // Nobody is told of it, and somebody guesses its id.
        shop.attempt(shop.id(), 1, op, Some(Class::Info), None);
    }
    for line in lines {
        add(shop, dice, &mut row, line.item_id, line.quantity);
    }
    row
}

/// One addition, with whatever may come of it.
fn add(shop: &mut Shop, dice: &mut Dice, row: &mut OrderRow, item: ItemId, quantity: i64) {
    let op = Op::AddItem {
        order: row.order_id,
        item,
        quantity: Quantity(quantity),
    };
    let id = shop.id();
    let mut done = false;
    for number in 1..=dice.pick(&[1, 1, 1, 2]) {
        let class = dice.pick(&[
            Some(Class::Ok),
            Some(Class::Ok),
            Some(Class::Ok),
            Some(Class::Fail),
            Some(Class::Info),
            None,
        ]);
        shop.attempt(id, number, op, class, None);
        done |= class == Some(Class::Ok) || (class != Some(Class::Fail) && dice.percent(50));
    }
    if done {
        put(row, item, quantity);
    }
}

/// Puts pieces of an item into an order.
pub(super) fn put(row: &mut OrderRow, item_id: ItemId, quantity: i64) {
    let price = price_of(item_id.0);
    let mut lines = row.lines.to_vec();
    match lines.iter_mut().find(|line| line.item_id == item_id) {
        Some(line) => line.quantity += quantity,
        None => lines.push(OrderLine {
            item_id,
            quantity,
            price,
        }),
    }
    row.lines = lines.into();
    row.total_cost += quantity * price;
}

/// A user, an item or an order that somebody makes, and that may be there without its maker having been told.
pub(super) fn create(shop: &mut Shop, dice: &mut Dice) {
    let (id, price) = (20 + dice.between(0, 1), dice.between(1, 2));
    let told = dice.percent(60);
    let there = told || dice.percent(50);
    let op = match dice.roll(3) {
        0 => Op::CreateUser,
        1 => Op::CreateItem {
            price: Credits(price),
        },
        _ => Op::CreateOrder { user: UserId(0) },
    };
    let class = if told { Class::Ok } else { Class::Info };
    let made = Some(Value::Created(id));
    let number = shop.id();
    shop.attempt(number, 1, op, Some(class), made);
    if told && dice.percent(25) {
        // It was sent again, and told again what it made.
        let made = Some(Value::Created(dice.pick(&[id, id + 2])));
        shop.attempt(number, 2, op, Some(Class::Ok), made);
    }
    match op {
        _ if !there => {}
        Op::CreateUser => shop.last.users.push(UserRow {
            user_id: UserId(id),
            credit: 0,
        }),
        Op::CreateItem { .. } => shop.last.items.push(ItemRow {
            item_id: ItemId(id),
            price,
            stock: 0,
        }),
        _ => shop.last.orders.push(OrderRow {
            order_id: OrderId(id),
            user_id: UserId(0),
            paid: false,
            total_cost: 0,
            lines: Box::default(),
        }),
    }
}

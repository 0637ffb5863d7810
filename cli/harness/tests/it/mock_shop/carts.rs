//! Orders, users and items that are made while the shop is open, and what withdraws and tops up.

use axum::{
    Json, Router,
    extract::{Path, State},
    response::IntoResponse as _,
    routing::post,
};
use checker::snapshot::{OrderLine, OrderRow};
use protocol::{
    ItemId, OrderId, UserId,
    http::{ItemCreated, Order, OrderCreated, UserCreated},
    saga::RefusalCode,
};

use super::{Answer, Cart, CartBug, MockShop, ORDERS, Planted, Reply, Shelf, answer, rejected};

/// A bug hits one order in so many.
const ONE_IN: usize = 5;

pub(super) fn router() -> Router<MockShop> {
    Router::new()
        .route("/orders/create/{user}", post(create_order))
        .route("/orders/addItem/{order}/{item}/{quantity}", post(add_item))
        .route("/stock/item/create/{price}", post(create_item))
        .route("/stock/add/{item}/{amount}", post(add_stock))
        .route("/stock/subtract/{item}/{amount}", post(subtract_stock))
        .route("/payment/create_user", post(create_user))
        .route("/payment/add_funds/{user}/{amount}", post(add_funds))
        .route("/payment/pay/{user}/{amount}", post(pay))
}

fn index(id: i64) -> usize {
    usize::try_from(id).unwrap()
}

fn id(index: usize) -> i64 {
    i64::try_from(index).unwrap()
}

impl MockShop {
    /// Whether the bug is done to the order at this place among those that were made.
    fn is_wronged(&self, bug: CartBug, at: usize) -> bool {
        self.planted == Planted::Carts(bug) && at % ONE_IN == ONE_IN - 1
    }
}

fn cost(cart: &Cart) -> i64 {
    let lines = cart.lines.iter();
    lines.map(|line| line.quantity * line.price).sum()
}

pub(super) fn row((id, cart): (i64, &Cart)) -> OrderRow {
    OrderRow {
        order_id: OrderId(id),
        user_id: UserId(cart.owner),
        paid: cart.paid,
        total_cost: cost(cart),
        lines: cart.lines.clone().into(),
    }
}

async fn create_order(State(shop): State<MockShop>, Path(owner): Path<i64>) -> Reply {
    let at = shop.with(|books| {
        let at = books.carts.len();
        if shop.is_wronged(CartBug::ReuseId, at) {
            // It makes none, and says that it made the one before.
            return at - 1;
        }
        books.carts.push(Cart {
            owner,
            lines: Vec::new(),
            paid: false,
        });
        at
    });
    Json(OrderCreated {
        order_id: (ORDERS + id(at)).to_string(),
    })
    .into_response()
}

async fn add_item(
    State(shop): State<MockShop>,
    Path((order, item, quantity)): Path<(i64, i64, i64)>,
) -> Reply {
    let at = index(order - ORDERS);
    let added = shop.with(|books| {
        let price = books.items[index(item)].price;
        let cart = &mut books.carts[at];
        if cart.paid {
            return false;
        }
        let is_first = cart.lines.is_empty();
        let times = match is_first {
            true if shop.is_wronged(CartBug::ForgetLine, at) => 0,
            true if shop.is_wronged(CartBug::DoubleLine, at) => 2,
            _ => 1,
        };
        add(cart, ItemId(item), quantity * times, price);
        true
    });
    if added {
        answer(Answer::Committed)
    } else {
        rejected(RefusalCode::OrderClosed)
    }
}

/// An item has one line.
fn add(cart: &mut Cart, item_id: ItemId, quantity: i64, price: i64) {
    match cart.lines.iter_mut().find(|line| line.item_id == item_id) {
        _ if quantity == 0 => {}
        Some(line) => line.quantity += quantity,
        None => cart.lines.push(OrderLine {
            item_id,
            quantity,
            price,
        }),
    }
}

/// All or nothing, in one step.
pub(super) fn checkout(shop: &MockShop, order: i64) -> Reply {
    let at = index(order - ORDERS);
    let refusal = shop.with(|books| {
        let Cart { owner, lines, .. } = books.carts[at].clone();
        let total = cost(&books.carts[at]);
        if books.credit[index(owner)] < total {
            return Some(RefusalCode::OutOfCredit);
        }
        let short = |line: &OrderLine| books.items[index(line.item_id.0)].stock < line.quantity;
        if lines.iter().any(short) {
            return Some(RefusalCode::OutOfStock);
        }
        for line in &lines {
            books.take(order, line.item_id.0, line.quantity);
        }
        books.charge(order, owner, total);
        let cart = &mut books.carts[at];
        cart.paid = true;
        if shop.is_wronged(CartBug::LoseLines, at) {
            cart.lines.clear();
        }
        if shop.is_wronged(CartBug::Steal, at) {
            cart.owner = (owner + 1) % ORDERS;
        }
        if shop.planted == Planted::Carts(CartBug::RaisePrice) && at == 0 {
            books.items[0].price += 1;
        }
        None
    });
    refusal.map_or_else(|| answer(Answer::Committed), rejected)
}

pub(super) fn find(shop: &MockShop, order: i64) -> Reply {
    let cart = shop.with(|books| books.carts[index(order - ORDERS)].clone());
    let lines = cart.lines.iter();
    let items = lines.map(|line| (line.item_id.to_string(), line.quantity));
    Json(Order {
        order_id: order.to_string(),
        paid: cart.paid,
        items: items.collect(),
        user_id: cart.owner.to_string(),
        total_cost: cost(&cart),
    })
    .into_response()
}

async fn create_item(State(shop): State<MockShop>, Path(price): Path<i64>) -> Reply {
    let at = shop.with(|books| {
        books.items.push(Shelf { stock: 0, price });
        books.items.len() - 1
    });
    Json(ItemCreated {
        item_id: at.to_string(),
    })
    .into_response()
}

async fn create_user(State(shop): State<MockShop>) -> Reply {
    let at = shop.with(|books| {
        books.credit.push(0);
        books.credit.len() - 1
    });
    Json(UserCreated {
        user_id: at.to_string(),
    })
    .into_response()
}

/// Changes a balance unless it would be below nothing.
fn change(balance: &mut i64, by: i64) -> bool {
    let is_enough = *balance + by >= 0;
    if is_enough {
        *balance += by;
    }
    is_enough
}

fn changed(is_enough: bool, refusal: RefusalCode) -> Reply {
    if is_enough {
        answer(Answer::Committed)
    } else {
        rejected(refusal)
    }
}

async fn add_stock(State(shop): State<MockShop>, Path((item, amount)): Path<(i64, i64)>) -> Reply {
    let done = shop.with(|books| change(&mut books.items[index(item)].stock, amount));
    changed(done, RefusalCode::OutOfStock)
}

async fn subtract_stock(
    State(shop): State<MockShop>,
    Path((item, amount)): Path<(i64, i64)>,
) -> Reply {
    let done = shop.with(|books| change(&mut books.items[index(item)].stock, -amount));
    changed(done, RefusalCode::OutOfStock)
}

async fn add_funds(State(shop): State<MockShop>, Path((user, amount)): Path<(i64, i64)>) -> Reply {
    let done = shop.with(|books| change(&mut books.credit[index(user)], amount));
    changed(done, RefusalCode::OutOfCredit)
}

async fn pay(State(shop): State<MockShop>, Path((user, amount)): Path<(i64, i64)>) -> Reply {
    let done = shop.with(|books| change(&mut books.credit[index(user)], -amount));
    changed(done, RefusalCode::OutOfCredit)
}

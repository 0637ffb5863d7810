//! The HTTP API. The gateway takes `/orders` off the path.

mod cart;
mod checkout;

use std::time::Duration;

use axum::{
    Router,
    routing::{get, post},
};
use service_core::postgres::Database;

use crate::{admission::Admission, price::Prices, waiting::Waiting};

/// What the handlers need.
#[derive(Clone)]
pub struct Api {
    pub db: Database,
    pub prices: Prices,
    pub admission: Admission,
    pub waiting: Waiting,
    pub checkout_deadline: Duration,
}

/// Every route of the order service, `/health` and `/metrics` apart.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/create/{user_id}", post(cart::create))
        .route("/find/{order_id}", get(cart::find))
        .route(
            "/addItem/{order_id}/{item_id}/{quantity}",
            post(cart::add_item),
        )
        .route(
            "/batch_init/{n}/{n_items}/{n_users}/{item_price}",
            post(cart::batch_init),
        )
        .route("/checkout/{order_id}", post(checkout::checkout))
        .with_state(api)
}

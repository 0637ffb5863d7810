//! `POST /checkout/{order_id}`: holds the request until the outcome is final.

use axum::{extract::State, response::Response};
use protocol::OrderId;
use service_core::http::{ApiError, Segments, committed_json, parse};
use tokio::time::Instant;

use super::Api;
use crate::waiting::Verdict;

pub(super) async fn checkout(
    State(api): State<Api>,
    Segments([order_id]): Segments<1>,
) -> Result<Response, ApiError> {
    let answer = answer(&api, &order_id).await;
    let outcome = match &answer {
        Ok(()) => "committed",
        Err(ApiError::Rejected(_)) => "rejected",
        Err(ApiError::Unavailable(_) | ApiError::Internal(_)) => "unknown",
    };
    metrics::counter!("webshop_checkouts_total", "outcome" => outcome).increment(1);
    answer.map(|()| committed_json(&"Checkout successful"))
}

async fn answer(api: &Api, order_id: &str) -> Result<(), ApiError> {
    let order_id: OrderId = parse(order_id)?;
    let deadline = Instant::now() + api.checkout_deadline;
    // Before anybody reads the order: no end may fall between.
    let Some(mut ticket) = api.waiting.register(order_id) else {
        return Err(unavailable("too many checkouts are waiting"));
    };
    if !api.admission.request(ticket.id(), deadline).await {
        return Err(unavailable("the checkout was not admitted in time"));
    }
    match ticket.verdict(deadline).await {
        Some(Verdict::Paid) => Ok(()),
        Some(Verdict::Rejected(refusal)) => Err(refusal.into()),
        None => Err(unavailable("the checkout has not ended in time")),
    }
}

fn unavailable(reason: &str) -> ApiError {
    ApiError::Unavailable(reason.to_owned())
}

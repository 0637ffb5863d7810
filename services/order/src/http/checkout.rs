//! `POST /checkout/{order_id}`: holds the request until the outcome is final.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{extract::State, http::HeaderMap, response::Response};
use protocol::OrderId;
use service_core::http::{ApiError, Segments, committed_json, parse};
use tokio::time::Instant;

use super::Api;
use crate::waiting::Verdict;

/// When the request reached the gateway, in Unix milliseconds. It may have been tried on other replicas.
const SINCE_HEADER: &str = "x-webshop-since";
/// Even the last attempt gets so long: what has ended meanwhile is answered within it.
const HELD_MIN: Duration = Duration::from_secs(1);
/// The gateway gives up two seconds after the longest deadline. Who has waited for longer than this has
/// another clock.
const WAITED_BEYOND_DEADLINE_MAX: Duration = Duration::from_secs(5);

pub(super) async fn checkout(
    State(api): State<Api>,
    Segments([order_id]): Segments<1>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let hold = time_left(api.checkout_deadline, waited(&headers));
    let answer = answer(&api, &order_id, Instant::now() + hold).await;
    let outcome = match &answer {
        Ok(()) => "committed",
        Err(ApiError::Rejected(_)) => "rejected",
        Err(ApiError::Unavailable(_) | ApiError::Internal(_)) => "unknown",
    };
    metrics::counter!("webshop_checkouts_total", "outcome" => outcome).increment(1);
    answer.map(|()| committed_json(&"Checkout successful"))
}

async fn answer(api: &Api, order_id: &str, deadline: Instant) -> Result<(), ApiError> {
    let order_id: OrderId = parse(order_id)?;
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

/// How long ago the request reached the gateway, as far as both clocks agree that it was in the past.
fn waited(headers: &HeaderMap) -> Option<Duration> {
    let since = headers.get(SINCE_HEADER)?.to_str().ok()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    now.checked_sub(Duration::from_millis(since))
}

/// How long the request may still be held.
fn time_left(deadline: Duration, waited: Option<Duration>) -> Duration {
    match waited {
        Some(waited) if waited <= deadline + WAITED_BEYOND_DEADLINE_MAX => {
            deadline.saturating_sub(waited).max(HELD_MIN.min(deadline))
        }
        Some(_) | None => deadline,
    }
}

fn unavailable(reason: &str) -> ApiError {
    ApiError::Unavailable(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_attempts_count_unless_the_clock_is_wrong() {
        let seconds = |s| Duration::from_secs(s);
        for (waited_s, left_s) in [(0, 30), (8, 22), (29, 1), (34, 1), (36, 30), (5000, 30)] {
            assert_eq!(
                time_left(seconds(30), Some(seconds(waited_s))),
                seconds(left_s),
                "{waited_s}"
            );
        }
        assert_eq!(time_left(seconds(30), None), seconds(30));
        let short = Duration::from_millis(50);
        assert_eq!(time_left(short, Some(seconds(1))), short);
    }

    #[test]
    fn the_gateways_header_is_read() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let header = |ms: u128| {
            let mut headers = HeaderMap::new();
            headers.insert(SINCE_HEADER, ms.to_string().parse().unwrap());
            waited(&headers)
        };
        assert!(header(now.as_millis() - 4000).unwrap() >= Duration::from_secs(4));
        assert_eq!(header(now.as_millis() + 60_000), None);
        assert_eq!(waited(&HeaderMap::new()), None);
    }
}

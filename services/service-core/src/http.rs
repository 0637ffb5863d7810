//! Answers: what a handler may say, and how ids and amounts are read from a path.

use std::{fmt, str::FromStr};

use axum::{
    Json,
    extract::{FromRequestParts, RawPathParams},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use protocol::{
    Outcome,
    http::Rejection,
    money::AMOUNT_MAX,
    outcome::OUTCOME_HEADER,
    saga::{Refusal, RefusalCode},
};
use serde::Serialize;
use serde_json::json;

use crate::postgres::TxError;

/// Why a request was not fulfilled. Its text is shown to the client only for a rejection.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: nothing happened, and nothing will.
    #[error("rejected: {}", .0.message)]
    Rejected(Rejection),
    /// 503: not within the deadline; it may have happened, or may still happen.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// 500: a defect or an error nobody expected; the outcome is unknown.
    #[error("internal: {0}")]
    Internal(String),
}

impl ApiError {
    /// A 400 for a malformed request.
    pub fn bad_request(message: impl fmt::Display) -> Self {
        Self::Rejected(rejection(RefusalCode::BadRequest, message))
    }
}

/// A business rejection.
pub fn rejection(code: RefusalCode, message: impl fmt::Display) -> Rejection {
    Rejection {
        code,
        message: message.to_string(),
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Refusal> for ApiError {
    fn from(Refusal { code, message }: Refusal) -> Self {
        Self::Rejected(Rejection { code, message })
    }
}

impl From<TxError<Rejection>> for ApiError {
    fn from(error: TxError<Rejection>) -> Self {
        match error {
            TxError::Rejected(rejection) => Self::Rejected(rejection),
            TxError::Database(error) => Self::Internal(error.to_string()),
            TxError::Unavailable { .. } => Self::Unavailable(error.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, outcome, body) = match self {
            Self::Rejected(rejection) => {
                return with_outcome(
                    Outcome::Rejected,
                    (StatusCode::BAD_REQUEST, Json(rejection)).into_response(),
                );
            }
            Self::Unavailable(reason) => {
                tracing::warn!(%reason, "answering 503");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    Outcome::Unknown,
                    json!({"code": "unavailable", "message": "the outcome is not known yet; ask again"}),
                )
            }
            Self::Internal(reason) => {
                tracing::error!(%reason, "answering 500");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    Outcome::Unknown,
                    json!({"code": "internal", "message": "the outcome is not known"}),
                )
            }
        };
        with_outcome(outcome, (status, Json(body)).into_response())
    }
}

/// Adds the outcome header.
#[must_use]
pub fn with_outcome(outcome: Outcome, mut response: Response) -> Response {
    response.headers_mut().insert(
        HeaderName::from_static(OUTCOME_HEADER),
        HeaderValue::from_static(outcome.as_str()),
    );
    response
}

/// 200 with a JSON body, for an effect that is committed.
pub fn committed_json<T: Serialize>(body: &T) -> Response {
    with_outcome(Outcome::Committed, Json(body).into_response())
}

/// A body that already is JSON text.
pub(crate) fn json_text(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Reads an id or an amount; a malformed one is a 400.
pub fn parse<T>(text: &str) -> Result<T, ApiError>
where
    T: FromStr<Err: fmt::Display>,
{
    text.parse()
        .map_err(|error| ApiError::bad_request(format_args!("{text:?}: {error}")))
}

/// Reads a whole number between 0 and [`AMOUNT_MAX`]; anything else is a 400.
pub fn whole(text: &str) -> Result<i64, ApiError> {
    whole_up_to(text, AMOUNT_MAX)
}

/// Reads a whole number between 0 and `max`; anything else is a 400.
pub fn whole_up_to(text: &str, max: i64) -> Result<i64, ApiError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(number @ 0..) if digits && number <= max => Ok(number),
        _ => Err(ApiError::bad_request(format_args!(
            "{text:?}: a whole number between 0 and {max} is needed"
        ))),
    }
}

/// The parameters of a path, in order, still as text: `Segments([item_id, amount]): Segments<2>`.
#[derive(Debug)]
pub struct Segments<const N: usize>(pub [String; N]);

impl<const N: usize, S: Send + Sync> FromRequestParts<S> for Segments<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::bad_request(error.body_text()))?;
        let texts: Vec<String> = params.iter().map(|(_, text)| text.to_owned()).collect();
        texts
            .try_into()
            .map(Self)
            .map_err(|texts: Vec<_>| ApiError::Internal(format!("{} path parameters", texts.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_may_be_zero_but_not_signed_or_huge() {
        assert_eq!(whole("0").unwrap(), 0);
        assert_eq!(whole("1000000000000").unwrap(), AMOUNT_MAX);
        for text in ["", "-1", "+1", "1000000000001", "1.0", "x", " 1"] {
            assert!(
                matches!(whole(text), Err(ApiError::Rejected(_))),
                "{text:?}"
            );
        }
    }
}

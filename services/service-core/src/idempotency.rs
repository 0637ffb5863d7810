//! Every mutating request happens once, however often it is sent or its transaction is retried.
//!
//! The answer is stored under the request's key in the transaction of its effect. A request that comes
//! again, from the client, the gateway or our own retry after a commit whose answer was lost, finds the key
//! taken: its effect is undone and the stored answer is given.
//!
//! The key is inserted *after* the effect ran, without looking first: under SERIALIZABLE a look into the
//! index would conflict with every key that others insert nearby.

use std::time::Duration;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use protocol::{Outcome, http::Rejection, outcome::IDEMPOTENCY_HEADER};
use serde::Serialize;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::{
    http::{ApiError, json_text, with_outcome},
    postgres::{Body, Database, Limits, Tx, TxError, barrier, commit, serializable},
};

const KEY_CHARS_MAX: usize = 200;
/// Two rounds are needed when a duplicate's transaction was undone in between; more are a defect.
const ROUNDS_MAX: u32 = 5;
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What identifies a mutating request: its `Idempotency-Key` (or a fresh one, so that at least our own
/// retries are recognised) and what it asks for. An extractor.
#[derive(Debug, Clone)]
pub struct Mutation {
    key: String,
    request: String,
    limits: Limits,
}

impl<S: Send + Sync> FromRequestParts<S> for Mutation {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let key = key(&parts.headers)?;
        Ok(Self {
            key: key.unwrap_or_else(|| format!("{:032x}", rand::random::<u128>())),
            request: format!("{} {}", parts.method, parts.uri.path()),
            limits: Limits::SINGLE,
        })
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_HEADER) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=KEY_CHARS_MAX).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(ApiError::bad_request(format_args!(
            "{IDEMPOTENCY_HEADER}: 1 to {KEY_CHARS_MAX} printable characters are needed"
        ))),
    }
}

impl Mutation {
    /// Other limits than [`Limits::SINGLE`].
    #[must_use]
    pub fn within(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Runs `body` once and answers what it says (as JSON), or what it said the first time. Successes and
    /// rejections are remembered alike. Whatever a rejected body has written is undone.
    pub async fn run<'env, T, F>(self, db: &Database, body: F) -> Response
    where
        T: Serialize + Send,
        F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<Rejection>>> + Send,
    {
        self.answer(db, body)
            .await
            .map_or_else(ApiError::into_response, Answer::into_response)
    }

    async fn answer<'env, T, F>(&self, db: &Database, mut body: F) -> Result<Answer, ApiError>
    where
        T: Serialize + Send,
        F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<Rejection>>> + Send,
    {
        for _ in 0..ROUNDS_MAX {
            let effect = Effect {
                mutation: self,
                body: &mut body,
            };
            let stop = match commit(self.limits, "", db, effect).await {
                Ok(answer) => return Ok(answer),
                Err(TxError::Rejected(stop)) => stop,
                Err(error) => return Err(failed(&error)),
            };
            match stop {
                Stop::Rejected(rejection) => {
                    let answer = Answer::rejected(&rejection)?;
                    if self.remember(db, &answer).await? {
                        return Ok(answer);
                    }
                }
                Stop::Unwritable(reason) => return Err(ApiError::Internal(reason)),
                Stop::Duplicate => {}
            }
            if let Some(answer) = self.stored(db).await? {
                return Ok(answer);
            }
        }
        Err(ApiError::Internal(format!(
            "the key {} has no stored answer",
            self.key
        )))
    }

    /// Stores a rejection in a transaction of its own; false where the key is taken.
    async fn remember(&self, db: &Database, answer: &Answer) -> Result<bool, ApiError> {
        serializable(db, |tx| {
            Box::pin(async move { Ok::<_, TxError<()>>(self.record(tx, answer).await?) })
        })
        .await
        .map_err(|error| failed(&error))
    }

    async fn record(&self, tx: &mut PgConnection, answer: &Answer) -> Result<bool, sqlx::Error> {
        let inserted = sqlx::query(
            "insert into idempotency (key, request, status, body) values ($1, $2, $3, $4)
             on conflict (key) do nothing",
        )
        .bind(&self.key)
        .bind(&self.request)
        .bind(i32::from(answer.status.as_u16()))
        .bind(&answer.body)
        .execute(tx)
        .await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// The answer given under this key, replicated before it is given again.
    async fn stored(&self, db: &Database) -> Result<Option<Answer>, ApiError> {
        let stored: Option<(String, i32, String)> = serializable(db, |tx| {
            Box::pin(async move {
                let stored =
                    sqlx::query_as("select request, status, body from idempotency where key = $1")
                        .bind(&self.key)
                        .fetch_optional(&mut **tx)
                        .await?;
                barrier(tx).await?;
                Ok::<_, TxError<()>>(stored)
            })
        })
        .await
        .map_err(|error| failed(&error))?;
        let Some((request, status, body)) = stored else {
            return Ok(None);
        };
        if request != self.request {
            return Err(ApiError::bad_request(format_args!(
                "this {IDEMPOTENCY_HEADER} belongs to another request: {request}"
            )));
        }
        let status = u16::try_from(status)
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok())
            .ok_or_else(|| ApiError::Internal(format!("stored status {status}")))?;
        Ok(Some(Answer { status, body }))
    }
}

fn failed<E>(error: &TxError<E>) -> ApiError {
    match error {
        TxError::Unavailable { .. } => ApiError::Unavailable(error.to_string()),
        TxError::Rejected(_) | TxError::Database(_) => ApiError::Internal(error.to_string()),
    }
}

/// A final answer, as it is stored.
struct Answer {
    status: StatusCode,
    body: String,
}

impl Answer {
    fn rejected(rejection: &Rejection) -> Result<Self, ApiError> {
        let body = serde_json::to_string(rejection)
            .map_err(|error| ApiError::Internal(error.to_string()))?;
        Ok(Self {
            status: StatusCode::BAD_REQUEST,
            body,
        })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let outcome = if self.status.is_success() {
            Outcome::Committed
        } else {
            Outcome::Rejected
        };
        with_outcome(outcome, json_text(self.status, self.body))
    }
}

/// Why the effect's transaction was undone.
enum Stop {
    Rejected(Rejection),
    Duplicate,
    Unwritable(String),
}

/// A body together with the record of its answer.
struct Effect<'a, F> {
    mutation: &'a Mutation,
    body: &'a mut F,
}

impl<'env, T, F> Body<'env, Answer, Stop> for Effect<'_, F>
where
    T: Serialize + Send,
    F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<Rejection>>> + Send,
{
    fn run<'c>(&'c mut self, tx: &'c mut Tx<'env>) -> BoxFuture<'c, Result<Answer, TxError<Stop>>> {
        Box::pin(async move {
            let body = match (self.body)(tx).await {
                Ok(value) => serde_json::to_string(&value),
                Err(TxError::Rejected(rejection)) => {
                    return Err(TxError::Rejected(Stop::Rejected(rejection)));
                }
                Err(TxError::Database(error)) => return Err(TxError::Database(error)),
                Err(TxError::Unavailable { attempts, last }) => {
                    return Err(TxError::Unavailable { attempts, last });
                }
            };
            let answer = Answer {
                status: StatusCode::OK,
                body: body
                    .map_err(|error| TxError::Rejected(Stop::Unwritable(error.to_string())))?,
            };
            if self.mutation.record(tx, &answer).await? {
                Ok(answer)
            } else {
                Err(TxError::Rejected(Stop::Duplicate))
            }
        })
    }
}

/// Forgets keys older than an hour, longer than any client or gateway retries, until `shutdown`.
pub async fn sweep(db: Database, shutdown: CancellationToken) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = every.tick() => {}
        }
        // Its own limits and no retry: the next minute comes soon enough.
        let pool = db.pool();
        let swept =
            sqlx::query("delete from idempotency where created_at < now() - interval '1 hour'")
                .execute(&pool);
        match tokio::time::timeout(SWEEP_EVERY, swept).await {
            Ok(Ok(done)) => tracing::debug!(keys = done.rows_affected(), "swept idempotency keys"),
            Ok(Err(error)) => tracing::info!(%error, "cannot sweep idempotency keys now"),
            Err(_elapsed) => tracing::info!("sweeping idempotency keys took too long"),
        }
    }
}

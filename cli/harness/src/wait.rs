//! The one poller: ask until the answer is yes, the time is up, or the user stops it.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// What one look found.
#[derive(Debug)]
pub enum Look<T> {
    /// It is there.
    Done(T),
    /// Not yet; the text says what was seen instead.
    NotYet(String),
}

/// How a wait is bounded.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    pub timeout: Duration,
    pub every: Duration,
}

impl Limit {
    /// At most `timeout` in all, with a look every `every`.
    pub const fn new(timeout: Duration, every: Duration) -> Self {
        Self { timeout, every }
    }
}

/// Looks until `look` is done. An error of `look` ends the wait; the time limit gives
/// [`Error::Timeout`] with what was last seen; `cancel` gives [`Error::Interrupted`].
pub async fn until<T>(
    what: &str,
    limit: Limit,
    cancel: &CancellationToken,
    mut look: impl AsyncFnMut() -> Result<Look<T>>,
) -> Result<T> {
    let start = Instant::now();
    let mut last = "nothing yet".to_owned();
    loop {
        let seen = tokio::select! {
            () = cancel.cancelled() => return Err(Error::Interrupted),
            seen = tokio::time::timeout_at(start + limit.timeout, look()) => seen,
        };
        match seen {
            Ok(seen) => match seen? {
                Look::Done(value) => return Ok(value),
                Look::NotYet(text) => last = text,
            },
            // The look itself outlived the deadline: `last` is still the newest answer.
            Err(_elapsed) => {}
        }
        if start.elapsed() + limit.every >= limit.timeout {
            return Err(Error::Timeout {
                what: what.to_owned(),
                waited: start.elapsed(),
                last,
            });
        }
        tokio::select! {
            () = cancel.cancelled() => return Err(Error::Interrupted),
            () = tokio::time::sleep(limit.every) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit::new(Duration::from_millis(50), Duration::from_millis(2));

    #[tokio::test]
    async fn a_wait_that_ends_gives_its_value() {
        let mut looks = 0;
        let found = until(
            "three looks",
            LIMIT,
            &CancellationToken::new(),
            async || {
                looks += 1;
                Ok(if looks == 3 {
                    Look::Done(looks)
                } else {
                    Look::NotYet(format!("look {looks}"))
                })
            },
        )
        .await;
        assert_eq!(found.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_wait_that_fails_says_what_was_last_seen() {
        let failed = until::<()>("a ship", LIMIT, &CancellationToken::new(), async || {
            Ok(Look::NotYet("fog".to_owned()))
        })
        .await
        .unwrap_err();
        assert!(
            matches!(&failed, Error::Timeout { what, last, .. } if what == "a ship" && last == "fog"),
            "{failed}"
        );
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_bounded_too() {
        let failed = until::<()>("an answer", LIMIT, &CancellationToken::new(), async || {
            std::future::pending().await
        })
        .await
        .unwrap_err();
        assert!(matches!(failed, Error::Timeout { .. }), "{failed}");
    }

    #[tokio::test]
    async fn a_wait_stops_when_asked() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let failed = until::<()>("anything", LIMIT, &cancel, async || {
            std::future::pending().await
        })
        .await
        .unwrap_err();
        assert!(matches!(failed, Error::Interrupted), "{failed}");
    }
}

//! The only poller of these tests.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// Polls until the value is accepted; panics with the last value seen.
pub(crate) async fn until<T: Debug>(
    within: Duration,
    mut poll: impl AsyncFnMut() -> T,
    accepted: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        let value = poll().await;
        if accepted(&value) {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "not within {within:?}: {value:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

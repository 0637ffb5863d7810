//! Whether Redis answers.

use std::time::Duration;

use protocol::agent::Redis;
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Sends one PING on a connection of its own.
pub async fn ping(url: &str) -> Redis {
    let error = match timeout(TIMEOUT, try_ping(url)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_elapsed) => Some(format!("no answer within {} s", TIMEOUT.as_secs())),
    };
    Redis {
        answers: error.is_none(),
        error,
    }
}

async fn try_ping(url: &str) -> Result<(), redis::RedisError> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}

//! Whether Redis answers, and how much it was asked.

use std::time::Duration;

use protocol::agent::Redis;
use tokio::time::timeout;

use crate::error::Error;

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

/// How many commands it has processed since it started.
pub async fn commands(url: &str) -> Result<i64, Error> {
    let info = match timeout(TIMEOUT, stats(url)).await {
        Ok(info) => info.map_err(Error::Redis)?,
        Err(_elapsed) => {
            return Err(Error::Timeout {
                node: "redis".to_owned(),
                seconds: TIMEOUT.as_secs(),
            });
        }
    };
    Ok(info.get("total_commands_processed").unwrap_or(0))
}

async fn stats(url: &str) -> Result<redis::InfoDict, redis::RedisError> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("INFO")
        .arg("stats")
        .query_async(&mut connection)
        .await
}

//! Redis: notifications between replicas. Never the truth: whoever waits for one also polls the database.

use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// A publication that takes longer is given up: its readers poll.
const PUBLISH_MAX: Duration = Duration::from_millis(100);
const CONNECT_MAX: Duration = Duration::from_secs(1);
const RECONNECT_MIN: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// How often a silent subscription is asked whether it still lives.
const PING_EVERY: Duration = Duration::from_secs(1);
/// Messages kept for a reader that is behind; one that falls further behind is told so.
const BACKLOG: usize = 1024;

/// Publishes notifications; reconnects by itself. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    connection: ConnectionManager,
}

impl Publisher {
    /// Connects on first use. Needs a runtime.
    pub fn new(url: &str) -> redis::RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(2)
            .set_max_delay(RECONNECT_MAX)
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(PUBLISH_MAX));
        let client = redis::Client::open(url)?;
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(client, config)?,
        })
    }

    /// Publishes if Redis takes it within 100 ms; says whether it did.
    pub async fn publish(&self, channel: &str, payload: &[u8]) -> bool {
        let mut connection = self.connection.clone();
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(payload);
        let publishing = command.query_async::<i64>(&mut connection);
        let published = match tokio::time::timeout(PUBLISH_MAX, publishing).await {
            Ok(Ok(_readers)) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "Redis did not take a notification");
                false
            }
            Err(_elapsed) => false,
        };
        if !published {
            metrics::counter!("webshop_notifications_dropped_total").increment(1);
        }
        published
    }
}

/// A subscription to one channel that reconnects by itself.
#[derive(Clone)]
pub struct Subscriber {
    messages: broadcast::Sender<Vec<u8>>,
}

impl Subscriber {
    /// Starts to listen until `shutdown`. Needs no Redis to be there yet.
    pub fn start(
        url: &str,
        channel: &'static str,
        shutdown: CancellationToken,
    ) -> redis::RedisResult<Self> {
        let client = redis::Client::open(url)?;
        let (messages, _) = broadcast::channel(BACKLOG);
        let feed = messages.clone();
        tokio::spawn(async move {
            shutdown
                .run_until_cancelled(listen(client, channel, feed))
                .await
        });
        Ok(Self { messages })
    }

    /// What is published from now on. Messages during a reconnect are lost.
    #[must_use]
    pub fn messages(&self) -> broadcast::Receiver<Vec<u8>> {
        self.messages.subscribe()
    }
}

async fn listen(client: redis::Client, channel: &str, feed: broadcast::Sender<Vec<u8>>) {
    let mut pause = RECONNECT_MIN;
    loop {
        let mut received = false;
        if let Err(error) = relay(&client, channel, &feed, &mut received).await {
            tracing::debug!(%error, "the subscription to Redis broke");
        }
        pause = if received {
            RECONNECT_MIN
        } else {
            (pause * 2).min(RECONNECT_MAX)
        };
        tokio::time::sleep(pause).await;
    }
}

/// Relays messages until the connection breaks or no longer answers.
async fn relay(
    client: &redis::Client,
    channel: &str,
    feed: &broadcast::Sender<Vec<u8>>,
    received: &mut bool,
) -> redis::RedisResult<()> {
    let connecting = async {
        let mut subscription = client.get_async_pubsub().await?;
        subscription.subscribe(channel).await?;
        Ok(subscription)
    };
    let (mut sink, mut stream) = within(connecting).await?.split();
    tracing::info!(channel, "subscribed to Redis");
    *received = true;
    let mut ping = tokio::time::interval(PING_EVERY);
    loop {
        tokio::select! {
            message = stream.next() => {
                let Some(message) = message else { return Ok(()) };
                // Without a reader there is nobody to tell.
                drop(feed.send(message.get_payload_bytes().to_vec()));
            }
            _ = ping.tick() => {
                let pong = within(sink.ping::<redis::Value>());
                tokio::select! {
                    pong = pong => { pong?; }
                    // A message proves as well as a pong that the connection lives.
                    message = stream.next() => {
                        let Some(message) = message else { return Ok(()) };
                        drop(feed.send(message.get_payload_bytes().to_vec()));
                    }
                }
            }
        }
    }
}

async fn within<T>(work: impl Future<Output = redis::RedisResult<T>>) -> redis::RedisResult<T> {
    tokio::time::timeout(CONNECT_MAX, work)
        .await
        .unwrap_or_else(|_elapsed| {
            let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
            Err(late.into())
        })
}

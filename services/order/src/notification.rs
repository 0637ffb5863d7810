//! Telling the replicas which checkouts ended, and hearing of it.
//!
//! Redis carries it while it works. Each replica also publishes an empty message now and then; as long as
//! any message comes in, the way is known to be open, and the database is asked only as a safety.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use protocol::saga::{CHECKOUT_ENDED_CHANNEL, CheckoutEnded};
use service_core::{
    cache::{Publisher, Subscriber},
    postgres::{Database, TxError, barrier, read_lately},
};
use tokio::sync::{broadcast::error::RecvError, mpsc};

use crate::{store::checkout, waiting::Waiting};

/// Batches of ends that wait for Redis. What does not fit is found by polling.
const ANNOUNCEMENTS_MAX: usize = 64;
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_millis(300);
/// Without any message for this long, Redis is taken for lost.
const SILENCE_MAX: Duration = Duration::from_secs(1);
const POLL_WITH_REDIS: Duration = Duration::from_secs(1);
const POLL_WITHOUT_REDIS: Duration = Duration::from_millis(100);

/// Takes the ends of checkouts and publishes them in the background.
#[derive(Debug, Clone)]
pub struct Announcer {
    queue: mpsc::Sender<Vec<CheckoutEnded>>,
}

impl Announcer {
    /// Starts publishing. It ends with the last handle.
    #[must_use]
    pub fn start(publisher: Publisher) -> Self {
        let (queue, waiting) = mpsc::channel(ANNOUNCEMENTS_MAX);
        tokio::spawn(announce(publisher, waiting));
        Self { queue }
    }

    /// An announcer that tells nobody else, and what it was given.
    #[must_use]
    pub fn silent() -> (Self, mpsc::Receiver<Vec<CheckoutEnded>>) {
        let (queue, waiting) = mpsc::channel(ANNOUNCEMENTS_MAX);
        (Self { queue }, waiting)
    }

    /// Announces without waiting.
    pub fn announce(&self, ended: Vec<CheckoutEnded>) {
        if !ended.is_empty() && self.queue.try_send(ended).is_err() {
            metrics::counter!("webshop_notifications_dropped_total").increment(1);
        }
    }
}

async fn announce(publisher: Publisher, mut waiting: mpsc::Receiver<Vec<CheckoutEnded>>) {
    let mut sign_of_life = tokio::time::interval(SIGN_OF_LIFE_EVERY);
    sign_of_life.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut batches = Vec::new();
    loop {
        tokio::select! {
            taken = waiting.recv_many(&mut batches, ANNOUNCEMENTS_MAX) => {
                if taken == 0 {
                    return;
                }
            }
            _ = sign_of_life.tick() => {}
        }
        let ended: Vec<CheckoutEnded> = batches.drain(..).flatten().collect();
        match serde_json::to_vec(&ended) {
            Ok(message) => {
                if !publisher.publish(CHECKOUT_ENDED_CHANNEL, &message).await {
                    tracing::debug!(ends = ended.len(), "a notification was not published");
                }
            }
            Err(error) => tracing::error!(%error, "cannot write a notification"),
        }
    }
}

/// Whether messages come in.
#[derive(Debug, Clone, Default)]
pub struct Hearing {
    last: Arc<Mutex<Option<Instant>>>,
}

impl Hearing {
    fn heard(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn missed(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn is_open(&self) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < SILENCE_MAX)
    }
}

/// Passes on what is published to the requests that wait here, for ever.
pub async fn hear(subscriber: Subscriber, hearing: Hearing, waiting: Waiting) {
    let mut messages = subscriber.messages();
    loop {
        match messages.recv().await {
            Ok(message) => {
                hearing.heard();
                match serde_json::from_slice::<Vec<CheckoutEnded>>(&message) {
                    Ok(ended) => ended.iter().for_each(|end| waiting.ended(end)),
                    Err(error) => tracing::error!(%error, "an unreadable notification"),
                }
            }
            Err(RecvError::Lagged(messages)) => {
                tracing::warn!(messages, "missed notifications");
                hearing.missed();
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Asks the database about the sagas that requests wait for, for ever: now and then, and often while
/// Redis is silent.
pub async fn poll(db: Database, hearing: Hearing, waiting: Waiting) {
    let mut every = tokio::time::interval(POLL_WITHOUT_REDIS);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = Instant::now();
    let without_redis = metrics::gauge!("webshop_waiting_without_redis");
    let requests = metrics::gauge!("webshop_waiting_requests");
    loop {
        every.tick().await;
        requests.set(f64::from(
            u32::try_from(waiting.count()).unwrap_or(u32::MAX),
        ));
        let is_open = hearing.is_open();
        without_redis.set(if is_open { 0.0 } else { 1.0 });
        if is_open && last.elapsed() < POLL_WITH_REDIS {
            continue;
        }
        last = Instant::now();
        // What ended a moment ago is about to be heard of.
        let longer_than = if is_open {
            POLL_WITH_REDIS / 2
        } else {
            Duration::ZERO
        };
        if let Err(error) = ask(&db, &waiting, longer_than).await {
            tracing::info!(%error, "cannot ask how checkouts ended");
        }
    }
}

/// One question for all requests that have been waiting for longer than `longer_than`.
pub async fn ask(
    db: &Database,
    waiting: &Waiting,
    longer_than: Duration,
) -> Result<(), TxError<()>> {
    let ids = waiting.sagas(longer_than);
    if ids.is_empty() {
        return Ok(());
    }
    let ids = &ids;
    let ended = read_lately(db, |tx| {
        Box::pin(async move {
            let ended = checkout::ended(tx, ids).await?;
            if !ended.is_empty() {
                barrier(tx).await?;
            }
            Ok(ended)
        })
    })
    .await?;
    for end in &ended {
        waiting.ended(end);
    }
    Ok(())
}

//! Admission of checkouts: all that are waiting go through one transaction together.

mod decision;

use std::{collections::HashMap, sync::Arc, time::Duration};

use protocol::{OrderId, SagaId};
use service_core::{
    kafka::{Producer, Record},
    postgres::{Database, Limits, Tx, TxError, barrier, serializable_within},
};
use tokio::sync::{Semaphore, mpsc};

pub use decision::Decision;

use crate::{
    command,
    store::{self, checkout},
    waiting::{TicketId, Verdict, Waiting},
};

/// Orders in one transaction.
const BATCH_MAX: usize = 256;
/// Requests that wait for their batch.
const QUEUE_MAX: usize = 4096;
/// Batches whose commands are on the way to Kafka.
const PUBLISHING_MAX: usize = 8;
/// Within these the transaction is tried again by itself; after them with fresh requests.
const LIMITS: Limits = Limits {
    attempt: Duration::from_secs(3),
    deadline: Duration::from_secs(5),
};
const PAUSE: Duration = Duration::from_millis(100);

/// Hands requests over to admission; a cheap handle.
#[derive(Debug, Clone)]
pub struct Admission {
    queue: mpsc::Sender<TicketId>,
}

/// What a batch decided.
struct Admitted {
    decisions: Vec<(OrderId, Decision)>,
    /// The commands of new sagas, and of those that may have been left without.
    records: Vec<Record>,
}

struct Admitting {
    db: Database,
    producer: Producer,
    waiting: Waiting,
    publishing: Arc<Semaphore>,
}

impl Admission {
    /// Starts admitting. It ends with the last handle.
    #[must_use]
    pub fn start(db: Database, producer: Producer, waiting: Waiting) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let admitting = Admitting {
            db,
            producer,
            waiting,
            publishing: Arc::new(Semaphore::new(PUBLISHING_MAX)),
        };
        tokio::spawn(admitting.run(requests));
        Self { queue }
    }

    /// Asks for admission. The answer comes through the ticket. False when there is no room or no time.
    pub async fn request(&self, ticket: TicketId, deadline: tokio::time::Instant) -> bool {
        let handed_over = tokio::time::timeout_at(deadline, self.queue.send(ticket)).await;
        matches!(handed_over, Ok(Ok(())))
    }
}

impl Admitting {
    async fn run(self, mut requests: mpsc::Receiver<TicketId>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while requests.recv_many(&mut batch, BATCH_MAX).await > 0 {
            loop {
                // Whoever has given up, or left, is not admitted any more.
                batch.retain(|ticket| self.waiting.is_waiting(*ticket));
                if batch.is_empty() || self.admit(&batch).await {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
                while batch.len() < BATCH_MAX
                    && let Ok(ticket) = requests.try_recv()
                {
                    batch.push(ticket);
                }
            }
            batch.clear();
        }
    }

    /// Decides on a batch and says whether that worked.
    async fn admit(&self, batch: &[TicketId]) -> bool {
        let mut orders: Vec<OrderId> = batch.iter().map(|ticket| ticket.order_id).collect();
        orders.sort_unstable();
        orders.dedup();
        metrics::histogram!("webshop_admission_batch_messages")
            .record(u32::try_from(orders.len()).unwrap_or(u32::MAX));
        match self.transaction(&orders).await {
            Ok(admitted) => {
                self.tell(batch, &admitted.decisions);
                self.publish(admitted.records).await;
                true
            }
            Err(error) => {
                tracing::warn!(%error, orders = orders.len(), "cannot admit checkouts");
                false
            }
        }
    }

    async fn transaction(&self, orders: &[OrderId]) -> Result<Admitted, TxError<()>> {
        let mut attempts = 0;
        serializable_within(LIMITS, &self.db, |tx| {
            attempts += 1;
            let is_retry = attempts > 1;
            Box::pin(decide_and_start(tx, orders, is_retry))
        })
        .await
    }

    fn tell(&self, batch: &[TicketId], decisions: &[(OrderId, Decision)]) {
        let decisions: HashMap<OrderId, &Decision> = decisions
            .iter()
            .map(|(order_id, decision)| (*order_id, decision))
            .collect();
        for ticket in batch {
            match decisions.get(&ticket.order_id) {
                Some(Decision::Reject(refusal)) => {
                    let verdict = Verdict::Rejected(refusal.clone());
                    self.waiting.settle(*ticket, &verdict);
                }
                Some(Decision::AlreadyPaid) => self.waiting.settle(*ticket, &Verdict::Paid),
                Some(Decision::Wait { saga_id, .. }) => self.waiting.bind(*ticket, *saga_id),
                // Every order is decided; if not, its requests end as unknown.
                Some(Decision::Start) | None => tracing::error!(
                    order_id = %ticket.order_id, "an order was left undecided"
                ),
            }
        }
    }

    /// Publishes behind the next batch's back. What fails is published again by the lane's holder.
    async fn publish(&self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        let Ok(permit) = self.publishing.clone().acquire_owned().await else {
            return;
        };
        let producer = self.producer.clone();
        tokio::spawn(async move {
            if let Err(error) = producer.send_all(&records).await {
                tracing::warn!(%error, records = records.len(), "left to the lane's holder");
            }
            drop(permit);
        });
    }
}

async fn decide_and_start(
    tx: &mut Tx<'_>,
    orders: &[OrderId],
    is_retry: bool,
) -> Result<Admitted, TxError<()>> {
    store::take_turn(tx).await?;
    let mut candidates: HashMap<OrderId, checkout::Candidate> = checkout::candidates(tx, orders)
        .await?
        .into_iter()
        .map(|candidate| (candidate.order_id, candidate))
        .collect();
    let mut decisions: Vec<(OrderId, Decision)> = orders
        .iter()
        .map(|order_id| {
            (
                *order_id,
                decision::decide(*order_id, candidates.get(order_id)),
            )
        })
        .collect();

    let starting: Vec<OrderId> = decisions
        .iter()
        .filter(|(_, decision)| *decision == Decision::Start)
        .map(|(order_id, _)| *order_id)
        .collect();
    let started: HashMap<OrderId, SagaId> = if starting.is_empty() {
        // Answers may follow from what was only read.
        barrier(tx).await?;
        HashMap::new()
    } else {
        checkout::start(tx, &starting).await?.into_iter().collect()
    };

    let mut records = Vec::with_capacity(started.len());
    for (order_id, decision) in &mut decisions {
        if let Some(saga_id) = started.get(order_id) {
            let lines = candidates.remove(order_id).map(|candidate| candidate.lines);
            records.push(
                command::reserve(*saga_id, *order_id, lines.unwrap_or_default()).map_err(encode)?,
            );
            *decision = Decision::Wait {
                saga_id: *saga_id,
                is_quiet: false,
            };
        }
    }
    records.extend(left_behind(tx, &decisions, &started, is_retry).await?);
    Ok(Admitted { decisions, records })
}

/// The outstanding commands of joined sagas that may never have been published: after a commit whose
/// answer was lost they may be our own, and a quiet one's replica may have died.
async fn left_behind(
    tx: &mut Tx<'_>,
    decisions: &[(OrderId, Decision)],
    started: &HashMap<OrderId, SagaId>,
    is_retry: bool,
) -> Result<Vec<Record>, TxError<()>> {
    let ids: Vec<SagaId> = decisions
        .iter()
        .filter(|(order_id, _)| !started.contains_key(order_id))
        .filter_map(|(_, decision)| match decision {
            Decision::Wait { saga_id, is_quiet } if *is_quiet || is_retry => Some(*saga_id),
            Decision::Wait { .. }
            | Decision::Start
            | Decision::AlreadyPaid
            | Decision::Reject(_) => None,
        })
        .collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sagas = checkout::sagas(tx, &ids).await?;
    command::all_outstanding(sagas).map_err(encode)
}

fn encode(error: serde_json::Error) -> TxError<()> {
    TxError::Database(sqlx::Error::Encode(Box::new(error)))
}

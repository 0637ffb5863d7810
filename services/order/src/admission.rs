//! Admission of checkouts: all that are waiting go through one transaction together.

pub mod decision;

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use planted::{Bug, Steps};
use protocol::{
    OrderId, SagaId,
    failpoint::{ADMISSION, Moment},
    saga::{Refusal, RefusalCode},
};
use service_core::{
    kafka::Producer,
    postgres::{Database, Limits, Tx, TxError, barrier, read_lately, serializable_after},
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};

use decision::{Decision, to_publish};

use crate::{
    command,
    saga::State,
    store::{
        self,
        checkout::{self, Standing},
    },
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
/// However slow the shop is: so much later a request may be admitted than it could be.
const GATHER_MAX: Duration = Duration::from_millis(200);

/// Hands requests over to admission; a cheap handle.
#[derive(Debug, Clone)]
pub struct Admission {
    queue: mpsc::Sender<TicketId>,
}

/// What became of a batch.
struct Admitted {
    decisions: HashMap<OrderId, Decision>,
    /// New sagas, and those whose command may never have been published.
    unpublished: Vec<SagaId>,
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
    pub async fn request(&self, ticket: TicketId, deadline: Instant) -> bool {
        let handed_over = tokio::time::timeout_at(deadline, self.queue.send(ticket)).await;
        matches!(handed_over, Ok(Ok(())))
    }
}

impl Admitting {
    async fn run(self, mut requests: mpsc::Receiver<TicketId>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut last_started = Instant::now();
        while requests.recv_many(&mut batch, BATCH_MAX).await > 0 {
            gather(
                &mut batch,
                &mut requests,
                last_started + apart(self.waiting.lately()),
            )
            .await;
            last_started = Instant::now();
            loop {
                // Whoever has given up, or left, is not admitted any more.
                batch.retain(|ticket| self.waiting.is_waiting(*ticket));
                if batch.is_empty() || self.admit(&batch).await {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
                gather(&mut batch, &mut requests, Instant::now()).await;
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
                Steps::named(ADMISSION).reach(Moment::AfterCommit);
                self.tell(batch, &admitted.decisions);
                self.publish(admitted.unpublished).await;
                true
            }
            Err(error) => {
                tracing::warn!(%error, orders = orders.len(), "cannot admit checkouts");
                false
            }
        }
    }

    async fn transaction(&self, orders: &[OrderId]) -> Result<Admitted, TxError<()>> {
        let producer = &self.producer;
        let mut attempts = 0;
        serializable_after(store::TAKE_TURN, LIMITS, &self.db, |tx| {
            attempts += 1;
            let is_retry = attempts > 1;
            Box::pin(async move {
                let admitted = decide(tx, orders, is_retry).await?;
                if planted::is(Bug::PublishBeforeCommit) {
                    publish_early(tx, producer, &admitted.unpublished).await?;
                }
                Steps::named(ADMISSION).reach(Moment::BeforeCommit);
                Ok(admitted)
            })
        })
        .await
    }

    fn tell(&self, batch: &[TicketId], decisions: &HashMap<OrderId, Decision>) {
        for ticket in batch {
            match decisions.get(&ticket.order_id) {
                Some(Decision::Reject(refusal)) => {
                    let verdict = Verdict::Rejected(refusal.clone());
                    self.waiting.settle(*ticket, &verdict);
                }
                Some(Decision::AlreadyPaid) => self.waiting.settle(*ticket, &Verdict::Paid),
                Some(Decision::Wait(open)) => match told_early(open.saga_id) {
                    Some(verdict) => self.waiting.settle(*ticket, &verdict),
                    None => self.waiting.bind(*ticket, open.saga_id),
                },
                None => tracing::error!(order_id = %ticket.order_id, "an order was left undecided"),
            }
        }
    }

    /// Publishes behind the next batch's back. What fails is published again by the lane's holder.
    async fn publish(&self, unpublished: Vec<SagaId>) {
        if unpublished.is_empty() {
            return;
        }
        let Ok(permit) = self.publishing.clone().acquire_owned().await else {
            return;
        };
        let (db, producer) = (self.db.clone(), self.producer.clone());
        tokio::spawn(async move {
            if let Err(error) = publish(&db, &producer, &unpublished).await {
                tracing::warn!(%error, sagas = unpublished.len(), "left to the lane's holder");
            }
            drop(permit);
        });
    }
}

/// How long after a batch the next one starts at the earliest: after as long as checkouts take. What is admitted together goes through every step of
/// the saga together, each of them one transaction and one message to the brokers: the slower the shop is, the more a
/// larger batch helps it. One that is at rest has long ended its last checkout, so that nobody waits there.
fn apart(lately: Duration) -> Duration {
    lately.min(GATHER_MAX)
}

/// Takes along what comes until then, as far as there is room.
async fn gather(
    batch: &mut Vec<TicketId>,
    requests: &mut mpsc::Receiver<TicketId>,
    until: Instant,
) {
    while batch.len() < BATCH_MAX {
        let room = BATCH_MAX - batch.len();
        match tokio::time::timeout_at(until, requests.recv_many(batch, room)).await {
            Ok(0) | Err(_) => return,
            Ok(_more) => {}
        }
    }
}

/// Starts what can be started and decides on every order.
async fn decide(
    tx: &mut Tx<'_>,
    orders: &[OrderId],
    is_retry: bool,
) -> Result<Admitted, TxError<()>> {
    let mut standing: HashMap<OrderId, Standing> = HashMap::with_capacity(orders.len());
    let mut learn = |known: Vec<Standing>| {
        standing.extend(known.into_iter().map(|order| (order.order_id, order)));
        let unknown = orders.iter().filter(|id| !standing.contains_key(id));
        unknown.copied().collect::<Vec<OrderId>>()
    };
    let others = learn(checkout::start(tx, orders).await?);
    if !others.is_empty() {
        learn(checkout::standing(tx, &others).await?);
    }
    if others.len() == orders.len() {
        // Nothing was written, but answers follow from what was read.
        barrier(tx).await?;
    }
    let decisions: HashMap<OrderId, Decision> = orders
        .iter()
        .map(|order_id| {
            (
                *order_id,
                decision::decide(*order_id, standing.get(order_id)),
            )
        })
        .collect();
    let unpublished = decisions
        .values()
        .filter_map(|decision| to_publish(decision, is_retry))
        .collect();
    Ok(Admitted {
        decisions,
        unpublished,
    })
}

/// Publishes what the sagas are waiting for now. Their orders' lines are read only here, outside the
/// transaction: they are closed to changes by now, and nobody's turn is taken up.
async fn publish(db: &Database, producer: &Producer, ids: &[SagaId]) -> anyhow::Result<()> {
    let (sagas, reservations) = read_lately(db, |tx| {
        Box::pin(async move {
            let (sagas, reservations) = checkout::sagas_with_reservations(tx, ids).await?;
            if sagas.iter().any(|saga| saga.state != State::Reserving) {
                // Moved on by somebody else, whose commit may not be replicated.
                barrier(tx).await?;
            }
            Ok::<_, TxError<Infallible>>((sagas, reservations))
        })
    })
    .await?;
    let steps = Steps::named(ADMISSION);
    steps.reach(Moment::BeforePublish);
    producer
        .send_all(&command::outstanding(&sagas, reservations)?)
        .await?;
    steps.reach(Moment::AfterPublish);
    Ok(())
}

/// The planted bug: the commands of new sagas go out before the commit, and one time in ten it never comes.
async fn publish_early(
    tx: &mut Tx<'_>,
    producer: &Producer,
    ids: &[SagaId],
) -> Result<(), TxError<()>> {
    let (sagas, reservations) = checkout::sagas_with_reservations(tx, ids).await?;
    let sent = match command::outstanding(&sagas, reservations) {
        Ok(records) => producer.send_all(&records).await.is_ok(),
        Err(_unwritable) => false,
    };
    if sent && ids.iter().any(|saga_id| saga_id.0 % 10 == 0) {
        return Err(TxError::Database(sqlx::Error::PoolTimedOut));
    }
    Ok(())
}

/// What planted bugs answer to a checkout whose saga has only begun.
fn told_early(saga_id: SagaId) -> Option<Verdict> {
    if planted::is(Bug::AcknowledgeBeforeCommit) {
        return Some(Verdict::Paid);
    }
    let rejects = planted::is(Bug::RejectWhatHappens) && saga_id.0 % 20 == 0;
    rejects.then(|| {
        Verdict::Rejected(Refusal {
            code: RefusalCode::OutOfStock,
            message: "Out of stock".to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(count: usize) -> Vec<TicketId> {
        let waiting = Waiting::new(1);
        let ids = (0..).map(|order_id| waiting.register(OrderId(order_id)).unwrap().id());
        ids.take(count).collect()
    }

    #[test]
    fn a_slow_shop_is_given_larger_batches_and_one_at_rest_none() {
        let ms = Duration::from_millis;
        for (lately, expected) in [(0, 0), (12, 12), (60, 60), (20_000, 200)] {
            assert_eq!(apart(ms(lately)), ms(expected));
        }
    }

    #[tokio::test]
    async fn a_full_batch_waits_for_nobody() {
        let tickets = tickets(BATCH_MAX + 10);
        let (sender, mut requests) = mpsc::channel(QUEUE_MAX);
        let mut batch = vec![tickets[0]];
        for ticket in &tickets[1..] {
            sender.send(*ticket).await.unwrap();
        }
        let in_an_hour = Instant::now() + Duration::from_secs(3600);
        gather(&mut batch, &mut requests, in_an_hour).await;
        assert_eq!(batch, tickets[..BATCH_MAX]);
    }

    #[tokio::test]
    async fn what_is_due_waits_for_nobody() {
        let tickets = tickets(3);
        let (sender, mut requests) = mpsc::channel(QUEUE_MAX);
        sender.send(tickets[1]).await.unwrap();
        let mut batch = vec![tickets[0]];
        gather(&mut batch, &mut requests, Instant::now()).await;
        assert_eq!(batch, tickets[..2]);
    }
}

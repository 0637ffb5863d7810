//! The order lane: replies of the participants move sagas on, a batch in one transaction.

use std::{collections::HashMap, ops::Range};

use planted::Bug;
use protocol::{
    SagaId,
    saga::{CheckoutEnded, Reply},
};
use service_core::lane::{ApplyError, LaneWorker, Message, Record};
use sqlx::PgConnection;

use crate::{
    command,
    notification::Announcer,
    saga::{State, Step, step},
    store::{
        self,
        checkout::{self, Saga},
        misdeeds,
    },
    waiting::Waiting,
};

/// Silent sagas looked after in one turn. Few: where everybody is slow, every saga is silent, and publishing
/// them all again would keep the lanes behind for good.
const REPUBLISH_MAX: i64 = 64;
/// A batch of so many replies tells of a queue, in which the missing ones may well be.
const QUEUE_MESSAGES: usize = 64;

/// Works the lane of replies.
pub struct Replies {
    waiting: Waiting,
    announcer: Announcer,
    /// Replies have been queueing since the last tick.
    queueing: bool,
    /// What the last transaction did, told once it is known to be committed.
    done: Done,
}

#[derive(Debug, Default)]
struct Done {
    ended: Vec<CheckoutEnded>,
    lasted_seconds: Vec<f64>,
    republished: u64,
}

/// What a batch of replies does to the sagas it concerns.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Those that moved, in their new states, by id.
    pub moved: Vec<Saga>,
    /// Replies that changed nothing and need not.
    pub repeated: u64,
    /// Replies that no participant can have given.
    pub unexpected: u64,
}

impl Replies {
    #[must_use]
    pub fn new(waiting: Waiting, announcer: Announcer) -> Self {
        Self {
            waiting,
            announcer,
            queueing: false,
            done: Done::default(),
        }
    }

    /// The outstanding commands of the sagas, which are about to be published again.
    async fn republish(
        &mut self,
        tx: &mut PgConnection,
        ids: &[SagaId],
    ) -> Result<Vec<Record>, ApplyError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        checkout::mark_published(tx, ids).await?;
        let (sagas, reservations) = checkout::sagas_with_reservations(tx, ids).await?;
        let records = command::outstanding(&sagas, reservations)?;
        self.done.republished = u64::try_from(records.len()).unwrap_or(u64::MAX);
        Ok(records)
    }
}

impl LaneWorker for Replies {
    const BEFORE_SNAPSHOT: &'static str = store::TAKE_TURN;

    async fn apply(
        &mut self,
        tx: &mut PgConnection,
        batch: &[Message],
    ) -> Result<Vec<Record>, ApplyError> {
        self.done = Done::default();
        self.queueing |= batch.len() >= QUEUE_MESSAGES;
        let replies: Vec<Reply> = batch.iter().filter_map(Message::decode).collect();
        let sagas = checkout::sagas(tx, &concerned(&replies)).await?;
        let outcome = apply(sagas, &replies);
        count("repeated", outcome.repeated);
        count("unexpected", outcome.unexpected);
        if outcome.moved.is_empty() {
            return Ok(Vec::new());
        }
        let moved = outcome.moved.iter();
        let lasted = checkout::advance(tx, moved.map(|saga| (saga.saga_id, &saga.state))).await?;
        self.done.lasted_seconds = lasted.iter().map(|saga| saga.seconds).collect();
        self.done.ended = outcome.moved.iter().filter_map(ended).collect();
        // No reply leads back to reserving, so no lines are needed.
        Ok(command::outstanding(&outcome.moved, HashMap::new())?)
    }

    /// A saga is its own outbox, so what a former holder left unpublished does not depend on offsets.
    async fn takeover(
        &mut self,
        tx: &mut PgConnection,
        _unpublished: Range<i64>,
    ) -> Result<Vec<Record>, ApplyError> {
        self.done = Done::default();
        let ids = checkout::unended(tx).await?;
        self.republish(tx, &ids).await
    }

    async fn tick(&mut self, tx: &mut PgConnection) -> Result<Vec<Record>, ApplyError> {
        self.done = Done::default();
        if std::mem::take(&mut self.queueing) {
            return Ok(Vec::new());
        }
        if planted::is(Bug::RevertPaid) {
            checkout::revert_paid(tx).await?;
        }
        if planted::is(Bug::LoseLine) || planted::is(Bug::StealOrder) {
            misdeeds::wrong_the_paid(tx).await?;
        }
        let ids = checkout::silent(tx, REPUBLISH_MAX).await?;
        self.republish(tx, &ids).await
    }

    fn committed(&mut self) {
        let done = std::mem::take(&mut self.done);
        for end in &done.ended {
            self.waiting.ended(end);
        }
        for seconds in done.lasted_seconds {
            metrics::histogram!("webshop_saga_duration_seconds").record(seconds);
        }
        if done.republished > 0 {
            metrics::counter!("webshop_republished_commands_total").increment(done.republished);
        }
        self.announcer.announce(done.ended);
    }
}

/// The sagas that the replies are for, each once.
fn concerned(replies: &[Reply]) -> Vec<SagaId> {
    let mut ids: Vec<SagaId> = replies.iter().map(|reply| reply.saga_id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Folds the replies into the sagas, in their order. A reply for a saga that is not there is as good as
/// repeated: only ended ones are ever deleted.
#[must_use]
pub fn apply(sagas: Vec<Saga>, replies: &[Reply]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut open: HashMap<SagaId, (Saga, bool)> = sagas
        .into_iter()
        .map(|saga| (saga.saga_id, (saga, false)))
        .collect();
    for reply in replies {
        let Some((saga, moved)) = open.get_mut(&reply.saga_id) else {
            outcome.repeated += 1;
            continue;
        };
        match step(&saga.state, &reply.event) {
            Step::Advance(state) => {
                saga.state = state;
                *moved = true;
            }
            Step::Repeated => outcome.repeated += 1,
            Step::Unexpected => {
                tracing::error!(saga_id = %saga.saga_id, state = saga.state.name(), event = ?reply.event,
                    "a participant gave an impossible reply");
                outcome.unexpected += 1;
            }
        }
    }
    let moved = open.into_values().filter(|(_, moved)| *moved);
    outcome.moved = moved.map(|(saga, _)| saga).collect();
    outcome.moved.sort_unstable_by_key(|saga| saga.saga_id);
    outcome
}

/// What is told of a saga's end; `None` while it has not ended.
#[must_use]
pub fn ended(saga: &Saga) -> Option<CheckoutEnded> {
    let refusal = match &saga.state {
        State::Completed => None,
        State::Rejected(refusal) => Some(refusal.clone()),
        State::Reserving | State::Charging | State::Releasing(_) => return None,
    };
    Some(CheckoutEnded {
        order_id: saga.order_id,
        saga_id: saga.saga_id,
        refusal,
    })
}

fn count(kind: &'static str, replies: u64) {
    if replies > 0 {
        metrics::counter!("webshop_ignored_replies_total", "kind" => kind).increment(replies);
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Credits, OrderId, UserId, saga::Event};

    use super::*;

    fn saga(id: i64, state: State) -> Saga {
        Saga {
            saga_id: SagaId(id),
            order_id: OrderId(100 + id),
            state,
            user_id: UserId(1),
            total_cost: Credits(5),
        }
    }

    fn reply(id: i64, event: Event) -> Reply {
        Reply {
            saga_id: SagaId(id),
            order_id: OrderId(100 + id),
            event,
        }
    }

    #[test]
    fn a_batch_moves_each_saga_by_its_own_replies() {
        let sagas = vec![saga(1, State::Reserving), saga(2, State::Charging)];
        let replies = [
            reply(2, Event::Charged),
            reply(1, Event::Reserved),
            reply(2, Event::Charged),
            reply(3, Event::Charged),
            reply(1, Event::Released),
        ];
        let outcome = apply(sagas, &replies);
        assert_eq!(
            outcome,
            Outcome {
                moved: vec![saga(1, State::Charging), saga(2, State::Completed)],
                repeated: 2,
                unexpected: 1,
            }
        );
        let ends: Vec<CheckoutEnded> = outcome.moved.iter().filter_map(ended).collect();
        assert_eq!(ends.len(), 1);
        assert_eq!((ends[0].saga_id, &ends[0].refusal), (SagaId(2), &None));
    }
}

//! Whether the node that a route leads to is still the primary: another node is asked, which would know.
//!
//! **Invariant:** a read that is answered saw everything that was acknowledged before the read began. Why that is so:
//!
//! 1. The route says that node P leads epoch *e*. P holds whatever was acknowledged in *e* or before, and PostgreSQL
//!    shows a commit to everybody before it acknowledges it.
//! 2. Another node leads a later epoch only with the durable grant of a peer (`db-node/src/gate.rs`). For the first
//!    epoch after *e* that peer is not P: while P leads it refuses, and once it has stopped it vouches only for a
//!    history that began after *e*. So candidate and granter are the other two nodes, and either says a later epoch on
//!    `/state` before the first write of that epoch can be acknowledged: the granter's before it answers, the
//!    candidate's before it leaves recovery.
//! 3. So either of these two alone, if it is *asked after the read began* and still says *e*, proves that nothing of a
//!    later epoch of another node was acknowledged before the read began. The read itself is made on P meanwhile.
//!
//! What could make a word worthless, and does not:
//!
//! - A node that lost its volume, and its promises with it, says epoch 0 until it copies a primary; only exactly *e* is
//!   believed. (One that promised, then lost its volume, and then copied a primary that was cut off from the third node
//!   meanwhile: that is two losses out of three, and acknowledged writes are lost with it, not only reads stale.)
//! - P that came back and resumed leads a later epoch with the grant of one peer, and the other still says *e*. The
//!   read is made on P, which has everything.
//! - P is never asked, and what answers under the name of another node is not believed.
//! - A node that restarts has read its epoch from its volume before it listens. One that was frozen answers a question
//!   after the question was sent, whenever that is.
//! - A read that is made on P while P is a standby already began before P was succeeded, or is not confirmed.
//!
//! One confirmation serves all reads that began before it was sent. The next is sent [`GATHER`] later at the earliest:
//! a busy replica sends at most a hundred a second, to one node, and one without reads sends none.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use protocol::db::NodeState;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep, sleep_until, timeout},
};

/// Between the sending of two confirmations. Reads that come meanwhile share the second one.
const GATHER: Duration = Duration::from_millis(10);
/// A node that has not answered for so long has company: the other one is asked as well.
const HEDGE: Duration = Duration::from_millis(20);
/// After a confirmation that failed. The nodes are asked who leads at the same pace.
const RETRY: Duration = Duration::from_millis(50);
/// Then the read is made anew.
const CONFIRM_MAX: Duration = Duration::from_millis(1500);
/// Reads that wait for one confirmation.
const WAITING_MAX: usize = 4096;

/// A node of the database, and where it gives its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    /// Of `/state`.
    pub(super) url: String,
}

/// What an account says about the leadership of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// Nothing was acknowledged in a later epoch before this was said.
    Leads,
    /// A later epoch has begun, or somebody tried to begin one.
    Succeeded,
    /// It cannot tell.
    Nothing,
}

/// What the account of the node that was asked says about `primary`, which led `epoch`.
fn weigh(primary: &str, epoch: u64, asked: &str, account: &NodeState) -> Word {
    if account.name != asked || account.name == primary || account.epoch < epoch {
        Word::Nothing
    } else if account.epoch == epoch {
        Word::Leads
    } else {
        Word::Succeeded
    }
}

/// A node that led an epoch when the route to it was made.
#[derive(Debug, Clone)]
pub(super) struct Leader {
    pub(super) name: String,
    pub(super) epoch: u64,
}

/// The way to confirmations that one node still leads. Its task ends with it.
#[derive(Debug)]
pub(super) struct Leadership {
    leader: Leader,
    reads: mpsc::Sender<oneshot::Sender<()>>,
}

impl Leadership {
    /// `others` are the nodes beside the leader. `suspect` is woken where one of them knows of a later epoch, or none
    /// answers.
    pub(super) fn of(
        leader: Leader,
        others: Vec<Node>,
        client: reqwest::Client,
        suspect: Arc<Notify>,
    ) -> Self {
        let (reads, asked) = mpsc::channel(WAITING_MAX);
        let confirming = Confirming {
            leader: leader.clone(),
            others,
            client,
            suspect,
        };
        tokio::spawn(confirming.run(asked));
        Self { leader, reads }
    }

    /// Waits for a confirmation that is sent from now on.
    ///
    /// # Errors
    /// There was none within 1.5 s.
    pub(super) async fn confirmed(&self) -> Result<(), sqlx::Error> {
        let confirmed = async {
            let (told, heard) = oneshot::channel();
            self.reads.send(told).await.is_ok() && heard.await.is_ok()
        };
        if let Ok(true) = timeout(CONFIRM_MAX, confirmed).await {
            return Ok(());
        }
        let Leader { name, epoch } = &self.leader;
        let unconfirmed = format!("no other node confirms that {name} still leads epoch {epoch}");
        Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            unconfirmed,
        )))
    }
}

struct Confirming {
    leader: Leader,
    /// The one that confirmed last comes first.
    others: Vec<Node>,
    client: reqwest::Client,
    suspect: Arc<Notify>,
}

impl Confirming {
    async fn run(mut self, mut reads: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
        let mut due = Instant::now();
        loop {
            if waiting.is_empty() && reads.recv_many(&mut waiting, WAITING_MAX).await == 0 {
                return;
            }
            sleep_until(due).await;
            while waiting.len() < WAITING_MAX
                && let Ok(read) = reads.try_recv()
            {
                waiting.push(read);
            }
            waiting.retain(|read| !read.is_closed());
            if waiting.is_empty() {
                continue;
            }
            let sent = Instant::now();
            if self.confirm().await {
                due = sent + GATHER;
                for read in waiting.drain(..) {
                    if read.send(()).is_err() {
                        tracing::trace!("a read did not wait for its confirmation");
                    }
                }
            } else {
                self.suspect.notify_waiters();
                due = Instant::now() + RETRY;
            }
        }
    }

    /// Asks one node, and the other one too where the first is slow; says whether either confirms.
    async fn confirm(&mut self) -> bool {
        let this = &*self;
        let ask = |(place, node)| async move {
            sleep(HEDGE * place).await;
            (place, this.ask(node).await)
        };
        let mut asked: FuturesUnordered<_> = (0_u32..).zip(&this.others).map(ask).collect();
        let mut confirmed = None;
        while confirmed.is_none()
            && let Some((place, word)) = asked.next().await
        {
            confirmed = (word == Word::Leads).then_some(place);
        }
        drop(asked);
        let outcome = confirmed.map_or("unconfirmed", |_| "confirmed");
        metrics::counter!("webshop_read_confirmations_total", "outcome" => outcome).increment(1);
        let Some(place) = confirmed else {
            return false;
        };
        self.others.rotate_left(place as usize);
        true
    }

    async fn ask(&self, node: &Node) -> Word {
        let account: reqwest::Result<NodeState> = async {
            let response = self.client.get(&node.url).send().await?;
            response.error_for_status()?.json().await
        }
        .await;
        let Leader { name, epoch } = &self.leader;
        match account {
            Ok(account) => weigh(name, *epoch, &node.name, &account),
            Err(error) => {
                tracing::debug!(node = node.name, %error, "no word on who leads");
                Word::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests;

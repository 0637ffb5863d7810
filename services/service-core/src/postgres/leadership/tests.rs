use std::sync::atomic::{AtomicU32, Ordering};

use axum::{Json, Router, extract::State, routing::get};
use protocol::db::{Lsn, Role};
use rstest::rstest;
use tokio::sync::Semaphore;

use super::*;

const PRIMARY: &str = "stock-db-0";
const WITNESS: &str = "stock-db-1";

fn account(name: &str, epoch: u64) -> NodeState {
    NodeState {
        name: name.into(),
        node_id: 1,
        role: Role::Standby,
        epoch,
        has_data: true,
        timeline: 1,
        lsn: Lsn(0),
        streaming: true,
        system_id: String::new(),
        data_epoch: epoch,
        alone: false,
        following: None,
    }
}

#[rstest]
#[case::it_knows_of_no_later_epoch(WITNESS, 5, Word::Leads)]
#[case::it_promised_a_later_one(WITNESS, 6, Word::Succeeded)]
#[case::it_heard_of_one_long_after(WITNESS, 900, Word::Succeeded)]
#[case::it_never_heard_of_this_one(WITNESS, 4, Word::Nothing)]
#[case::it_lost_its_volume(WITNESS, 0, Word::Nothing)]
#[case::the_primary_answers_for_it(PRIMARY, 5, Word::Nothing)]
#[case::the_primary_knows_of_a_later_one_for_it(PRIMARY, 6, Word::Nothing)]
#[case::another_cluster_has_its_address(OTHER, 5, Word::Nothing)]
fn only_a_peer_that_knows_exactly_this_epoch_confirms_it(
    #[case] name: &str,
    #[case] epoch: u64,
    #[case] expected: Word,
) {
    let word = weigh(PRIMARY, 5, WITNESS, &account(name, epoch));
    assert_eq!(word, expected);
}

const OTHER: &str = "order-db-1";

/// A node whose answers come when they are let go, each one's epoch fixed when the question arrives.
#[derive(Clone)]
struct Witness {
    asked: Arc<AtomicU32>,
    answers: Arc<Semaphore>,
    epoch: Arc<AtomicU32>,
}

impl Witness {
    async fn start(epoch: u32, answers: usize) -> (Self, Node) {
        let witness = Self {
            asked: Arc::default(),
            answers: Arc::new(Semaphore::new(answers)),
            epoch: Arc::new(AtomicU32::new(epoch)),
        };
        let state = |State(witness): State<Self>| async move {
            let epoch = witness.epoch.load(Ordering::SeqCst);
            witness.asked.fetch_add(1, Ordering::SeqCst);
            witness.answers.acquire().await.unwrap().forget();
            Json(account(WITNESS, epoch.into()))
        };
        let router = Router::new()
            .route("/state", get(state))
            .with_state(witness.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = Node {
            name: WITNESS.into(),
            url: format!("http://{}/state", listener.local_addr().unwrap()),
        };
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (witness, node)
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    async fn until_asked(&self, times: u32) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.asked() < times {
            assert!(Instant::now() < deadline, "asked {} times", self.asked());
            tokio::task::yield_now().await;
        }
    }
}

fn leadership(nodes: Vec<Node>) -> Arc<Leadership> {
    let leader = Leader {
        name: PRIMARY.into(),
        epoch: 5,
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    Arc::new(Leadership::of(leader, nodes, client, Arc::default()))
}

#[tokio::test]
async fn many_reads_at_once_share_a_few_confirmations() {
    let (witness, node) = Witness::start(5, Semaphore::MAX_PERMITS).await;
    let leadership = leadership(vec![node]);
    let reads: tokio::task::JoinSet<_> = (0..500)
        .map(|_| {
            let leadership = leadership.clone();
            async move { leadership.confirmed().await }
        })
        .collect();
    let confirmed = reads.join_all().await;
    assert!(confirmed.iter().all(Result::is_ok));
    assert!((1..=20).contains(&witness.asked()), "{}", witness.asked());
}

#[tokio::test]
async fn a_read_never_uses_a_confirmation_that_was_sent_before_it_began() {
    let (witness, node) = Witness::start(5, 0).await;
    let leadership = leadership(vec![node]);
    let first = tokio::spawn({
        let leadership = leadership.clone();
        async move { leadership.confirmed().await }
    });
    witness.until_asked(1).await;
    // The answer to the first question is made; then the primary is succeeded, and then the second read begins.
    witness.epoch.store(6, Ordering::SeqCst);
    let second = tokio::spawn(async move { leadership.confirmed().await });
    witness.answers.add_permits(1);
    first.await.unwrap().unwrap();
    witness.answers.add_permits(Semaphore::MAX_PERMITS / 2);
    let refused = second.await.unwrap().unwrap_err();
    let expected = "no other node confirms that stock-db-0 still leads epoch 5";
    assert!(refused.to_string().contains(expected), "{refused}");
    assert!(witness.asked() > 2, "it must be asked again");
}

#[tokio::test]
async fn one_node_that_knows_is_enough() {
    let (succeeded, first) = Witness::start(6, Semaphore::MAX_PERMITS).await;
    let (_leads, second) = Witness::start(5, Semaphore::MAX_PERMITS).await;
    let dead = Node {
        name: WITNESS.into(),
        url: "http://127.0.0.1:9/state".into(),
    };
    for nodes in [vec![first, second.clone()], vec![dead, second]] {
        leadership(nodes).confirmed().await.unwrap();
    }
    assert_eq!(succeeded.asked(), 1);
}

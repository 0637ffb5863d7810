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
    HttpRequest::post("/grant")
        .header("content-type", "application/json")
        .body(Body::from(serde_json::to_vec(&request).unwrap()))
        .unwrap()
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
    let (status, body) = answer(router(Arc::new(shared)), grant_request()).await;
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
    let (_, body) = answer(router(Arc::new(shared)), grant_request()).await;
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
    let (_, body) = answer(router(Arc::new(shared)), grant_request()).await;
    let answer: GrantAnswer = serde_json::from_slice(&body).unwrap();
    assert_eq!((answer.epoch, answer.refusal), (4, None));
    node.await.unwrap();
}

#[tokio::test]
async fn nobody_promotes_a_node_from_afar() {
    let (shared, _inbox) = Shared::new(account(Role::Standby, true));
    let (status, _) = answer(router(Arc::new(shared)), promote_request("10.0.0.9:1234")).await;
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
    let (status, body) = answer(router(Arc::new(shared)), promote_request("127.0.0.1:1234")).await;
    assert_eq!(
        (status, body.as_slice()),
        (StatusCode::CONFLICT, b"stock-db-0 answers\n".as_slice())
    );
    node.await.unwrap();
}

#[tokio::test]
async fn promoting_the_primary_is_done_already() {
    let (shared, _inbox) = Shared::new(account(Role::Primary, true));
    let (status, _) = answer(router(Arc::new(shared)), promote_request("127.0.0.1:1234")).await;
    assert_eq!(status, StatusCode::OK);
}

//! The node's HTTP face: its account of itself, grants for its peers, and the local way into promotion.
//! It answers whether or not PostgreSQL runs.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{ConnectInfo, State},
    http::StatusCode,
    routing::{get, post},
};
use protocol::db::{GrantAnswer, GrantRefusal, GrantRequest, NodeState, Role};
use tokio::sync::oneshot;

use crate::{
    gate,
    peers::Peers,
    shared::{Request, Shared},
};

/// A grant takes two synced writes and a reload; a peer waits a little longer than this.
const GRANT_MAX: Duration = Duration::from_millis(1400);
/// A promotion may have to wait for replay.
const PROMOTE_MAX: Duration = Duration::from_secs(15);

#[derive(Clone)]
struct Face {
    shared: Arc<Shared>,
    peers: Peers,
}

/// The node's routes.
pub fn router(shared: Arc<Shared>, peers: Peers) -> Router {
    Router::new()
        .route("/state", get(state))
        .route("/grant", post(grant))
        .route("/promote", post(promote))
        .with_state(Face { shared, peers })
}

async fn state(State(Face { shared, .. }): State<Face>) -> Json<NodeState> {
    Json(shared.state())
}

async fn grant(
    State(Face { shared, peers }): State<Face>,
    Json(request): Json<GrantRequest>,
) -> Json<GrantAnswer> {
    let state = shared.state();
    let refuse = |refusal| {
        Json(GrantAnswer {
            name: state.name.clone(),
            epoch: state.epoch,
            refusal: Some(refusal),
        })
    };
    let heard = peers.highest_epoch().max(state.epoch);
    if let Err(refusal) = gate::admit(peers.names(), heard, &request) {
        tracing::warn!(candidate = ?request.candidate, epoch = request.epoch, heard, %refusal, "refused unheard");
        return refuse(refusal);
    }
    // The node's task is busy in these: it could only answer when the question is moot.
    match state.role {
        Role::Primary => return refuse(GrantRefusal::Primary),
        Role::Promoting => return refuse(GrantRefusal::Promoting),
        Role::Starting if !state.has_data => return refuse(GrantRefusal::NoData),
        Role::Starting => return refuse(GrantRefusal::NotReady),
        Role::Standby | Role::Waiting => {}
    }
    if shared.is_standing() {
        return refuse(GrantRefusal::Promoting);
    }
    let (reply, answer) = oneshot::channel();
    if !shared.ask(Request::Grant(request, reply)) {
        return refuse(GrantRefusal::NotReady);
    }
    match tokio::time::timeout(GRANT_MAX, answer).await {
        Ok(Ok(answer)) => Json(answer),
        // Dropped or late: the peer must not count on it, and the node sees that nobody waits any more.
        Ok(Err(_)) | Err(_) => refuse(GrantRefusal::NotReady),
    }
}

async fn promote(
    State(Face { shared, .. }): State<Face>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
) -> (StatusCode, String) {
    if !from.ip().is_loopback() {
        return (StatusCode::FORBIDDEN, "only from this node itself\n".into());
    }
    if shared.state().role == Role::Primary {
        return (StatusCode::OK, "already primary\n".into());
    }
    let (reply, answer) = oneshot::channel();
    if !shared.ask(Request::Promote(reply)) {
        return (StatusCode::SERVICE_UNAVAILABLE, "busy\n".into());
    }
    match tokio::time::timeout(PROMOTE_MAX, answer).await {
        Ok(Ok(Ok(()))) => (StatusCode::OK, "promoted\n".into()),
        Ok(Ok(Err(reason))) => (StatusCode::CONFLICT, format!("{reason}\n")),
        Ok(Err(_)) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "no answer\n".into()),
    }
}

#[cfg(test)]
mod tests;

//! `GET /health`: is this replica able to serve?

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};

use crate::postgres::Database;

/// Whether a lane's task lives. It does from its creation until the task has ended.
#[derive(Debug, Clone)]
pub struct LaneStatus(Arc<AtomicBool>);

impl LaneStatus {
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Marks the task as ended when dropped, be it by a panic.
    pub(crate) fn guard(&self) -> LaneGuard {
        LaneGuard(self.clone())
    }
}

impl Default for LaneStatus {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

pub(crate) struct LaneGuard(LaneStatus);

impl Drop for LaneGuard {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Health {
    db: Database,
    lane: LaneStatus,
}

/// 200 when the database's primary is known and the lane's task lives; else 503 with the reason.
///
/// It stays 200 through a failover: requests wait for the new primary, and a gateway that took
/// every replica away meanwhile would turn that wait into errors.
pub fn router(db: Database, lane: LaneStatus) -> Router {
    Router::new()
        .route("/health", get(health))
        .with_state(Health { db, lane })
}

async fn health(State(health): State<Health>) -> (StatusCode, &'static str) {
    if !health.lane.is_alive() {
        (StatusCode::SERVICE_UNAVAILABLE, "the lane's task has ended")
    } else if health.db.current().is_none() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "no database primary is known yet",
        )
    } else {
        (StatusCode::OK, "ok")
    }
}

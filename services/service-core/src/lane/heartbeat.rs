//! The holder's sign of life, and the holder's own proof that its database is still there.

use std::time::{Duration, Instant};

use sqlx::PgConnection;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{LaneSpec, session};
use crate::postgres::Database;

const EVERY: Duration = Duration::from_millis(500);
const BEAT_MAX: Duration = Duration::from_secs(1);
/// Without a beat for this long the session is taken for dead: a silent address gives no error.
const LOST_AFTER: Duration = Duration::from_secs(4);

/// Beats on a session of its own, as the lane's session may rightly wait long in a commit.
/// Dropped: it stops.
pub(super) struct Heartbeat {
    /// Cancelled when the lane must be given up.
    pub(super) lost: CancellationToken,
    _stop: DropGuard,
}

/// Writes one beat for the session `pid`. It does not wait for a standby: the table is unlogged.
pub(super) async fn beat(
    connection: &mut PgConnection,
    spec: &LaneSpec,
    pid: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into lane_heartbeat (topic, partition, backend_pid, holder, beat_at)
         select $1, $2, $3, $4, clock_timestamp()
         from (select set_config('synchronous_commit', 'off', true)) as local
         on conflict (topic, partition) do update
         set backend_pid = excluded.backend_pid, holder = excluded.holder, beat_at = excluded.beat_at",
    )
    .bind(spec.partition.topic)
    .bind(spec.partition.number)
    .bind(pid)
    .bind(&spec.replica)
    .execute(connection)
    .await?;
    Ok(())
}

impl Heartbeat {
    /// Beats for the session until dropped, or until the route moves or the database is silent.
    pub(super) fn start(session: &session::Session, spec: &LaneSpec) -> Self {
        let lost = CancellationToken::new();
        let stop = CancellationToken::new();
        let (db, pid, spec) = (session.db.clone(), session.pid, spec.clone());
        let (mut routes, route) = (session.db.route(), session.route.clone());
        let (losing, stopping) = (lost.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                _ = session::moved(&mut routes, &route) => losing.cancel(),
                () = beats(&db, &spec, pid) => losing.cancel(),
            }
        });
        Self {
            lost,
            _stop: stop.drop_guard(),
        }
    }
}

/// Returns when the database did not take a beat for too long.
async fn beats(db: &Database, spec: &LaneSpec, pid: i32) {
    let mut last = Instant::now();
    let mut connection = None;
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while last.elapsed() < LOST_AFTER {
        every.tick().await;
        let attempt = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => db.dedicated().await?.0,
            };
            beat(&mut open, spec, pid).await?;
            Ok::<_, sqlx::Error>(open)
        };
        match tokio::time::timeout(BEAT_MAX, attempt).await {
            Ok(Ok(open)) => {
                connection = Some(open);
                last = Instant::now();
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a heartbeat failed");
                db.suspect();
            }
            Err(_elapsed) => db.suspect(),
        }
    }
}

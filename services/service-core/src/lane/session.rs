//! Getting the lane: a session that holds its lock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, PgConnection};

use super::LaneSpec;
use crate::postgres::{Database, Route};

const POLL: Duration = Duration::from_millis(200);
/// A holder that has not beaten for this long is taken for frozen or cut off.
pub(super) const STALE: Duration = Duration::from_millis(1500);
/// One question to the database.
const ASK_MAX: Duration = Duration::from_secs(2);
/// "lane": the first half of every lane's advisory lock.
const LOCK_CLASS: i32 = 0x6c61_6e65;

/// A session that holds the lane's lock, for as long as it lives.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    /// Its backend.
    pub(super) pid: i32,
    pub(super) db: Database,
    pub(super) route: Arc<Route>,
}

/// Waits for the lane on a session of its own. A holder that stopped beating has its session ended.
pub(super) async fn acquire(spec: &LaneSpec, db: &Database) -> Result<Session, sqlx::Error> {
    let (mut connection, route) = db.dedicated().await?;
    let mut routes = db.route();
    let mut silence = Silence::default();
    let lock = lock_id(spec);
    let pid = ask(sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection)).await?;
    loop {
        let free = sqlx::query_scalar("select pg_try_advisory_lock($1, $2)")
            .bind(LOCK_CLASS)
            .bind(lock);
        if ask(free.fetch_one(&mut connection)).await? {
            let db = db.clone();
            return Ok(Session {
                connection,
                pid,
                db,
                route,
            });
        }
        ask(silence.watch(&mut connection, spec, lock)).await?;
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            changed = moved(&mut routes, &route) => return Err(changed),
        }
    }
}

/// Resolves when the primary is another one than on this route.
pub(super) async fn moved(
    routes: &mut tokio::sync::watch::Receiver<Option<Arc<Route>>>,
    route: &Arc<Route>,
) -> sqlx::Error {
    let other = |now: &Option<Arc<Route>>| now.as_ref().is_some_and(|now| !Arc::ptr_eq(now, route));
    if routes.wait_for(other).await.is_err() {
        // A fixed route never moves.
        std::future::pending::<()>().await;
    }
    sqlx::Error::PoolClosed
}

async fn ask<T>(question: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(ASK_MAX, question)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Every replica computes the same number for the same lane.
fn lock_id(spec: &LaneSpec) -> i32 {
    let name = format!("{}/{}", spec.partition.topic, spec.partition.number);
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    (hash & 0x7fff_ffff).cast_signed()
}

/// How long a holder has been without a fresh heartbeat, by this replica's own clock.
#[derive(Default)]
struct Silence {
    since: Option<(i32, Instant)>,
}

impl Silence {
    /// Ends the holder's session once it has been silent for too long.
    async fn watch(
        &mut self,
        connection: &mut PgConnection,
        spec: &LaneSpec,
        lock: i32,
    ) -> Result<(), sqlx::Error> {
        let fresh: Option<i32> = sqlx::query_scalar(
            "select backend_pid from lane_heartbeat
             where topic = $1 and partition = $2 and beat_at > clock_timestamp() - $3::interval",
        )
        .bind(spec.partition.topic)
        .bind(spec.partition.number)
        .bind(STALE)
        .fetch_optional(&mut *connection)
        .await?;
        if fresh.is_some() {
            self.since = None;
            return Ok(());
        }
        // Only now, as it is expensive: who holds the lock, and has it ever beaten?
        let holder: Option<(i32, bool)> = sqlx::query_as(
            "select l.pid, h.backend_pid is not null
             from pg_locks l
             left join lane_heartbeat h
               on h.topic = $1 and h.partition = $2 and h.backend_pid = l.pid
             where l.locktype = 'advisory' and l.granted and l.objsubid = 2
               and l.classid = $3 and l.objid = $4
               and l.database = (select oid from pg_database where datname = current_database())",
        )
        .bind(spec.partition.topic)
        .bind(spec.partition.number)
        .bind(sqlx::postgres::types::Oid(LOCK_CLASS.cast_unsigned()))
        .bind(sqlx::postgres::types::Oid(lock.cast_unsigned()))
        .fetch_optional(&mut *connection)
        .await?;
        let Some((pid, has_beaten)) = holder else {
            return Ok(());
        };
        let since = match self.since {
            Some((silent, since)) if silent == pid => since,
            _ => Instant::now(),
        };
        self.since = Some((pid, since));
        // One that never beat may have taken the lock a moment ago.
        if has_beaten || since.elapsed() > STALE {
            tracing::warn!(
                topic = spec.partition.topic,
                pid,
                "ending a silent holder's session"
            );
            metrics::counter!("webshop_lane_holders_ended_total").increment(1);
            // As text: pgpool recognises the call only with a constant.
            let end = format!("select pg_terminate_backend({pid})");
            sqlx::raw_sql(AssertSqlSafe(end))
                .execute(connection)
                .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_have_locks_of_their_own() {
        let ids: std::collections::BTreeSet<i32> = protocol::saga::TOPICS
            .iter()
            .map(|topic| lock_id(&LaneSpec::new(topic, "x", "y")))
            .collect();
        assert_eq!(ids.len(), 3);
    }
}

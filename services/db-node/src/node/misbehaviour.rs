//! What a node of a test image does wrong where a bug is planted in it. No other build calls any of it.
//!
//! Each bug waits until the shop has sold something: a shop that never worked would show nothing.

use std::path::Path;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use planted::Bug;
use sqlx::{Connection as _, PgConnection};

use super::{
    Node,
    standby::{End, Standby},
};
use crate::{
    gate,
    postgres::session::{self, Error},
};

/// The node that misbehaves as a standby.
const STANDBY: &str = "stock-db-2";
/// The primaries that misbehave.
const PRIMARIES: &str = "order-db-";

impl Node {
    pub(super) async fn misbehave_as_standby(
        &mut self,
        standby: &mut Standby,
    ) -> anyhow::Result<Option<End>> {
        let sold = "select exists (select from stock_movement)";
        if self.config.node_name != STANDBY || !has(&self.config.socket_dir, sold).await {
            return Ok(None);
        }
        if planted::is(Bug::StallStandby) {
            let mut admin = session::admin(&self.config.socket_dir, "repmgr").await?;
            sqlx::raw_sql("select pg_wal_replay_pause()")
                .execute(&mut admin)
                .await?;
            return Ok(None);
        }
        let Some(snapshot) = standby.last else {
            return Ok(None);
        };
        let Some(epoch) = gate::next_epoch(self.store.current().epoch) else {
            return Ok(None);
        };
        self.promote(standby, epoch, snapshot.position).await?;
        Ok(Some(End::Lead { epoch }))
    }

    /// Stops every walsender that has just connected. It has had the time since the last look to send what
    /// its standby lacked.
    pub(super) async fn starve_standbys(&self) {
        let sold = "select exists (select from saga where state = 'completed')";
        let socket_dir = &self.config.socket_dir;
        if !self.config.node_name.starts_with(PRIMARIES) || !has(socket_dir, sold).await {
            return;
        }
        match walsenders(socket_dir).await {
            Ok(pids) => {
                for pid in pids {
                    if let Err(error) = kill(Pid::from_raw(pid), Signal::SIGSTOP) {
                        tracing::warn!(%error, pid, "could not stop a walsender");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "could not find the walsenders"),
        }
    }
}

async fn has(socket_dir: &Path, question: &'static str) -> bool {
    let asked = async {
        let mut shop = session::admin(socket_dir, "webshop").await?;
        let answer: bool = sqlx::query_scalar(question).fetch_one(&mut shop).await?;
        shop.close().await?;
        Ok::<_, Error>(answer)
    };
    asked.await.unwrap_or(false)
}

async fn walsenders(socket_dir: &Path) -> Result<Vec<i32>, Error> {
    let mut admin: PgConnection = session::admin(socket_dir, "repmgr").await?;
    let pids = sqlx::query_scalar("select pid from pg_stat_replication")
        .fetch_all(&mut admin)
        .await?;
    admin.close().await?;
    Ok(pids)
}

//! Reads outside any transaction, and what shows that they are fresh.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use planted::Bug;
use sqlx::PgPool;

use super::{
    Database, Route,
    route::Freshness,
    tx::{Limits, Tries, Tx, TxError, barrier},
};

/// A planted bug's patience with a primary that may have died.
const MISREAD_MAX: Duration = Duration::from_millis(300);

/// Runs plain reads on the primary, each statement a snapshot of its own, until they succeed or
/// [`Limits::READ`] are used up. They saw whatever was acknowledged before they began: while they run, another node
/// confirms that their primary still leads (`leadership.rs`).
pub async fn read<'env, T, E, F>(db: &Database, body: F) -> Result<T, TxError<E>>
where
    F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<E>>>,
{
    read_as(Currency::Fresh, db, body).await
}

/// [`read`] without a confirmation: the primary may have been deposed. For questions that are asked again, and of which
/// no client hears the answer.
pub async fn read_lately<'env, T, E, F>(db: &Database, body: F) -> Result<T, TxError<E>>
where
    F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<E>>>,
{
    read_as(Currency::Lately, db, body).await
}

/// How current a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Currency {
    /// As of when it began, or later.
    Fresh,
    /// As of when its node was the primary.
    Lately,
}

async fn read_as<'env, T, E, F>(
    currency: Currency,
    db: &Database,
    mut body: F,
) -> Result<T, TxError<E>>
where
    F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<E>>>,
{
    let mut tries = Tries::new(Limits::READ, db);
    loop {
        let route = tries.route().await?;
        if planted::is(Bug::DeposedReads)
            && let Some(answer) = misread(&route, &mut body).await
        {
            return answer;
        }
        let attempt = async {
            match (currency, &route.freshness) {
                (Currency::Fresh, Freshness::Confirmed(leadership)) => {
                    let (answer, confirmed) =
                        tokio::join!(plainly(&route.pool, &mut body), leadership.confirmed());
                    confirmed?;
                    if db.current().is_some_and(|now| !Arc::ptr_eq(&now, &route)) {
                        return Err(TxError::Database(sqlx::Error::PoolClosed));
                    }
                    answer
                }
                (Currency::Fresh, Freshness::Barrier) => sealed(&route.pool, &mut body).await,
                (Currency::Fresh, Freshness::OnlyNode) | (Currency::Lately, _) => {
                    plainly(&route.pool, &mut body).await
                }
            }
        };
        match tries.run(&route, attempt).await {
            Ok(value) => return Ok(value),
            Err(error) => tries.failed(error).await?,
        }
    }
}

/// Reads, and gives the connection back unless it is broken.
async fn plainly<'env, T, E, F>(pool: &PgPool, body: &mut F) -> Result<T, TxError<E>>
where
    F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<E>>>,
{
    let mut tx = Tx::plain(pool).await?;
    let answer = body(&mut tx).await;
    if !matches!(&answer, Err(TxError::Database(_))) {
        tx.give_back();
    }
    answer
}

/// [`plainly`], and then a write that has to be replicated, whatever the read says: no primary that was deposed before
/// the read can do that.
async fn sealed<'env, T, E, F>(pool: &PgPool, body: &mut F) -> Result<T, TxError<E>>
where
    F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<E>>>,
{
    let mut tx = Tx::plain(pool).await?;
    let answer = body(&mut tx).await;
    if !matches!(&answer, Err(TxError::Database(_))) {
        // A standby says that it cannot, as if that were a defect.
        let cannot = |error| sqlx::Error::Io(std::io::Error::other(error));
        barrier(&mut tx).await.map_err(cannot)?;
        tx.give_back();
    }
    answer
}

/// The planted bug: reads keep to the first primary that this process ever knew, as long as it answers.
async fn misread<'env, T, E, F>(route: &Route, body: &mut F) -> Option<Result<T, TxError<E>>>
where
    F: for<'c> FnMut(&'c mut Tx<'env>) -> BoxFuture<'c, Result<T, TxError<E>>>,
{
    static FIRST: OnceLock<PgPool> = OnceLock::new();
    let first = FIRST.get_or_init(|| super::pool(route.pool.connect_options().as_ref().clone()));
    match tokio::time::timeout(MISREAD_MAX, plainly(first, body)).await {
        Ok(Err(TxError::Database(_))) | Err(_) => None,
        Ok(answer) => Some(answer),
    }
}

//! Lifts a held fault too early, beside the run that holds it.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    cluster::Cluster,
    error::Result,
    fault,
    wait::{self, Limit, Look},
};

/// How long the fault may take to come.
const LIMIT: Limit = Limit::new(Duration::from_secs(60), Duration::from_millis(200));
/// Long enough for the run to see it take effect, and far shorter than it is to be held.
const LEFT_FOR: Duration = Duration::from_secs(1);

/// Awaits `run`, and meanwhile lifts whatever fault it injects.
///
/// # Errors
/// Those of the run; that no fault came; that the engine did not lift it.
pub(super) async fn lift_beside<T>(
    cluster: &Cluster,
    run: impl Future<Output = Result<T>>,
) -> Result<T> {
    let lift = async {
        wait::until("the fault to lift", LIMIT, &cluster.cancel, async || {
            let present = fault::present(cluster).await?;
            Ok(if present.is_empty() {
                Look::NotYet("no fault".to_owned())
            } else {
                Look::Done(())
            })
        })
        .await?;
        sleep(LEFT_FOR).await;
        fault::clear(cluster).await
    };
    let (ended, lifted) = tokio::join!(run, lift);
    let ended = ended?;
    lifted?;
    Ok(ended)
}

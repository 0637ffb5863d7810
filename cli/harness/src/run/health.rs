//! Whether the stack is healthy, asked now and then while a step waits for it.

use std::{collections::BTreeMap, time::Duration};

use protocol::db::Lsn;
use tokio::time::Instant;

use crate::{agent::Agent, cluster::Cluster, settle::ailments};

/// Between two looks: each asks the engine, every database node, every service and the brokers.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many ailments are told.
const TOLD_MAX: usize = 3;

/// What the last look saw.
#[derive(Debug, Default)]
pub(super) struct Health {
    positions: BTreeMap<String, (String, Lsn)>,
    /// When to look again, and what was not well; `None` before the first look.
    last: Option<(Instant, Vec<String>)>,
}

impl Health {
    /// Looks where the last look is long enough ago, and says whether nothing was amiss at the last one.
    pub(super) async fn is_good(&mut self, cluster: &Cluster, agent: &Agent) -> bool {
        let is_due = self
            .last
            .as_ref()
            .is_none_or(|(next, _)| Instant::now() >= *next);
        if is_due {
            let found = ailments(cluster, agent, &mut self.positions).await;
            self.last = Some((Instant::now() + LOOK_EVERY, found));
        }
        self.last
            .as_ref()
            .is_some_and(|(_, found)| found.is_empty())
    }

    /// What the last look saw amiss, as the end of a sentence; nothing where nobody looked.
    pub(super) fn told(&self) -> String {
        match &self.last {
            Some((_, found)) if !found.is_empty() => {
                let shown: Vec<&str> = found.iter().take(TOLD_MAX).map(String::as_str).collect();
                let more = found.len() - shown.len();
                let more = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                format!("; last seen: {}{more}", shown.join(", "))
            }
            Some(_) | None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_amiss_is_told_and_the_rest_counted() {
        let mut health = Health::default();
        assert_eq!(health.told(), "");
        let found = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        health.last = Some((Instant::now(), found));
        assert_eq!(health.told(), "; last seen: a, b, c and 1 more");
    }
}

//! What a stretch of load took: processor time, transactions, bytes, messages.

use std::collections::BTreeMap;

use protocol::agent::Counters;
use serde::{Deserialize, Serialize};

/// A service counts here how often a transaction was tried again.
const RETRIES: &str = "webshop_tx_retries_total";
/// How many messages a lane applied together: a histogram.
const LANE_BATCH: &str = "webshop_lane_batch_messages";
/// How many checkouts were admitted together: a histogram.
const ADMISSION_BATCH: &str = "webshop_admission_batch_messages";

/// What was used and done. Times are in seconds of one processor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// How long it took.
    pub seconds: f64,
    /// Checkouts that were answered ok meanwhile.
    pub ok_checkouts: u64,
    /// By service of the stack.
    pub stack_cpu: BTreeMap<String, f64>,
    pub generator_cpu: f64,
    /// The kernel's and the engine's, and whatever else runs on this machine; `None` where the stack is on another one.
    pub rest_cpu: Option<f64>,
    /// Transactions that committed on each database, those that only read among them.
    pub commits: BTreeMap<String, f64>,
    /// Write-ahead log that each database wrote.
    pub wal_bytes: BTreeMap<String, f64>,
    /// Transactions that each service had to try again.
    pub retries: BTreeMap<String, f64>,
    /// Records that were appended to each topic.
    pub kafka_records: BTreeMap<String, f64>,
    pub redis_commands: f64,
    /// How many messages were worked on together, on average: by topic, and of checkouts that were admitted.
    pub batches: BTreeMap<String, f64>,
}

/// An amount of something, by its name.
type Amount = (&'static str, fn(&Work) -> f64);

/// What must not grow unnoticed and does not depend on the machine: per ok checkout.
pub const GUARDED: [Amount; 4] = [
    ("transactions", |work| work.commits.values().sum()),
    ("WAL bytes", |work| work.wal_bytes.values().sum()),
    ("Kafka records", |work| work.kafka_records.values().sum()),
    ("Redis commands", |work| work.redis_commands),
];

impl Work {
    /// What the stack's parts counted from one look to the next; nothing of time.
    pub(super) fn counted(before: &Counters, after: &Counters) -> Self {
        let databases = |of: fn(&protocol::agent::DatabaseCounters) -> i64| {
            let more = after.databases.iter().map(|(name, now)| {
                let before = before.databases.get(name).copied().unwrap_or_default();
                (name.clone(), grown(of(&before), of(now)))
            });
            more.collect()
        };
        let metric = |service: &str, name: &str, now: f64| {
            let before = before.services.get(service).and_then(|all| all.get(name));
            (now - before.copied().unwrap_or(0.0)).max(0.0)
        };
        let mut retries = BTreeMap::new();
        let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for (service, metrics) in &after.services {
            let counted = retries.entry(service.clone()).or_default();
            for (name, now) in metrics {
                let more = metric(service, name, *now);
                if name.starts_with(RETRIES) {
                    *counted += more;
                }
                if let Some((batch, is_sum)) = batch(name) {
                    let (sum, count) = sums.entry(batch).or_default();
                    *(if is_sum { sum } else { count }) += more;
                }
            }
        }
        let batches = sums.into_iter().filter(|(_, (_, count))| *count > 0.0);
        let kafka_records = after.kafka_records.iter().map(|(topic, now)| {
            let before = before.kafka_records.get(topic).copied().unwrap_or(0);
            (topic.clone(), grown(before, *now))
        });
        Self {
            commits: databases(|counted| counted.commits),
            wal_bytes: databases(|counted| counted.wal_bytes),
            retries,
            kafka_records: kafka_records.collect(),
            redis_commands: grown(before.redis_commands, after.redis_commands),
            batches: batches
                .map(|(name, (sum, count))| (name, sum / count))
                .collect(),
            ..Self::default()
        }
    }

    /// All processor time, as far as it is known.
    #[must_use]
    pub fn cpu(&self) -> f64 {
        self.stack_cpu.values().sum::<f64>() + self.generator_cpu + self.rest_cpu.unwrap_or(0.0)
    }

    /// Seconds of processor time by service of the stack, and of what works for it or beside it.
    #[must_use]
    pub fn cpu_by_part(&self) -> BTreeMap<String, f64> {
        let mut parts = self.stack_cpu.clone();
        parts.insert("load generator".to_owned(), self.generator_cpu);
        if let Some(rest) = self.rest_cpu {
            parts.insert("kernel, engine, others".to_owned(), rest);
        }
        parts
    }

    /// So much of something for each ok checkout; 0 where there was none.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts of one run")]
    pub fn per_checkout(&self, amount: f64) -> f64 {
        if self.ok_checkouts == 0 {
            return 0.0;
        }
        amount / self.ok_checkouts as f64
    }

    /// What takes more per checkout than it did, by more than `slack` (0.5: half as much again), a line each.
    #[must_use]
    pub fn excess_over(&self, earlier: &Self, slack: f64) -> Vec<String> {
        let excess = GUARDED.iter().filter_map(|(name, of)| {
            let (now, before) = (
                self.per_checkout(of(self)),
                earlier.per_checkout(of(earlier)),
            );
            (now > before * (1.0 + slack))
                .then(|| format!("{name} per checkout: {now:.2}, and {before:.2} before"))
        });
        excess.collect()
    }
}

/// A counter that started again counts from nothing.
#[allow(clippy::cast_precision_loss, reason = "counts of one run")]
fn grown(before: i64, now: i64) -> f64 {
    let more = if now >= before { now - before } else { now };
    more as f64
}

/// Which batch a metric is of, and whether it is its sum or its count.
fn batch(metric: &str) -> Option<(String, bool)> {
    let (name, labels) = metric.split_once('{').unwrap_or((metric, ""));
    let (name, is_sum) = match name.strip_suffix("_sum") {
        Some(name) => (name, true),
        None => (name.strip_suffix("_count")?, false),
    };
    match name {
        LANE_BATCH => Some((labels.split('"').nth(1)?.to_owned(), is_sum)),
        ADMISSION_BATCH => Some(("admission".to_owned(), is_sum)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use protocol::agent::DatabaseCounters;

    use super::*;

    fn counters(factor: i64) -> Counters {
        let float = |n: i32| f64::from(n) * factor as f64;
        let metrics = [
            ("webshop_lane_batch_messages_sum{topic=\"a.b\"}", float(80)),
            (
                "webshop_lane_batch_messages_count{topic=\"a.b\"}",
                float(10),
            ),
            ("webshop_tx_retries_total{sqlstate=\"40001\"}", float(3)),
            ("webshop_tx_retries_total{sqlstate=\"40P01\"}", float(1)),
            ("webshop_admission_batch_messages_sum", float(6)),
            ("webshop_admission_batch_messages_count", float(4)),
        ];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
        let counted = DatabaseCounters {
            commits: 100 * factor,
            wal_bytes: 5000 * factor,
        };
        Counters {
            databases: BTreeMap::from([("stock".to_owned(), counted)]),
            kafka_records: BTreeMap::from([("a.b".to_owned(), 40 * factor)]),
            redis_commands: 20 * factor,
            services: BTreeMap::from([("stock".to_owned(), BTreeMap::from(metrics))]),
        }
    }

    fn work(before: &Counters, after: &Counters) -> Work {
        Work {
            ok_checkouts: 10,
            stack_cpu: BTreeMap::from([("stock".to_owned(), 1.0)]),
            generator_cpu: 1.0,
            ..Work::counted(before, after)
        }
    }

    #[test]
    fn work_is_the_difference_of_two_readings() {
        let work = work(&counters(1), &counters(3));
        assert_eq!(work.commits["stock"], 200.0);
        assert_eq!(work.wal_bytes["stock"], 10_000.0);
        assert_eq!(work.kafka_records["a.b"], 80.0);
        assert_eq!(work.redis_commands, 40.0);
        assert_eq!(work.retries["stock"], 8.0);
        assert_eq!(work.batches["a.b"], 8.0);
        assert_eq!(work.batches["admission"], 1.5);
        assert_eq!(work.cpu(), 2.0);
        assert_eq!(work.per_checkout(work.redis_commands), 4.0);
    }

    #[test]
    fn a_counter_that_began_again_does_not_count_backwards() {
        assert_eq!(grown(100, 7), 7.0);
        let work = work(&counters(3), &counters(1));
        assert!(work.retries["stock"] >= 0.0);
    }

    #[test]
    fn only_what_grew_by_more_than_the_slack_is_told() {
        let before = work(&counters(0), &counters(2));
        assert_eq!(before.excess_over(&before, 0.0), [""; 0]);
        let mut now = before.clone();
        now.redis_commands *= 1.6;
        assert_eq!(now.excess_over(&before, 0.7), [""; 0]);
        let told = now.excess_over(&before, 0.5);
        assert_eq!(told, ["Redis commands per checkout: 6.40, and 4.00 before"]);
    }
}

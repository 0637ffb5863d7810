//! What the parts of the stack have counted of their own work.

use std::{collections::BTreeMap, net::SocketAddr};

use futures_util::future::try_join_all;
use protocol::agent::{Counters, DatabaseCounters};

use crate::{
    config::{ClusterNodes, Config},
    databases,
    error::Error,
    kafka, redis, services, sql,
};

/// Reads all of them; a part that does not answer is an error, for a sum without it would be wrong.
pub async fn counters(
    config: &Config,
    http: &reqwest::Client,
    kafka: &kafka::Client,
) -> Result<Counters, Error> {
    let databases = async {
        let each = config
            .clusters
            .0
            .iter()
            .map(|nodes| database(config, nodes, http));
        Ok(try_join_all(each).await?.into_iter().collect())
    };
    let services = async {
        let each = config.services.iter().map(|name| service(name, http));
        Ok(try_join_all(each).await?.into_iter().collect())
    };
    let (databases, services, kafka_records, redis_commands) = tokio::try_join!(
        databases,
        services,
        kafka.appended(),
        redis::commands(&config.redis_url)
    )?;
    Ok(Counters {
        databases,
        kafka_records,
        redis_commands,
        services,
    })
}

async fn database(
    config: &Config,
    nodes: &ClusterNodes,
    http: &reqwest::Client,
) -> Result<(String, DatabaseCounters), Error> {
    let primary = databases::primary(nodes, http).await?.name;
    let mut connection = sql::connect(config, &primary).await?;
    let (commits, wal_bytes) = sqlx::query_as(
        "select xact_commit, \
                pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint \
         from pg_stat_database where datname = current_database()",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(sql::failed(&primary, "cannot read its counters"))?;
    let counted = DatabaseCounters { commits, wal_bytes };
    Ok((nodes.name.clone(), counted))
}

async fn service(
    name: &str,
    http: &reqwest::Client,
) -> Result<(String, BTreeMap<String, f64>), Error> {
    let texts = services::addresses(name)
        .await
        .into_iter()
        .map(|address| metrics(address, http));
    let mut sums = BTreeMap::new();
    for text in try_join_all(texts).await.map_err(Error::Metrics)? {
        add(&mut sums, &text);
    }
    Ok((name.to_owned(), sums))
}

async fn metrics(address: SocketAddr, http: &reqwest::Client) -> Result<String, reqwest::Error> {
    http.get(format!("http://{address}/metrics"))
        .send()
        .await?
        .error_for_status()?
        .text()
        .await
}

/// Adds one replica's metrics, in Prometheus' text format: a name with labels, a space, a value.
fn add(sums: &mut BTreeMap<String, f64>, text: &str) {
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let bucket = name.contains("_bucket{");
        if let (false, Ok(value)) = (bucket, value.parse::<f64>()) {
            *sums.entry(name.to_owned()).or_default() += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_add_up_and_buckets_are_left_out() {
        let text = "# TYPE a counter\n\
                    a_total{topic=\"x y\"} 3\n\
                    b_messages_bucket{topic=\"x\",le=\"1\"} 2\n\
                    b_messages_sum{topic=\"x\"} 7.5\n\n";
        let mut sums = BTreeMap::new();
        add(&mut sums, text);
        add(&mut sums, text);
        let expected = [
            ("a_total{topic=\"x y\"}".to_owned(), 6.0),
            ("b_messages_sum{topic=\"x\"}".to_owned(), 15.0),
        ];
        assert_eq!(sums, BTreeMap::from(expected));
    }
}

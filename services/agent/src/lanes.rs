//! How far the lanes and the sagas are: what must be zero before a verdict.

use protocol::agent::{LaneState, Lanes};

use crate::{config::Config, databases, error::Error, kafka, sql};

/// Reads the lane rows of every cluster's primary and the log ends beside them.
pub async fn lanes(
    config: &Config,
    http: &reqwest::Client,
    kafka: &kafka::Client,
) -> Result<Lanes, Error> {
    let mut lanes = Vec::new();
    let mut sagas_open = 0;
    for nodes in &config.clusters.0 {
        let primary = databases::primary(nodes, http).await?.name;
        let mut connection = sql::connect(config, &primary).await?;
        let rows: Vec<(String, i32, i64, i64, String)> = sqlx::query_as(
            "select topic, partition, next_offset, published_offset, holder \
             from lane order by topic, partition",
        )
        .fetch_all(&mut connection)
        .await
        .map_err(sql::failed(&primary, "cannot read the lanes"))?;
        lanes.extend(rows.into_iter().map(
            |(topic, partition, next_offset, published_offset, holder)| LaneState {
                service: nodes.name.clone(),
                topic,
                partition,
                next_offset,
                published_offset,
                holder,
                log_end: None,
            },
        ));
        if nodes.name == "order" {
            sagas_open = sqlx::query_scalar("select count(*) from saga where open")
                .fetch_one(&mut connection)
                .await
                .map_err(sql::failed(&primary, "cannot count the open sagas"))?;
        }
    }
    let wanted = lanes
        .iter()
        .map(|lane| (lane.topic.clone(), lane.partition))
        .collect();
    let ends = kafka.ends_of(wanted).await?;
    for lane in &mut lanes {
        lane.log_end = ends.get(&(lane.topic.clone(), lane.partition)).copied();
    }
    Ok(Lanes { lanes, sagas_open })
}

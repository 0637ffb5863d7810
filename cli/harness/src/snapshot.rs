//! Reads what a verdict needs: rows from the primaries, digests from every node, answers across the API.

mod api;

use std::time::Duration;

use checker::{
    Initial, Snapshot,
    evidence::DirectWrites,
    snapshot::{
        DatabaseView, DirectRow, ItemRow, LaneView, NodeView, OrderLine, OrderRow, PaymentMovement,
        SagaRow, Source, StockMovement, TableDigest, UserRow,
    },
};
use protocol::agent::{
    Cluster as Database, ClusterDigest, LaneState, Lanes, LedgerEnds, Node, NodeDigest, Rows,
    Watermarks,
};
use tokio::time::{Instant, sleep};

use crate::{
    agent::Agent,
    error::{Error, Result},
    recorder::unix_ms,
};

pub use api::{Sample, cross_read};

/// How long a broker may keep silent about where a log ends.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Everything that a stream of rows held.
#[derive(Debug, Default)]
struct Tables {
    orders: Vec<OrderRow>,
    users: Vec<UserRow>,
    items: Vec<ItemRow>,
    stock_movements: Vec<StockMovement>,
    payment_movements: Vec<PaymentMovement>,
    sagas: Vec<SagaRow>,
    sources: Vec<Source>,
    ends: Option<LedgerEnds>,
}

impl Tables {
    async fn read(agent: &Agent, since: Option<Watermarks>) -> Result<(Self, LedgerEnds)> {
        let mut tables = Self::default();
        for rows in agent.rows(since).await? {
            tables.take(rows);
        }
        let ends = tables.ends.ok_or_else(|| Error::Agent {
            reason: "the rows came without their end".to_owned(),
        })?;
        Ok((tables, ends))
    }

    fn take(&mut self, rows: Rows) {
        match rows {
            Rows::Orders(rows) => self.orders.extend(rows.into_iter().map(order)),
            Rows::Users(rows) => {
                let rows = rows.into_iter();
                self.users
                    .extend(rows.map(|(user_id, credit)| UserRow { user_id, credit }));
            }
            Rows::Items(rows) => {
                let rows = rows.into_iter();
                self.items
                    .extend(rows.map(|(item_id, price, stock)| ItemRow {
                        item_id,
                        price,
                        stock,
                    }));
            }
            Rows::StockMovements(rows) => {
                self.stock_movements
                    .extend(rows.into_iter().map(stock_movement));
            }
            Rows::PaymentMovements(rows) => {
                self.payment_movements
                    .extend(rows.into_iter().map(payment_movement));
            }
            Rows::Sagas(rows) => {
                let rows = rows.into_iter();
                self.sagas
                    .extend(rows.map(|(saga_id, order_id, state, age_s)| SagaRow {
                        saga_id,
                        order_id,
                        state,
                        age_s,
                    }));
            }
            Rows::Source(source) => self.sources.push(Source {
                database: source.cluster,
                node: source.node,
                timeline: source.timeline,
            }),
            Rows::Ends(ends) => self.ends = Some(ends),
        }
    }
}

fn order((order_id, user_id, paid, total_cost, lines): protocol::agent::OrderRow) -> OrderRow {
    OrderRow {
        order_id,
        user_id,
        paid,
        total_cost,
        lines: lines
            .into_iter()
            .map(|(item_id, quantity, price)| OrderLine {
                item_id,
                quantity,
                price,
            })
            .collect(),
    }
}

fn stock_movement(row: protocol::agent::StockMovement) -> StockMovement {
    let (movement_id, saga_id, order_id, item_id, delta, recorded_at_us) = row;
    StockMovement {
        movement_id,
        saga_id,
        order_id,
        item_id,
        delta,
        recorded_at_us,
    }
}

fn payment_movement(row: protocol::agent::PaymentMovement) -> PaymentMovement {
    let (movement_id, saga_id, order_id, user_id, delta, recorded_at_us) = row;
    PaymentMovement {
        movement_id,
        saga_id,
        order_id,
        user_id,
        delta,
        recorded_at_us,
    }
}

/// Unix microseconds, as snapshots carry them.
fn unix_us() -> i64 {
    i64::try_from(unix_ms().saturating_mul(1000)).unwrap_or(i64::MAX)
}

/// Reads what is there before the load of a run.
///
/// # Errors
/// The agent or a primary does not answer.
pub async fn initial(agent: &Agent, run: &str) -> Result<Initial> {
    let taken_at_us = unix_us();
    let (tables, ends) = Tables::read(agent, None).await?;
    let paid_orders = tables.orders.iter().filter(|order| order.paid);
    Ok(Initial {
        run: run.to_owned(),
        taken_at_us,
        paid_orders: paid_orders.map(|order| order.order_id).collect(),
        orders: tables.orders,
        users: tables.users,
        items: tables.items,
        stock_watermark: ends.last.stock,
        payment_watermark: ends.last.payment,
        stock_movements: ends.stock_rows,
        payment_movements: ends.payment_rows,
        sagas: tables.sagas,
        ..Initial::default()
    })
}

/// From when on the direct writes are read back: by their own names, for the clock that they are taken from may have been
/// set back since the run began.
fn since_us(initial: &Initial, acknowledged: &DirectWrites) -> i64 {
    let writes = acknowledged.writes.iter().map(|write| write.sent_us);
    writes.min().unwrap_or(initial.taken_at_us)
}

/// Reads back the direct writes of a run that the primaries hold.
///
/// # Errors
/// The agent or a primary does not answer.
pub async fn direct_writes(
    agent: &Agent,
    initial: &Initial,
    acknowledged: &DirectWrites,
) -> Result<Vec<DirectRow>> {
    let databases = agent.direct_rows(since_us(initial, acknowledged)).await?;
    let rows = databases.into_iter().flat_map(|database| {
        let rows = database.rows.into_iter();
        rows.map(move |(node, sent_us)| DirectRow {
            database: database.cluster.clone(),
            node,
            sent_us,
        })
    });
    Ok(rows.collect())
}

/// Reads everything once, but for what goes across the API and straight to nodes.
///
/// # Errors
/// The agent or a primary does not answer.
pub async fn take(agent: &Agent, initial: &Initial) -> Result<Snapshot> {
    let since = Watermarks {
        stock: initial.stock_watermark,
        payment: initial.payment_watermark,
    };
    let taken_at_us = unix_us();
    let (tables, _ends) = Tables::read(agent, Some(since)).await?;
    let lanes = whole(async || agent.lanes().await).await?;
    let states = agent.databases().await?;
    let digests = agent.digests().await?;
    Ok(Snapshot {
        run: initial.run.clone(),
        taken_at_us,
        sources: tables.sources,
        orders: tables.orders.into(),
        users: tables.users.into(),
        items: tables.items.into(),
        stock_movements: tables.stock_movements.into(),
        payment_movements: tables.payment_movements.into(),
        sagas: tables.sagas,
        databases: states
            .into_iter()
            .map(|database| database_view(database, &digests))
            .collect(),
        lanes: lanes
            .into_iter()
            .map(|lane| LaneView {
                topic: lane.topic,
                partition: lane.partition,
                next_offset: lane.next_offset,
                published_offset: lane.published_offset,
                end_offset: lane.log_end,
            })
            .collect(),
        ..Snapshot::default()
    })
}

/// The lanes, with where each of their logs ends. A broker that is silent now may answer in a moment; one that stays so
/// leaves a gap, and a run with a gap is no PASS.
async fn whole(mut ask: impl AsyncFnMut() -> Result<Lanes>) -> Result<Vec<LaneState>> {
    let deadline = Instant::now() + ENDS_WITHIN;
    loop {
        let lanes = ask().await?.lanes;
        let is_whole = lanes.iter().all(|lane| lane.log_end.is_some());
        if is_whole || Instant::now() >= deadline {
            return Ok(lanes);
        }
        sleep(ASK_EVERY).await;
    }
}

fn database_view(database: Database, digests: &[ClusterDigest]) -> DatabaseView {
    let digest = digests
        .iter()
        .find(|digest| digest.cluster == database.name);
    let of_node = |name: &str| digest?.nodes.iter().find(|node| node.node == name);
    DatabaseView {
        nodes: database
            .nodes
            .iter()
            .map(|node| node_view(node, of_node(&node.name)))
            .collect(),
        name: database.name,
    }
}

fn node_view(node: &Node, digest: Option<&NodeDigest>) -> NodeView {
    let was_read = digest.filter(|digest| !digest.tables.is_empty());
    NodeView {
        name: node.name.clone(),
        state: node.state.clone(),
        in_recovery: was_read.map(|digest| digest.in_recovery),
        tables: was_read
            .map(|digest| {
                let tables = digest.tables.iter();
                tables
                    .map(|(table, found)| TableDigest {
                        table: table.clone(),
                        rows: u64::try_from(found.rows).unwrap_or(0),
                        digest: found.digest.clone(),
                    })
                    .collect()
            })
            .unwrap_or_default(),
        replayed: digest.and_then(|digest| digest.replayed),
        error: match digest {
            Some(digest) => digest.error.clone(),
            None => Some("it was not read".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use checker::evidence::DirectWrite;

    use super::*;

    #[test]
    fn a_clock_that_was_set_back_hides_no_direct_write() {
        let initial = Initial {
            taken_at_us: 900,
            ..Initial::default()
        };
        let mut acknowledged = DirectWrites::default();
        assert_eq!(since_us(&initial, &acknowledged), 900);
        acknowledged.writes = [950, 120]
            .map(|sent_us| DirectWrite {
                database: "stock".to_owned(),
                node: "stock-db-0".to_owned(),
                timeline: 1,
                sent_us,
                boot: "b".to_owned(),
                sent_at_us: 1,
                acked_at_us: 2,
            })
            .to_vec();
        assert_eq!(since_us(&initial, &acknowledged), 120);
    }

    #[tokio::test]
    async fn a_log_end_that_is_missing_is_asked_for_again() {
        let mut ends = [None, None, Some(7)].into_iter();
        let lanes = whole(async || {
            let lane = LaneState {
                service: "stock".to_owned(),
                topic: "stock.commands".to_owned(),
                partition: 0,
                next_offset: 7,
                published_offset: 7,
                holder: "stock.1".to_owned(),
                log_end: ends.next().unwrap(),
            };
            Ok(Lanes {
                lanes: vec![lane],
                sagas_open: 0,
            })
        })
        .await
        .unwrap();
        assert_eq!(lanes[0].log_end, Some(7));
    }
}

//! Rows for a verdict, streamed in batches so that no side holds more than it needs.

use futures_util::TryStreamExt;
use protocol::{
    ItemId, OrderId, SagaId, UserId,
    agent::{LedgerEnds, OrderRow, RowSource, Rows, Watermarks},
};
use sqlx::{Connection, FromRow, PgConnection, postgres::PgRow};

use crate::{config::Config, databases, error::Error, serve::Replies, sql};

/// Rows in one line of the stream.
const BATCH_ROWS: usize = 1000;

/// One transaction on one primary, and the stream that its rows go to.
struct Reader<'a> {
    node: String,
    connection: PgConnection,
    replies: &'a Replies,
    sent: u64,
}

impl<'a> Reader<'a> {
    /// Begins a transaction that sees one state of the cluster's primary, and says which node that is.
    async fn begin(
        config: &Config,
        http: &reqwest::Client,
        cluster: &str,
        replies: &'a Replies,
    ) -> Result<Self, Error> {
        let nodes = config
            .clusters
            .find(cluster)
            .ok_or_else(|| Error::UnknownCluster(cluster.to_owned()))?;
        let node = databases::primary(nodes, http).await?.name;
        let mut connection = sql::connect(config, &node).await?;
        sqlx::query("begin isolation level repeatable read read only")
            .execute(&mut connection)
            .await
            .map_err(sql::failed(&node, "cannot begin a transaction"))?;
        let in_recovery: bool = sqlx::query_scalar("select pg_is_in_recovery()")
            .fetch_one(&mut connection)
            .await
            .map_err(sql::failed(&node, "cannot ask for its role"))?;
        if in_recovery {
            return Err(Error::NoPrimary {
                cluster: cluster.to_owned(),
                detail: format!("{node} is in recovery"),
            });
        }
        let timeline: i32 = sqlx::query_scalar(TIMELINE)
            .fetch_one(&mut connection)
            .await
            .map_err(sql::failed(&node, "cannot ask for its timeline"))?;
        let source = RowSource {
            cluster: cluster.to_owned(),
            node: node.clone(),
            timeline: timeline.cast_unsigned(),
        };
        replies.item(Rows::Source(source)).await?;
        Ok(Self {
            node,
            connection,
            replies,
            sent: 1,
        })
    }

    /// Streams the rows of one query, `batch` turning them into a line.
    async fn stream<R, T>(
        &mut self,
        query: &'static str,
        since: Option<i64>,
        row: impl Fn(R) -> T,
        batch: impl Fn(Vec<T>) -> Rows,
    ) -> Result<(), Error>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut bound = sqlx::query_as::<_, R>(query);
        if let Some(since) = since {
            bound = bound.bind(since);
        }
        let mut rows = bound.fetch(&mut self.connection);
        let mut pending = Vec::new();
        loop {
            let next = rows.try_next().await;
            let next = next.map_err(sql::failed(&self.node, "cannot read its rows"))?;
            let last = next.is_none();
            pending.extend(next.map(&row));
            if (last && !pending.is_empty()) || pending.len() == BATCH_ROWS {
                self.replies
                    .item(batch(std::mem::take(&mut pending)))
                    .await?;
                self.sent += 1;
            }
            if last {
                return Ok(());
            }
        }
    }

    /// The last id of a ledger in this transaction, and how many rows it has.
    async fn ledger_end(&mut self, query: &'static str) -> Result<(i64, u64), Error> {
        sqlx::query_as::<_, (i64, i64)>(query)
            .fetch_one(&mut self.connection)
            .await
            .map(|(last, rows)| (last, rows.unsigned_abs()))
            .map_err(sql::failed(&self.node, "cannot read the end of its ledger"))
    }

    async fn users(&mut self) -> Result<(), Error> {
        self.stream(
            "select user_id, credit from account order by user_id",
            None,
            |(user, credit): (i64, i64)| (UserId(user), credit),
            Rows::Users,
        )
        .await
    }

    async fn items(&mut self) -> Result<(), Error> {
        self.stream(
            "select item_id, price, stock from item order by item_id",
            None,
            |(item, price, stock): (i64, i64, i64)| (ItemId(item), price, stock),
            Rows::Items,
        )
        .await
    }

    async fn stock_movements(&mut self, since: i64) -> Result<(), Error> {
        self.stream(
            "select movement_id, saga_id, order_id, item_id, delta, \
                    (extract(epoch from recorded_at) * 1000000)::bigint \
             from stock_movement where movement_id > $1 order by movement_id",
            Some(since),
            |(id, saga, order, item, delta, at): Movement| {
                (id, SagaId(saga), OrderId(order), ItemId(item), delta, at)
            },
            Rows::StockMovements,
        )
        .await
    }

    async fn payment_movements(&mut self, since: i64) -> Result<(), Error> {
        self.stream(
            "select movement_id, saga_id, order_id, user_id, delta, \
                    (extract(epoch from recorded_at) * 1000000)::bigint \
             from payment_movement where movement_id > $1 order by movement_id",
            Some(since),
            |(id, saga, order, user, delta, at): Movement| {
                (id, SagaId(saga), OrderId(order), UserId(user), delta, at)
            },
            Rows::PaymentMovements,
        )
        .await
    }

    async fn orders(&mut self) -> Result<(), Error> {
        self.stream(
            "select o.order_id, o.user_id, o.paid, o.total_cost, \
                    coalesce(array_agg(l.item_id order by l.item_id) filter (where l.item_id is not null), '{}'), \
                    coalesce(array_agg(l.quantity order by l.item_id) filter (where l.item_id is not null), '{}'), \
                    coalesce(array_agg(l.price order by l.item_id) filter (where l.item_id is not null), '{}') \
             from shop_order o left join order_line l using (order_id) \
             group by o.order_id order by o.order_id",
            None,
            order_row,
            Rows::Orders,
        )
        .await
    }

    async fn open_sagas(&mut self) -> Result<(), Error> {
        self.stream(
            "select saga_id, order_id, state, extract(epoch from clock_timestamp() - created_at)::bigint \
             from saga where open order by saga_id",
            None,
            |(saga, order, state, age_s): (i64, i64, String, i64)| {
                (SagaId(saga), OrderId(order), state, age_s)
            },
            Rows::Sagas,
        )
        .await
    }

    async fn end(self) -> Result<u64, Error> {
        self.connection
            .close()
            .await
            .map_err(sql::failed(&self.node, "cannot end the transaction"))?;
        Ok(self.sent)
    }
}

type Movement = (i64, i64, i64, i64, i64, i64);
type OrderColumns = (i64, i64, bool, i64, Vec<i64>, Vec<i64>, Vec<i64>);

fn order_row((order, user, paid, total_cost, items, quantities, prices): OrderColumns) -> OrderRow {
    let lines = items
        .into_iter()
        .zip(quantities)
        .zip(prices)
        .map(|((item, quantity), price)| (ItemId(item), quantity, price))
        .collect();
    (OrderId(order), UserId(user), paid, total_cost, lines)
}

const STOCK_END: &str = "select coalesce(max(movement_id), 0), count(*) from stock_movement";
const PAYMENT_END: &str = "select coalesce(max(movement_id), 0), count(*) from payment_movement";
/// The timeline that the primary writes on at this moment.
const TIMELINE: &str =
    "select ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int";

/// Streams every user, item and order, the ledgers after `since`, their ends, and the sagas that have not
/// ended; returns how many lines it sent.
pub async fn snapshot(
    config: &Config,
    http: &reqwest::Client,
    since: Option<Watermarks>,
    replies: &Replies,
) -> Result<u64, Error> {
    let mut stock = Reader::begin(config, http, "stock", replies).await?;
    stock.items().await?;
    if let Some(since) = since {
        stock.stock_movements(since.stock).await?;
    }
    let (stock_end, stock_rows) = stock.ledger_end(STOCK_END).await?;
    let mut sent = stock.end().await?;

    let mut payment = Reader::begin(config, http, "payment", replies).await?;
    payment.users().await?;
    if let Some(since) = since {
        payment.payment_movements(since.payment).await?;
    }
    let (payment_end, payment_rows) = payment.ledger_end(PAYMENT_END).await?;
    sent += payment.end().await?;

    let mut order = Reader::begin(config, http, "order", replies).await?;
    order.orders().await?;
    order.open_sagas().await?;
    sent += order.end().await?;

    let ends = LedgerEnds {
        last: Watermarks {
            stock: stock_end,
            payment: payment_end,
        },
        stock_rows,
        payment_rows,
    };
    replies.item(Rows::Ends(ends)).await?;
    Ok(sent + 1)
}

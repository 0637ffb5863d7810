//! Of how many rows a final read is, and how many there were where they were counted.

use crate::snapshot::{Initial, Snapshot};

/// One table of a final read.
pub(super) struct TableCount<'a> {
    table: &'static str,
    /// Of the initial state below its watermark, and of the read above it.
    read: u64,
    /// The primary, which digested the table.
    node: &'a str,
    /// By its digest; `None` where there is none.
    counted: Option<u64>,
}

impl TableCount<'_> {
    /// Whether rows were not read that were there.
    pub(super) fn is_short(&self) -> bool {
        self.counted.is_some_and(|counted| counted > self.read)
    }

    /// What does not fit, if anything.
    pub(super) fn mismatch(&self) -> Option<String> {
        let Self { table, node, .. } = self;
        match self.counted {
            Some(counted) if counted == self.read => None,
            Some(counted) => Some(format!(
                "{} rows of table {table} were read, and {node} has {counted}",
                self.read
            )),
            None => Some(format!("{node} has no digest of table {table}")),
        }
    }
}

/// The tables whose rows were read, of those databases that have a primary.
pub(super) fn of<'a>(initial: &Initial, read: &'a Snapshot) -> Vec<TableCount<'a>> {
    let mut rows: Vec<(&str, &'static str, u64)> = Vec::new();
    if read.witnesses.have_balances() {
        let lines = read.orders.iter().map(|order| order.lines.len() as u64);
        rows.extend([
            ("order", "shop_order", read.orders.len() as u64),
            ("order", "order_line", lines.sum()),
            ("payment", "account", read.users.len() as u64),
            ("stock", "item", read.items.len() as u64),
        ]);
    }
    if read.witnesses.have_ledgers() {
        let stock = read.stock_movements.iter();
        let stock = stock.filter(|row| row.movement_id > initial.stock_watermark);
        let payment = read.payment_movements.iter();
        let payment = payment.filter(|row| row.movement_id > initial.payment_watermark);
        let since = |before: u64, since: usize| before.saturating_add(since as u64);
        let stock = since(initial.stock_movements, stock.count());
        let payment = since(initial.payment_movements, payment.count());
        rows.extend([
            ("stock", "stock_movement", stock),
            ("payment", "payment_movement", payment),
        ]);
    }
    rows.into_iter()
        .filter_map(|(database, table, rows)| {
            let primary = read.primary(database)?;
            Some(TableCount {
                table,
                read: rows,
                node: &primary.name,
                counted: primary.digest(table).map(|digest| digest.rows),
            })
        })
        .collect()
}

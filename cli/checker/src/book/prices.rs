//! What each item costs, by whoever made it.

use protocol::ItemId;

use super::Write;
use crate::{
    history::Op,
    snapshot::{Initial, Snapshot},
};

/// The price of each item in credits a piece: as prepared, else as its create asked for, else as its row says.
#[derive(Debug, Default)]
pub(crate) struct Prices {
    /// Ascending by item; where an item was made twice, both prices.
    made: Vec<(ItemId, i64)>,
    /// Of items that nobody is known to have made.
    read: Vec<(ItemId, i64)>,
}

impl Prices {
    pub(super) fn of(initial: &Initial, writes: &[Write], last: &Snapshot) -> Self {
        let prepared = initial.items.iter().map(|row| (row.item_id, row.price));
        let mut made: Vec<_> = prepared.collect();
        made.extend(writes.iter().filter_map(|write| match write.op {
            Op::CreateItem { price } => Some((ItemId(write.made?), price.0)),
            _ => None,
        }));
        // Stable: what was prepared stays first.
        made.sort_by_key(|(item, _)| *item);
        let rows = last.items.iter().map(|row| (row.item_id, row.price));
        let unmade = |(item, _): &(ItemId, i64)| own(&made, *item).is_empty();
        let mut read: Vec<_> = rows.filter(unmade).collect();
        read.sort_by_key(|(item, _)| *item);
        Self { made, read }
    }

    /// The prices that an item was made with: none where nobody is known to have made it.
    pub(crate) fn made(&self, item: ItemId) -> impl Iterator<Item = i64> {
        own(&self.made, item).iter().map(|(_, price)| *price)
    }

    /// What one piece of an item costs, where that is known.
    pub(crate) fn of_item(&self, item: ItemId) -> Option<i64> {
        let read = || own(&self.read, item).first().map(|(_, price)| *price);
        self.made(item).next().or_else(read)
    }
}

fn own(list: &[(ItemId, i64)], item: ItemId) -> &[(ItemId, i64)] {
    let from = &list[list.partition_point(|(id, _)| *id < item)..];
    &from[..from.partition_point(|(id, _)| *id == item)]
}

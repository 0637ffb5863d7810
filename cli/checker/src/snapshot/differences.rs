use std::{collections::BTreeMap, fmt};

use super::{LaneView, Rows, Snapshot};

/// One way in which two final reads differ: the shop was still moving between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table, or what else was read.
    pub part: &'static str,
    /// How many of its rows differ.
    pub rows: usize,
    /// The key of the first of them.
    pub first: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} rows differ between the two final reads, the first is {}",
            self.part, self.rows, self.first
        )
    }
}

/// Compares what the primaries held at two final reads. Empty means identical, in whatever order rows were read.
#[must_use]
pub fn differences(a: &Snapshot, b: &Snapshot) -> Vec<Difference> {
    let mut found = row_differences(a, b);
    let work = [
        compare("sagas not ended", &states(a), &states(b), |(id, _)| *id),
        compare("lanes", &a.lanes, &b.lanes, lane_name),
    ];
    found.extend(work.into_iter().flatten());
    found
}

/// As [`differences`], for users, items, orders and ledgers alone: work in progress is not compared.
#[must_use]
pub(crate) fn row_differences(a: &Snapshot, b: &Snapshot) -> Vec<Difference> {
    [
        of_table("orders", &a.orders, &b.orders, |r| r.order_id.0),
        of_table("users", &a.users, &b.users, |r| r.user_id.0),
        of_table("items", &a.items, &b.items, |r| r.item_id.0),
        of_table(
            "stock movements",
            &a.stock_movements,
            &b.stock_movements,
            |r| r.movement_id,
        ),
        of_table(
            "payment movements",
            &a.payment_movements,
            &b.payment_movements,
            |r| r.movement_id,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The rows of one read that stand in it more than once: such a read is not of one moment.
#[must_use]
pub(crate) fn repetitions(snapshot: &Snapshot) -> Vec<String> {
    [
        repeated("orders", &snapshot.orders, |r| r.order_id.0),
        repeated("users", &snapshot.users, |r| r.user_id.0),
        repeated("items", &snapshot.items, |r| r.item_id.0),
        repeated("stock movements", &snapshot.stock_movements, |r| {
            r.movement_id
        }),
        repeated("payment movements", &snapshot.payment_movements, |r| {
            r.movement_id
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn repeated<T>(part: &str, rows: &[T], key: impl Fn(&T) -> i64) -> Option<String> {
    if rows.is_sorted_by(|a, b| key(a) < key(b)) {
        return None;
    }
    let mut keys: Vec<i64> = rows.iter().map(key).collect();
    keys.sort_unstable();
    let twice = keys.windows(2).find(|pair| pair[0] == pair[1])?[0];
    Some(format!("{part}: a final read has row {twice} twice"))
}

fn of_table<T: PartialEq, K: Ord + fmt::Display>(
    part: &'static str,
    a: &Rows<T>,
    b: &Rows<T>,
    key: impl Fn(&T) -> K,
) -> Option<Difference> {
    if a.is_shared_with(b) {
        return None;
    }
    compare(part, a, b, key)
}

/// An open saga grows older without anything having changed.
fn states(snapshot: &Snapshot) -> Vec<(i64, &str)> {
    let sagas = snapshot.sagas.iter();
    sagas
        .map(|saga| (saga.saga_id.0, saga.state.as_str()))
        .collect()
}

fn lane_name(lane: &LaneView) -> String {
    format!("{}-{}", lane.topic, lane.partition)
}

fn compare<T: PartialEq, K: Ord + fmt::Display>(
    part: &'static str,
    a: &[T],
    b: &[T],
    key: impl Fn(&T) -> K,
) -> Option<Difference> {
    if a == b {
        return None;
    }
    let mut rows: BTreeMap<K, (Option<&T>, Option<&T>)> = BTreeMap::new();
    for row in a {
        rows.entry(key(row)).or_default().0 = Some(row);
    }
    for row in b {
        rows.entry(key(row)).or_default().1 = Some(row);
    }
    let mut differing = rows.iter().filter(|(_, (a, b))| a != b).map(|(key, _)| key);
    let first = differing.next()?.to_string();
    Some(Difference {
        part,
        rows: 1 + differing.count(),
        first,
    })
}

#[cfg(test)]
mod tests {
    use protocol::UserId;

    use super::*;
    use crate::snapshot::UserRow;

    fn users(rows: &[(i64, i64)]) -> Snapshot {
        Snapshot {
            users: rows
                .iter()
                .map(|&(id, credit)| UserRow {
                    user_id: UserId(id),
                    credit,
                })
                .collect(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn the_order_of_rows_does_not_matter() {
        assert_eq!(
            differences(&users(&[(1, 5), (2, 6)]), &users(&[(2, 6), (1, 5)])),
            []
        );
    }

    #[test]
    fn a_row_that_was_read_twice_is_told() {
        assert_eq!(repetitions(&users(&[(1, 5), (3, 7), (2, 6)])), [""; 0]);
        assert_eq!(
            repetitions(&users(&[(2, 5), (1, 6), (2, 5)])),
            ["users: a final read has row 2 twice"]
        );
    }

    #[test]
    fn a_changed_a_lost_and_a_new_row_are_counted() {
        let found = differences(
            &users(&[(1, 5), (2, 6), (3, 7)]),
            &users(&[(1, 5), (2, 9), (4, 7)]),
        );
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["users: 3 rows differ between the two final reads, the first is 2"]
        );
    }
}

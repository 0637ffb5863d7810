use std::{collections::BTreeMap, fmt};

use super::{LaneView, Snapshot};

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
    [
        compare("orders", &a.orders, &b.orders, |r| r.order_id.0),
        compare("users", &a.users, &b.users, |r| r.user_id.0),
        compare("items", &a.items, &b.items, |r| r.item_id.0),
        compare(
            "stock movements",
            &a.stock_movements,
            &b.stock_movements,
            |r| r.movement_id,
        ),
        compare(
            "payment movements",
            &a.payment_movements,
            &b.payment_movements,
            |r| r.movement_id,
        ),
        compare("sagas not ended", &states(a), &states(b), |(id, _)| *id),
        compare("lanes", &a.lanes, &b.lanes, lane_name),
    ]
    .into_iter()
    .flatten()
    .collect()
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

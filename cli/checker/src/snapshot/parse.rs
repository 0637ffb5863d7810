//! Reading final reads: everything once, and what both of them hold the same only once in memory.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    ApiReads, DatabaseView, DirectRow, INITIAL_FORMAT, Initial, ItemRow, LaneView, OrderRow,
    PaymentMovement, Rows, SNAPSHOT_FORMAT, SagaRow, Snapshot, SnapshotError, Source,
    StockMovement, UserRow, VERSION, Witnesses,
};

/// How many lines an order may have in a read: ten times what the shop allows.
pub const ORDER_LINES_MAX: usize = 10_000;

/// What both formats begin with, whatever their version.
#[derive(Deserialize)]
struct Envelope {
    format: String,
    version: u32,
}

/// Why a text is refused that could not be read, or that reads but is not of this format and version.
fn refuse(
    text: &[u8],
    format: &'static str,
    malformed: Option<serde_json::Error>,
) -> SnapshotError {
    match (serde_json::from_slice::<Envelope>(text), malformed) {
        (Ok(envelope), _) if envelope.format != format => SnapshotError::Foreign { format },
        (Ok(envelope), _) if envelope.version != VERSION => SnapshotError::Version {
            found: envelope.version,
        },
        (Ok(_), Some(error)) => SnapshotError::Malformed(error),
        (Err(error), _) if error.is_eof() => SnapshotError::Malformed(error),
        (Err(_), _) | (Ok(_), None) => SnapshotError::Foreign { format },
    }
}

impl Initial {
    /// Reads what was there before the load.
    ///
    /// # Errors
    /// The text is cut short, of another version, or something else altogether, or an order has more than
    /// [`ORDER_LINES_MAX`] lines.
    pub fn parse(text: &[u8]) -> Result<Self, SnapshotError> {
        match serde_json::from_slice::<Self>(text) {
            Ok(initial) if initial.format == INITIAL_FORMAT && initial.version == VERSION => {
                require_few_lines(&initial.orders)?;
                Ok(initial)
            }
            Ok(_) => Err(refuse(text, INITIAL_FORMAT, None)),
            Err(error) => Err(refuse(text, INITIAL_FORMAT, Some(error))),
        }
    }
}

/// A final read whose tables are still text.
#[derive(Deserialize)]
struct Parts<'a> {
    format: String,
    version: u32,
    run: String,
    taken_at_us: i64,
    sources: Vec<Source>,
    #[serde(default)]
    witnesses: Witnesses,
    #[serde(borrow)]
    orders: &'a RawValue,
    #[serde(borrow)]
    users: &'a RawValue,
    #[serde(borrow)]
    items: &'a RawValue,
    #[serde(borrow)]
    stock_movements: &'a RawValue,
    #[serde(borrow)]
    payment_movements: &'a RawValue,
    sagas: Vec<SagaRow>,
    databases: Vec<DatabaseView>,
    lanes: Vec<LaneView>,
    api: ApiReads,
    #[serde(default)]
    direct_writes: Option<Vec<DirectRow>>,
}

impl<'a> Parts<'a> {
    fn read(text: &'a [u8]) -> Result<Self, SnapshotError> {
        match serde_json::from_slice::<Self>(text) {
            Ok(parts) if parts.format == SNAPSHOT_FORMAT && parts.version == VERSION => Ok(parts),
            Ok(_) => Err(refuse(text, SNAPSHOT_FORMAT, None)),
            Err(error) => Err(refuse(text, SNAPSHOT_FORMAT, Some(error))),
        }
    }
}

/// The rows of one table.
fn table<T: DeserializeOwned>(text: &RawValue) -> Result<Rows<T>, SnapshotError> {
    serde_json::from_str(text.get()).map_err(SnapshotError::Malformed)
}

/// The rows of one table; `None` where its text is the same in the other read.
fn other_table<T: DeserializeOwned>(
    text: &RawValue,
    other: Option<&RawValue>,
) -> Result<Option<Rows<T>>, SnapshotError> {
    match other {
        Some(other) if other.get() == text.get() => Ok(None),
        Some(_) | None => table(text).map(Some),
    }
}

/// Judging an order takes time by the square of its lines.
fn require_few_lines(orders: &[OrderRow]) -> Result<(), SnapshotError> {
    let long = orders.iter().find(|row| row.lines.len() > ORDER_LINES_MAX);
    long.map_or(Ok(()), |row| {
        Err(SnapshotError::Lines {
            order: row.order_id,
            lines: row.lines.len(),
        })
    })
}

/// Everything but the tables.
fn surroundings(parts: Parts<'_>) -> Snapshot {
    Snapshot {
        run: parts.run,
        taken_at_us: parts.taken_at_us,
        sources: parts.sources,
        witnesses: parts.witnesses,
        sagas: parts.sagas,
        databases: parts.databases,
        lanes: parts.lanes,
        api: parts.api,
        direct_writes: parts.direct_writes,
        ..Snapshot::default()
    }
}

impl Snapshot {
    /// Reads a final read.
    ///
    /// # Errors
    /// The text is cut short, of another version, or something else altogether, or an order has more than
    /// [`ORDER_LINES_MAX`] lines.
    pub fn parse(text: &[u8]) -> Result<Self, SnapshotError> {
        let parts = Parts::read(text)?;
        let orders: Rows<OrderRow> = table(parts.orders)?;
        require_few_lines(&orders)?;
        Ok(Self {
            orders,
            users: table(parts.users)?,
            items: table(parts.items)?,
            stock_movements: table(parts.stock_movements)?,
            payment_movements: table(parts.payment_movements)?,
            ..surroundings(parts)
        })
    }
}

/// The second of two final reads, without the tables that are the same in the first: it is read before the first, so that
/// neither its text nor a table of its own need be in memory beside that one's.
#[derive(Debug)]
pub struct SecondRead {
    surroundings: Snapshot,
    orders: Option<Rows<OrderRow>>,
    users: Option<Rows<UserRow>>,
    items: Option<Rows<ItemRow>>,
    stock_movements: Option<Rows<StockMovement>>,
    payment_movements: Option<Rows<PaymentMovement>>,
}

impl SecondRead {
    /// Reads what differs from `first_text`: everything, where that is no final read.
    ///
    /// # Errors
    /// As [`Snapshot::parse`], of `text`.
    pub fn parse(text: &[u8], first_text: &[u8]) -> Result<Self, SnapshotError> {
        let parts = Parts::read(text)?;
        let first = Parts::read(first_text);
        let first = first.as_ref().ok();
        let orders: Option<Rows<OrderRow>> = other_table(parts.orders, first.map(|it| it.orders))?;
        if let Some(orders) = &orders {
            require_few_lines(orders)?;
        }
        Ok(Self {
            orders,
            users: other_table(parts.users, first.map(|it| it.users))?,
            items: other_table(parts.items, first.map(|it| it.items))?,
            stock_movements: other_table(
                parts.stock_movements,
                first.map(|it| it.stock_movements),
            )?,
            payment_movements: other_table(
                parts.payment_movements,
                first.map(|it| it.payment_movements),
            )?,
            surroundings: surroundings(parts),
        })
    }

    /// The whole read. Its tables that are the same as those of `first`, which it was compared with, are shared.
    #[must_use]
    pub fn after(self, first: &Snapshot) -> Snapshot {
        let same = first.clone();
        Snapshot {
            orders: self.orders.unwrap_or(same.orders),
            users: self.users.unwrap_or(same.users),
            items: self.items.unwrap_or(same.items),
            stock_movements: self.stock_movements.unwrap_or(same.stock_movements),
            payment_movements: self.payment_movements.unwrap_or(same.payment_movements),
            ..self.surroundings
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{ItemId, OrderId, UserId, saga::LINES_MAX};

    use super::*;
    use crate::snapshot::OrderLine;

    fn error(text: &str) -> String {
        Snapshot::parse(text.as_bytes()).unwrap_err().to_string()
    }

    fn with_credit(credit: i64) -> Snapshot {
        Snapshot {
            users: vec![UserRow {
                user_id: UserId(1),
                credit,
            }]
            .into(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_snapshot_reads_back_as_written_and_cut_short_is_said_so() {
        let snapshot = with_credit(-5);
        let text = serde_json::to_string(&snapshot).unwrap();
        assert_eq!(Snapshot::parse(text.as_bytes()).unwrap(), snapshot);
        assert_eq!(error(&text[..text.len() / 2]), "malformed or cut short");
    }

    #[test]
    fn a_file_from_before_witnesses_were_named_has_both() {
        let text = serde_json::to_string(&Snapshot::default()).unwrap();
        assert!(!text.contains("witnesses"), "{text}");
        let read = Snapshot::parse(text.as_bytes()).unwrap();
        assert_eq!(read.witnesses, Witnesses::Both);
    }

    #[test]
    fn equal_tables_of_two_reads_are_shared_and_others_are_not() {
        let texts = [with_credit(3), with_credit(3), with_credit(4)]
            .map(|snapshot| serde_json::to_vec(&snapshot).unwrap());
        let first = Snapshot::parse(&texts[0]).unwrap();
        let second = |text: &[u8]| SecondRead::parse(text, &texts[0]).unwrap().after(&first);
        let (same, other) = (second(&texts[1]), second(&texts[2]));
        assert!(first.users.is_shared_with(&same.users));
        assert_eq!(other, with_credit(4));
    }

    fn with_lines(lines: usize) -> OrderRow {
        let line = OrderLine {
            item_id: ItemId(1),
            quantity: 1,
            price: 1,
        };
        OrderRow {
            order_id: OrderId(7),
            user_id: UserId(1),
            paid: false,
            total_cost: 0,
            lines: vec![line; lines].into(),
        }
    }

    #[test]
    fn an_order_of_more_lines_than_can_be_judged_in_time_is_refused_by_its_name() {
        let snapshot = |lines| {
            let orders = vec![with_lines(lines)].into();
            serde_json::to_vec(&Snapshot {
                orders,
                ..Snapshot::default()
            })
            .unwrap()
        };
        let initial = |lines| {
            let orders = vec![with_lines(lines)];
            serde_json::to_vec(&Initial {
                orders,
                ..Initial::default()
            })
            .unwrap()
        };
        assert!(usize::try_from(LINES_MAX).unwrap() < ORDER_LINES_MAX);
        let refused = "order 7 has 10001 lines, and this program reads at most 10000";
        let [most, more] = [ORDER_LINES_MAX, ORDER_LINES_MAX + 1].map(snapshot);
        let [empty, first] = [0, 1].map(snapshot);
        assert!(Snapshot::parse(&most).is_ok());
        assert_eq!(Snapshot::parse(&more).unwrap_err().to_string(), refused);
        assert!(SecondRead::parse(&most, &first).is_ok());
        let second = SecondRead::parse(&more, &empty).unwrap_err();
        assert_eq!(second.to_string(), refused);
        let [most, more] = [ORDER_LINES_MAX, ORDER_LINES_MAX + 1].map(initial);
        assert!(Initial::parse(&most).is_ok());
        assert_eq!(Initial::parse(&more).unwrap_err().to_string(), refused);
    }

    #[test]
    fn another_file_or_version_is_refused() {
        let initial = serde_json::to_string(&Initial::default()).unwrap();
        assert_eq!(error(&initial), "this is not a webshop-snapshot file");
        assert_eq!(error("[1]"), "this is not a webshop-snapshot file");
        assert_eq!(
            error(r#"{"format":"webshop-snapshot","version":9}"#),
            "it has version 9, and this program reads version 2"
        );
        let old = r#"{"format":"webshop-initial","version":1,"taken_at_us":0}"#;
        assert_eq!(
            Initial::parse(old.as_bytes()).unwrap_err().to_string(),
            "it has version 1, and this program reads version 2"
        );
        let snapshot = serde_json::to_string(&Snapshot::default()).unwrap();
        let error = Initial::parse(snapshot.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "this is not a webshop-initial file");
    }
}

//! The order service's SQL: each function is one statement over many rows where many can come together.

pub mod batch;
pub mod cart;
pub mod checkout;
pub mod misdeeds;

use protocol::{ItemId, Quantity, saga::Line, saga::Refusal};

/// Takes the turn to write sagas, until the transaction ends. It must come first: the snapshot is taken by
/// the next statement, so it sees everything that earlier holders committed and a batch never fails on
/// another batch.
///
/// The transaction's joins become index look-ups, one for each of its few hundred rows: before a young
/// table has statistics, a planner left alone merges with the whole of it. A table that was empty when they were
/// taken it would still walk through, for as long as its index gives an order that a merge could use; so joins say
/// `= any(array[…])`, which is looked up all the same and good for no merge.
pub const TAKE_TURN: &str = "lock table saga_turn in exclusive mode;
    set local enable_mergejoin = off;
    set local enable_hashjoin = off";

/// Two parallel arrays of a row as lines; null where the row has none.
fn lines(items: Option<Vec<i64>>, quantities: Option<Vec<i64>>) -> Vec<Line> {
    items
        .unwrap_or_default()
        .into_iter()
        .zip(quantities.unwrap_or_default())
        .map(|(item_id, quantity)| Line {
            item_id: ItemId(item_id),
            quantity: Quantity(quantity),
        })
        .collect()
}

fn refusal_from_json(text: Option<&str>) -> Result<Option<Refusal>, sqlx::Error> {
    text.map(serde_json::from_str)
        .transpose()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn refusal_to_json(refusal: Option<&Refusal>) -> Result<Option<String>, sqlx::Error> {
    refusal
        .map(serde_json::to_string)
        .transpose()
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

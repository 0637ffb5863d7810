//! In which way an order's row is not what it must be.

use std::fmt;

use protocol::{ItemId, UserId};

use super::{ClaimedLine, claims::held};
use crate::{snapshot::OrderRow, verdict::Label};

/// One contradiction between an order's row and what was claimed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Nobody created an order with this id.
    Stranger,
    Owner {
        is: UserId,
        of: UserId,
    },
    Price {
        item: ItemId,
        is: i64,
        made: i64,
    },
    Cost {
        is: i64,
        of: i128,
    },
    /// A line of no pieces, or of fewer.
    Quantity {
        item: ItemId,
        is: i64,
    },
    /// It holds more of an item than anybody asked for.
    Unasked {
        item: ItemId,
        is: i128,
        of: i128,
    },
    /// It holds more of an item than it was charged for.
    Uncharged {
        item: ItemId,
        is: i128,
        of: i128,
    },
    Lost {
        item: ItemId,
        is: i128,
        of: i128,
    },
    Doubled {
        item: ItemId,
        is: i128,
        of: i128,
    },
}

impl Misfit {
    pub(crate) fn label(&self) -> Label {
        match self {
            Self::Stranger
            | Self::Owner { .. }
            | Self::Price { .. }
            | Self::Cost { .. }
            | Self::Quantity { .. }
            | Self::Unasked { .. }
            | Self::Uncharged { .. } => Label::Altered,
            Self::Lost { .. } => Label::LostLine,
            Self::Doubled { .. } => Label::DoubleLine,
        }
    }

    /// The first label of the table comes first.
    pub(super) fn rank(&self) -> Label {
        self.label()
    }

    /// Whether a row costs something else than its lines do. Where a line was lost or doubled, it may as well cost
    /// what it should hold.
    pub(super) fn cost(row: &OrderRow, claimed: &[ClaimedLine], wrong: &[Self]) -> Option<Self> {
        let lines = row.lines.iter();
        let of: i128 = lines
            .map(|line| i128::from(line.quantity) * i128::from(line.price))
            .sum();
        let is = row.total_cost;
        let is_mended = || {
            let mended = claimed.iter().map(|own| {
                let held = held(row, own.item);
                let quantity = if own.may_hold(held) { held } else { own.base };
                Some(quantity * i128::from(own.price?))
            });
            mended.sum::<Option<i128>>() == Some(is.into())
        };
        let fits = of == i128::from(is) || (!wrong.is_empty() && is_mended());
        (!fits).then_some(Self::Cost { is, of })
    }

    /// Whether a row that may be right is not what it was charged for.
    pub(super) fn uncharged(row: &OrderRow, charged: &OrderRow) -> Option<Self> {
        let lines = row.lines.iter().chain(&charged.lines);
        let wrong = lines.filter_map(|line| {
            let item = line.item_id;
            let (is, of) = (held(row, item), held(charged, item));
            match is.cmp(&of) {
                std::cmp::Ordering::Equal => None,
                std::cmp::Ordering::Less => Some(Self::Lost { item, is, of }),
                std::cmp::Ordering::Greater => Some(Self::Uncharged { item, is, of }),
            }
        });
        wrong.min_by_key(Self::rank)
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranger => f.write_str("nobody created it"),
            Self::Owner { is, of } => {
                write!(f, "it belongs to user {is}, and user {of} created it")
            }
            Self::Price { item, is, made } => {
                write!(
                    f,
                    "a piece of item {item} costs {is} in it, and the item was made with {made}"
                )
            }
            Self::Cost { is, of } => write!(f, "it costs {is}, and its lines come to {of}"),
            Self::Quantity { item, is } => write!(f, "it has a line of {is} of item {item}"),
            Self::Unasked { item, is, of } => {
                write!(
                    f,
                    "it holds {is} of item {item}, and nobody asked for more than {of}"
                )
            }
            Self::Uncharged { item, is, of } => {
                write!(f, "it holds {is} of item {item}, and {of} were charged")
            }
            Self::Lost { item, is, of } => {
                write!(
                    f,
                    "it holds {is} of item {item}, and {of} were acknowledged"
                )
            }
            Self::Doubled { item, is, of } => {
                write!(
                    f,
                    "it holds {is} of item {item}, {of} were acknowledged, and no unknown addition explains it"
                )
            }
        }
    }
}

//! Every mutant, and how it must be judged.

use checker::verdict::Label::{
    Altered, CreditLeak, Diverged, Double, DoubleLine, DuplicateId, LostAck, LostLine, Overspend,
    Phantom, PhantomRefund, Reverted, SplitBrain, Stale, Stuck, Torn,
};

use super::{Expected, Fault, Mutant, Twist};
use crate::project::Profile;

const CHECKOUTS: &str = "checkout=80%,find_order=10%,find_item=5%,find_user=5%";

/// Half of the checkouts are of orders that were made a moment before.
const CARTS: &str = "checkout=40%,create_order=14%,add_item=36%,find_order=10%";
/// Many reads and writes of the same few items.
const READS: &str = "checkout=10%,find_item=60%,add_stock=30%";

const fn healthy(name: &'static str, about: &'static str) -> Mutant {
    Mutant {
        bug: None,
        name,
        about,
        expected: Expected::Pass,
        profile: Profile::Small,
        twist: Twist::None,
        fault: Fault::None,
        mix: CHECKOUTS,
        users: 1000,
        items: 1000,
    }
}

const fn mutant(name: &'static str, about: &'static str, expected: Expected) -> Mutant {
    Mutant {
        bug: Some(name),
        expected,
        ..healthy(name, about)
    }
}

const fn clustered(name: &'static str, about: &'static str, expected: Expected) -> Mutant {
    Mutant {
        profile: Profile::Full,
        ..mutant(name, about, expected)
    }
}

const fn carts(name: &'static str, about: &'static str, expected: Expected) -> Mutant {
    Mutant {
        mix: CARTS,
        ..mutant(name, about, expected)
    }
}

/// All of them, the healthy builds first.
pub const MUTANTS: [Mutant; 26] = [
    healthy("healthy", "no bug at all"),
    mutant(
        "publish-twice",
        "no bug: every message is delivered twice, as at-least-once delivery may",
        Expected::Pass,
    ),
    mutant(
        "skip-stock-dedup",
        "messages come twice, and the stock service does not know them again",
        Expected::Order(Double),
    ),
    mutant(
        "skip-payment-dedup",
        "messages come twice, and the payment service does not know them again",
        Expected::Order(Double),
    ),
    mutant(
        "publish-before-commit",
        "commands are published before their saga is committed, which then fails now and then",
        Expected::Order(Double),
    ),
    mutant(
        "acknowledge-before-commit",
        "a checkout is answered with 200 before its saga has ended",
        Expected::Order(LostAck),
    ),
    mutant(
        "reject-what-happens",
        "a checkout is answered with a rejection, and happens all the same",
        Expected::Order(Phantom),
    ),
    mutant(
        "compensate-twice",
        "what was reserved is given back twice",
        Expected::Order(PhantomRefund),
    ),
    mutant(
        "compensate-nothing",
        "a charge that was refused is given back",
        Expected::Order(PhantomRefund),
    ),
    mutant(
        "forget-compensation",
        "a refused charge ends the saga, and the stock stays reserved",
        Expected::Order(Torn),
    ),
    mutant(
        "drop-reply",
        "the answer to a charge is never sent",
        Expected::Order(Stuck),
    ),
    Mutant {
        mix: "checkout=60%,add_funds=40%",
        users: 50,
        ..mutant(
            "lost-update",
            "credit is read, changed and written back under READ COMMITTED",
            Expected::Order(CreditLeak),
        )
    },
    Mutant {
        mix: "checkout=40%,find_order=60%",
        ..mutant(
            "revert-paid",
            "a paid order is unpaid again some seconds later",
            Expected::Order(Reverted),
        )
    },
    mutant(
        "overspend",
        "nobody looks whether a user has the credit",
        Expected::Order(Overspend),
    ),
    clustered(
        "stall-standby",
        "a standby receives everything and stops replaying it",
        Expected::Database(Diverged),
    ),
    clustered(
        "two-primaries",
        "a standby promotes itself, and the primary does not stop for it",
        Expected::Database(SplitBrain),
    ),
    // Sagas are lost with what they had done. Where the id of one is given to another order before the shop rests, the
    // participants leave that out as none of theirs, and it never does.
    Mutant {
        fault: Fault::Kill("order-db-primary"),
        ..clustered(
            "asynchronous",
            "synchronous_standby_names is empty, the standbys lag, and the primary is killed",
            Expected::OneOf(&[LostAck, Torn, Stuck]),
        )
    },
    carts(
        "forget-add-item",
        "one addItem in ten is acknowledged and forgotten",
        Expected::Order(LostLine),
    ),
    carts(
        "double-add-item",
        "one addItem in ten is applied twice",
        Expected::Order(DoubleLine),
    ),
    carts(
        "lose-line",
        "one order in ten loses its first line, with what that cost, a while after it was paid",
        Expected::Order(LostLine),
    ),
    carts(
        "alter-price",
        "what was sold a moment ago becomes dearer",
        Expected::Item(Altered),
    ),
    carts(
        "reuse-order-id",
        "one create in ten is answered with the id that the create before it was given",
        Expected::Order(DuplicateId),
    ),
    carts(
        "steal-order",
        "one order in ten belongs to another user a while after it was paid",
        Expected::Order(Altered),
    ),
    Mutant {
        fault: Fault::Partition("stock-db-primary", "stock-db-standby"),
        mix: READS,
        items: 100,
        ..clustered(
            "deposed-reads",
            "reads keep to the first primary that there ever was, which is cut off and replaced",
            Expected::Item(Stale),
        )
    },
    Mutant {
        bug: None,
        twist: Twist::LiftsEarly,
        fault: Fault::Pause("stock.1"),
        ..mutant(
            "fault-lifted-early",
            "a pause of 15 s is lifted by somebody else soon after it took effect",
            Expected::Unknown("held"),
        )
    },
    Mutant {
        bug: Some("skip-stock-dedup"),
        twist: Twist::ClosesStdout,
        ..mutant(
            "stdout-gone",
            "messages come twice as in skip-stock-dedup, and nobody reads what the judge prints",
            Expected::Order(Double),
        )
    },
];

/// Those of a quick test: one for each way to be wrong that a sum over all balances can miss, the first with every judge unread.
pub const QUICK: [&str; 4] = [
    "stdout-gone",
    "acknowledge-before-commit",
    "forget-compensation",
    "forget-add-item",
];

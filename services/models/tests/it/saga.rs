//! Checkouts, from the request to the answer: the order service's saga, the stock's reservations and the
//! payment's ledger over lanes that lose, double and delay.
//!
//! What is explored, any number of times and in any order: a lane's holder applies one or two messages and
//! commits; it dies, or loses the lane, before that, or after it and before, while or after it publishes; a record
//! is published twice; a record arrives late, after its sender is gone, or never; a take-over publishes an answer
//! again, or a saga's command, and so does the holder of the order lane where a saga is silent; a client gives up,
//! or the replica that held its request is gone. Two requests check out one order (the second joins the first one's
//! saga, tries again after its rejection, or comes after it was paid), or two orders that want the last piece and
//! the last credit. Either participant refuses, until a restock and a top-up come, at any moment or never.
//!
//! Replicas have no names here: each request, each admission and each hold of a lane fails by itself, and what
//! fails together is what fails one after the other. So it is any number of replicas. A hold has no queue of its
//! own either: what it has committed and not published is a record on its way.
//!
//! The bounds: two sagas, and [`NARROW`], [`LATE`] or [`THIN`]. Within them the search is complete: 338 586, 721 320
//! and 307 876 states. A participant alone, with every command of two sagas in any order, alone or in pairs, has 47.

mod books;
mod check;
mod desk;
mod moves;
mod orders;
mod shop;
mod world;

use models::{Failure, Model, explore, explore::STUCK, reaches};

use self::{
    desk::Desk,
    moves::Checkouts,
    shop::{COMPETING, Defect, REPEATED, Service},
    world::{Bounds, Request, World},
};

const STATES_MAX: usize = 4_000_000;

/// Batches of two, and one late record.
const NARROW: Bounds = Bounds {
    commands_max: 1,
    replies_max: 2,
    late_max: 1,
};
/// Two late records, which may overtake each other.
const LATE: Bounds = Bounds {
    commands_max: 1,
    replies_max: 1,
    late_max: 2,
};
/// One message in each lane.
const THIN: Bounds = Bounds {
    commands_max: 1,
    replies_max: 1,
    late_max: 1,
};

/// What the model says of a planted defect.
fn broken<M: Model>(model: &M) -> String {
    match explore(model, STATES_MAX) {
        Err(Failure::Broken(found)) => {
            assert!(!found.steps.is_empty());
            found.broken
        }
        Err(Failure::TooMany { states_max }) => panic!("nothing wrong in {states_max} states"),
        Ok(explored) => panic!("nothing wrong in {explored:?}"),
    }
}

/// Explores, and makes sure that the model has not shrunk unnoticed.
fn holds<M: Model>(model: &M, states_min: usize) {
    let explored = explore(model, STATES_MAX).unwrap();
    assert!(explored.states >= states_min, "{explored:?}");
    assert!(explored.ends > 0, "{explored:?}");
}

#[test]
fn one_order_checked_out_twice_is_paid_once_or_not_at_all() {
    holds(&Checkouts::new(REPEATED, NARROW, None), 330_000);
}

#[test]
fn late_records_may_overtake_each_other() {
    holds(&Checkouts::new(REPEATED, LATE, None), 720_000);
}

#[test]
fn two_orders_that_compete_are_each_paid_or_untouched() {
    holds(&Checkouts::new(COMPETING, THIN, None), 300_000);
}

#[test]
fn a_participant_survives_commands_in_any_order() {
    for service in [Service::Stock, Service::Payment] {
        holds(&Desk::new(service, None), 47);
    }
}

#[test]
fn every_outcome_is_within_reach() {
    let repeated = Checkouts::new(REPEATED, THIN, None);
    for outcome in [
        [Request::Paid, Request::Paid],
        [Request::Rejected(0), Request::Rejected(1)],
        [Request::Rejected(0), Request::Paid],
        [Request::Rejected(0), Request::Rejected(0)],
        [Request::Unknown, Request::Paid],
    ] {
        let sought = |world: &World| world.requests == outcome && world.is_quiet();
        assert!(reaches(&repeated, STATES_MAX, sought), "{outcome:?}");
    }
    let competing = Checkouts::new(COMPETING, THIN, None);
    for outcome in [
        [Request::Paid, Request::Paid],
        [Request::Rejected(0), Request::Paid],
    ] {
        let sought = |world: &World| world.requests == outcome && world.is_quiet();
        assert!(reaches(&competing, STATES_MAX, sought), "{outcome:?}");
    }
}

/// Every planted defect that a model of checkouts finds, with the shop that shows it and what is found.
const DEFECTS: [(Defect, &str); 12] = [
    (Defect::NoStockInbox, "is taken of"),
    (Defect::NoPaymentInbox, "is taken of"),
    (Defect::AnsweredOnce, STUCK),
    (Defect::AnswerBeforeCommit, "a saga has"),
    (Defect::CommandBeforeCommit, "a saga has"),
    (Defect::NoCompensation, "a saga has"),
    (Defect::RejectedEarly, "rejected and not without effect"),
    (Defect::PaidEarly, "acknowledged and not paid"),
    (Defect::NeverRepublished, STUCK),
    (Defect::SecondAttempt, "taken twice"),
    (Defect::AnsweredByOrder, "rejected and not without effect"),
    (Defect::StaleHolder, "differ"),
];

#[test]
fn planted_defects_of_checkouts_are_found() {
    for (defect, expected) in DEFECTS {
        let found = broken(&Checkouts::new(REPEATED, NARROW, Some(defect)));
        assert!(found.contains(expected), "{defect:?}: {found}");
    }
}

#[test]
fn planted_defects_of_a_participant_are_found() {
    for (service, defect, expected) in [
        (Service::Stock, Defect::NoStockInbox, "is taken after"),
        (Service::Payment, Defect::NoPaymentInbox, "is taken after"),
        (Service::Stock, Defect::NoBar, "is taken after"),
        (Service::Payment, Defect::NoBar, "is taken after"),
        (Service::Stock, Defect::BlindCompensation, "is taken after"),
        (
            Service::Payment,
            Defect::BlindCompensation,
            "is taken after",
        ),
    ] {
        let found = broken(&Desk::new(service, Some(defect)));
        assert!(found.contains(expected), "{service:?} {defect:?}: {found}");
    }
}

//! The gate to promotion: three nodes that decide as `db-node` does, on a network that loses, delays and hides.
//!
//! What is explored, any number of times and between any two steps: a node is killed, and starts again from what
//! it made durable; a node is paused (which is that others act and it does not); a standby takes its primary for
//! dead, rightly or not, so whichever of the two detectors says so; a node hears of any of its peers or of none,
//! or of a primary that is one no longer; a request for a grant arrives late, after its sender gave up or was
//! killed; a grant is lost; log goes from a primary to a standby entry by entry, or not; a rewind or a clone is
//! cut short. Asking, promising, fencing, answering, voting, leaving recovery and beginning the epoch are steps of
//! their own.
//!
//! Nobody is told that a stream lives, and every candidate is patient: both could only make a node refuse or
//! stand back. So the nodes differ in nothing but their state, and states that differ only in the nodes' names are
//! taken for one.
//!
//! A granter may feed its own candidate in an epoch before the one that it promised: the candidate was not told of
//! that promise, and was granted the earlier epoch by the third node. That is not counted as feeding an older
//! primary: nobody else can lead without this granter's next promise.
//!
//! The bounds: [`SHORT`] and [`LONG`], and one late request for a grant besides the one that each candidate waits
//! for. Volumes are not lost, and data is not broken. Within that the search is complete: 101 554 and 1 449 503
//! states that no renaming makes one. Peace must be within reach wherever an epoch is left for it.

mod asking;
mod check;
mod cluster;
mod deciding;
mod life;
mod moves;

use models::{Failure, explore, explore::STUCK, reaches};

use self::{
    cluster::{Cluster, Stage},
    moves::{Bounds, Defect, Gate},
};

const STATES_MAX: usize = 3_000_000;

/// One promotion, and two writes around it.
const SHORT: Bounds = Bounds {
    epoch_max: 2,
    writes_max: 2,
};
/// A second one, before or after a write.
const LONG: Bounds = Bounds {
    epoch_max: 3,
    writes_max: 1,
};

/// Explores, and makes sure that the model has not shrunk unnoticed.
fn holds(bounds: Bounds, states_min: usize) {
    let explored = explore(&Gate::new(bounds, None), STATES_MAX).unwrap();
    assert!(explored.states >= states_min, "{explored:?}");
    assert!(explored.ends > 0, "{explored:?}");
}

#[test]
fn one_promotion_loses_no_acknowledged_write() {
    holds(SHORT, 100_000);
}

#[test]
fn no_two_nodes_can_acknowledge_over_two_promotions() {
    holds(LONG, 1_400_000);
}

#[test]
fn two_promotions_and_peace_with_an_acknowledged_write_are_within_reach() {
    let gate = Gate::new(LONG, None);
    let sought = |cluster: &Cluster| {
        cluster.leaders.len() == 3 && cluster.acknowledged != 0 && check::is_peace(cluster)
    };
    assert!(reaches(&gate, STATES_MAX, sought));
    let is_cut_short = |cluster: &Cluster| cluster.nodes.iter().any(|node| node.dirty);
    assert!(reaches(&gate, STATES_MAX, is_cut_short));
}

/// A former primary is not needed whole for its vote: the second promotion does not wait for its rewind.
#[test]
fn a_former_primary_votes_while_it_is_being_rewound() {
    let has_granted = |cluster: &Cluster| {
        let asks = cluster.asks.iter().flatten();
        let mut granted = asks.filter(|ask| ask.stage == Stage::Granted);
        granted.any(|ask| cluster.node(ask.to).dirty)
    };
    assert!(reaches(&Gate::new(LONG, None), STATES_MAX, has_granted));
}

/// Every planted defect, and what is found.
const DEFECTS: [(Defect, &str); 10] = [
    (Defect::GrantTwice, "led by two"),
    (Defect::FeedOn, "can acknowledge"),
    (Defect::AnyPosition, "is missing"),
    (Defect::NoConfirmation, "is missing"),
    (Defect::ResumeAlone, "led by two"),
    (Defect::GrantNotDurable, "can acknowledge"),
    (Defect::VoteNotDurable, "feeds an older primary"),
    (Defect::NoStandbyNames, "can acknowledge"),
    (Defect::FollowAnyPrimary, "can acknowledge"),
    (Defect::NeverResume, STUCK),
];

#[test]
fn planted_defects_are_found() {
    let mut wrong = Vec::new();
    for (defect, expected) in DEFECTS {
        let found = match explore(&Gate::new(LONG, Some(defect)), STATES_MAX) {
            Err(Failure::Broken(found)) => found.to_string(),
            Err(Failure::TooMany { .. }) | Ok(_) => "nothing".to_owned(),
        };
        if !found.contains(expected) {
            wrong.push(format!("{defect:?}: {found}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

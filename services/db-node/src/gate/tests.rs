use protocol::db::Lsn;
use rstest::rstest;

use super::*;

fn at(epoch: u64, lsn: u64) -> Position {
    Position {
        epoch,
        lsn: Lsn(lsn),
    }
}

fn promote(epoch: u64, position: Position) -> GrantRequest {
    GrantRequest {
        candidate: "x".into(),
        epoch,
        action: Takeover::Promote { position },
    }
}

fn resume(epoch: u64, led: u64) -> GrantRequest {
    GrantRequest {
        candidate: "x".into(),
        epoch,
        action: Takeover::Resume { led },
    }
}

fn standby(position: Position) -> Standing {
    Standing::Standby {
        streaming: false,
        position: Some(position),
    }
}

#[rstest]
#[case::an_equal_may_lead(3, standby(at(3, 50)), promote(4, at(3, 50)), Ok(()))]
#[case::one_that_holds_more_may_lead(3, standby(at(3, 50)), promote(4, at(3, 51)), Ok(()))]
#[case::less_history(
    3,
    standby(at(3, 50)),
    promote(4, at(3, 49)),
    Err(GrantRefusal::MoreHistory)
)]
#[case::a_longer_log_of_an_older_epoch(
    3,
    standby(at(3, 50)),
    promote(4, at(2, 99)),
    Err(GrantRefusal::MoreHistory)
)]
#[case::a_shorter_log_of_a_later_epoch(3, standby(at(2, 99)), promote(4, at(3, 50)), Ok(()))]
#[case::this_epoch_has_its_vote(
    4,
    standby(at(3, 50)),
    promote(4, at(3, 50)),
    Err(GrantRefusal::Epoch)
)]
#[case::a_later_epoch_has_its_vote(
    9,
    standby(at(3, 50)),
    promote(4, at(3, 50)),
    Err(GrantRefusal::Epoch)
)]
#[case::still_streaming(
    3,
    Standing::Standby { streaming: true, position: Some(at(3, 50)) },
    promote(4, at(3, 50)),
    Err(GrantRefusal::Streaming)
)]
#[case::cannot_tell_what_it_holds(
    3,
    Standing::Standby { streaming: false, position: None },
    promote(4, at(3, 50)),
    Err(GrantRefusal::NotReady)
)]
#[case::is_primary(
    3,
    Standing::Primary,
    promote(4, at(3, 50)),
    Err(GrantRefusal::Primary)
)]
#[case::is_promoting(
    3,
    Standing::Promoting,
    promote(4, at(3, 50)),
    Err(GrantRefusal::Promoting)
)]
#[case::is_dirty(3, Standing::Dirty { led: 0 }, promote(4, at(3, 50)), Err(GrantRefusal::NoData))]
#[case::a_former_primary_that_is_being_rewound_vouches_for_a_later_reign(
    3,
    Standing::Dirty { led: 2 },
    promote(4, at(3, 50)),
    Ok(())
)]
#[case::a_former_primary_that_is_being_rewound_may_have_held_what_the_candidate_lacks(
    3,
    Standing::Dirty { led: 3 },
    promote(4, at(3, 50)),
    Err(GrantRefusal::MoreHistory)
)]
#[case::a_former_primary_that_is_being_rewound_lets_its_successor_go_on(
    3,
    Standing::Dirty { led: 2 },
    resume(4, 3),
    Ok(())
)]
#[case::a_promise_outlives_a_rewind(
    4,
    Standing::Dirty { led: 2 },
    promote(4, at(3, 50)),
    Err(GrantRefusal::Epoch)
)]
#[case::a_wiped_node_forgot_its_promises(
    0,
    Standing::Empty,
    promote(4, at(3, 50)),
    Err(GrantRefusal::NoData)
)]
#[case::the_primary_comes_back(3, standby(at(3, 50)), resume(4, 3), Ok(()))]
#[case::a_deposed_primary_comes_back(
    3,
    standby(at(3, 50)),
    resume(4, 2),
    Err(GrantRefusal::MoreHistory)
)]
#[case::its_successor_never_reached_this_node(3, standby(at(2, 50)), resume(4, 3), Ok(()))]
#[case::a_former_primary_may_hold_what_the_candidate_lacks(
    3,
    Standing::Stopped { led: 3 },
    promote(4, at(3, 99)),
    Err(GrantRefusal::MoreHistory)
)]
#[case::a_former_primary_vouches_for_a_later_reign(3, Standing::Stopped { led: 2 }, promote(4, at(3, 50)), Ok(()))]
#[case::two_former_primaries_the_later_goes_on(3, Standing::Stopped { led: 2 }, resume(4, 3), Ok(()))]
#[case::two_former_primaries_the_earlier_does_not(
    3,
    Standing::Stopped { led: 3 },
    resume(4, 2),
    Err(GrantRefusal::MoreHistory)
)]
fn a_peer_is_asked(
    #[case] epoch: u64,
    #[case] standing: Standing,
    #[case] request: GrantRequest,
    #[case] verdict: Result<(), GrantRefusal>,
) {
    assert_eq!(consider(epoch, standing, &request), verdict);
}

#[test]
fn what_arrives_before_the_fence_is_up_counts() {
    let request = promote(4, at(3, 50));
    assert_eq!(consider(3, standby(at(3, 50)), &request), Ok(()));
    assert_eq!(confirm(at(3, 51), &request), Err(GrantRefusal::MoreHistory));
}

fn peer(name: &str, id: u8, role: Role) -> NodeState {
    NodeState {
        name: name.into(),
        node_id: id,
        role,
        epoch: 3,
        has_data: true,
        timeline: 1,
        lsn: Lsn(50),
        streaming: false,
        system_id: "7".into(),
        data_epoch: 3,
        alone: false,
        following: None,
    }
}

fn me(patient: bool) -> Candidate<'static> {
    Candidate {
        name: "b",
        id: 1,
        epoch: 3,
        position: at(3, 50),
        patient,
    }
}

fn ask(epoch: u64, peers: &[&str]) -> Candidacy {
    Candidacy::Ask {
        epoch,
        peers: peers.iter().map(|&peer| peer.to_owned()).collect(),
    }
}

#[test]
fn a_standby_asks_its_sibling() {
    assert_eq!(
        candidacy(me(false), &[peer("c", 2, Role::Standby)]),
        ask(4, &["c"])
    );
}

#[test]
fn the_epoch_asked_for_is_above_all_heard_of() {
    let mut sibling = peer("c", 2, Role::Standby);
    sibling.epoch = 8;
    assert_eq!(candidacy(me(false), &[sibling]), ask(9, &["c"]));
}

#[test]
fn a_sibling_that_still_streams_vetoes() {
    let sibling = NodeState {
        streaming: true,
        ..peer("c", 2, Role::Standby)
    };
    let expected = Candidacy::StandBack(StandBack::PeerStreams("c".into()));
    assert_eq!(candidacy(me(true), &[sibling]), expected);
}

#[test]
fn of_equals_the_lower_id_goes_first_unless_it_does_not() {
    let sibling = [peer("a", 0, Role::Standby)];
    let expected = Candidacy::StandBack(StandBack::PeerGoesFirst("a".into()));
    assert_eq!(candidacy(me(false), &sibling), expected);
    assert_eq!(candidacy(me(true), &sibling), ask(4, &["a"]));
}

#[test]
fn one_that_holds_more_always_goes_first() {
    let sibling = NodeState {
        lsn: Lsn(51),
        ..peer("c", 2, Role::Standby)
    };
    let expected = Candidacy::StandBack(StandBack::PeerGoesFirst("c".into()));
    assert_eq!(candidacy(me(true), &[sibling]), expected);
}

#[rstest]
#[case(Role::Promoting, Candidacy::StandBack(StandBack::PeerPromotes("c".into())))]
#[case(Role::Primary, Candidacy::StandBack(StandBack::PeerLeads("c".into())))]
#[case(Role::Starting, Candidacy::StandBack(StandBack::NobodyToAsk))]
fn nobody_stands_against(#[case] role: Role, #[case] expected: Candidacy) {
    assert_eq!(candidacy(me(true), &[peer("c", 2, role)]), expected);
}

#[test]
fn alone_nobody_stands() {
    assert_eq!(
        candidacy(me(true), &[]),
        Candidacy::StandBack(StandBack::NobodyToAsk)
    );
}

#[test]
fn a_former_primary_of_this_epoch_is_not_asked_and_an_older_one_is() {
    let mut former = peer("a", 0, Role::Waiting);
    assert_eq!(
        candidacy(me(true), &[former.clone()]),
        Candidacy::StandBack(StandBack::NobodyToAsk)
    );
    former.data_epoch = 2;
    assert_eq!(candidacy(me(true), &[former]), ask(4, &["a"]));
}

#[test]
fn a_former_primary_asks_standbys_that_know_no_successor() {
    let knows = NodeState {
        data_epoch: 4,
        ..peer("c", 2, Role::Standby)
    };
    assert_eq!(
        resumption(3, 3, &[peer("b", 1, Role::Standby)]),
        ask(4, &["b"])
    );
    assert_eq!(
        resumption(3, 3, &[knows]),
        Candidacy::StandBack(StandBack::NobodyToAsk)
    );
}

#[test]
fn a_former_primary_leaves_a_running_promotion_alone() {
    let peers = [peer("b", 1, Role::Standby), peer("c", 2, Role::Promoting)];
    assert_eq!(
        resumption(3, 3, &peers),
        Candidacy::StandBack(StandBack::PeerPromotes("c".into()))
    );
}

#[test]
fn a_primary_stops_when_a_peer_knows_of_a_later_epoch() {
    let peers = [
        peer("b", 1, Role::Standby),
        NodeState {
            epoch: 4,
            ..peer("c", 2, Role::Starting)
        },
    ];
    assert_eq!(
        succeeded(3, &peers).map(|peer| peer.name.as_str()),
        Some("c")
    );
    assert_eq!(succeeded(4, &peers), None);
}

#[test]
fn nobody_follows_a_primary_that_anybody_knows_to_be_succeeded() {
    let stale = peer("a", 0, Role::Primary);
    assert_eq!(
        primary_to_follow(3, std::slice::from_ref(&stale)),
        Some(&stale)
    );
    assert_eq!(primary_to_follow(4, std::slice::from_ref(&stale)), None);
    let witness = NodeState {
        epoch: 4,
        ..peer("c", 2, Role::Standby)
    };
    assert_eq!(primary_to_follow(3, &[stale, witness]), None);
}

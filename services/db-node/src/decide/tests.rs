use protocol::db::{Lsn, Role};
use rstest::rstest;

use super::*;

fn peer(name: &str, role: Role, epoch: u64) -> NodeState {
    NodeState {
        name: name.into(),
        node_id: 1,
        role,
        epoch,
        has_data: true,
        timeline: 1,
        lsn: Lsn(50),
        streaming: false,
        system_id: "7".into(),
        data_epoch: epoch,
        alone: false,
        following: None,
    }
}

fn empty(name: &str) -> NodeState {
    NodeState {
        has_data: false,
        system_id: String::new(),
        data_epoch: 0,
        ..peer(name, Role::Waiting, 0)
    }
}

fn of_two(answered: Vec<NodeState>) -> Peers {
    Peers { count: 2, answered }
}

fn data(standby_signal: bool) -> Option<DataDir> {
    Some(DataDir {
        readable: true,
        standby_signal,
        in_recovery: false,
        system_id: "7".into(),
        timeline: 1,
    })
}

fn node(data: Option<DataDir>) -> Facts {
    Facts {
        node_id: 0,
        data,
        durable: Durable {
            epoch: 3,
            led: 0,
            dirty: false,
        },
        troubles: Troubles::default(),
        waited: Duration::from_secs(60),
    }
}

fn former_primary() -> Facts {
    Facts {
        durable: Durable {
            epoch: 3,
            led: 3,
            dirty: false,
        },
        ..node(data(false))
    }
}

fn b(epoch: u64) -> Primary {
    Primary {
        name: "b".into(),
        epoch,
    }
}

#[test]
fn node_0_initialises_where_all_are_empty() {
    let fresh = Facts {
        durable: Durable::default(),
        ..node(None)
    };
    assert_eq!(
        decide(&fresh, &of_two(vec![empty("b"), empty("c")])),
        Decision::Initialise { epoch: 1 }
    );
}

#[rstest]
#[case::another_node_does_not(1, vec![empty("b"), empty("c")], Wait::ForPrimary)]
#[case::not_before_all_have_answered(0, vec![empty("b")], Wait::ForPeers)]
#[case::not_where_a_peer_has_data(0, vec![empty("b"), peer("c", Role::Standby, 3)], Wait::ForPrimary)]
fn an_empty_node_waits(#[case] node_id: u8, #[case] answered: Vec<NodeState>, #[case] wait: Wait) {
    let facts = Facts {
        node_id,
        ..node(None)
    };
    assert_eq!(decide(&facts, &of_two(answered)), Decision::Wait(wait));
}

#[test]
fn an_epoch_is_never_used_twice_even_where_all_data_is_gone() {
    let peers = of_two(vec![
        empty("b"),
        NodeState {
            epoch: 5,
            ..empty("c")
        },
    ]);
    assert_eq!(
        decide(&node(None), &peers),
        Decision::Initialise { epoch: 6 }
    );
}

#[test]
fn a_wiped_node_clones_itself_back() {
    let peers = of_two(vec![peer("b", Role::Primary, 3)]);
    assert_eq!(
        decide(&node(None), &peers),
        Decision::Clone { primary: b(3) }
    );
}

#[test]
fn a_standby_starts_at_once_with_a_primary_or_without() {
    let peers = of_two(vec![peer("b", Role::Primary, 4)]);
    assert_eq!(
        decide(&node(data(true)), &peers),
        Decision::StartStandby { follow: Some(b(4)) }
    );
    assert_eq!(
        decide(&node(data(true)), &of_two(vec![])),
        Decision::StartStandby { follow: None }
    );
}

#[test]
fn a_standby_does_not_follow_a_primary_of_an_epoch_before_its_promise() {
    let peers = of_two(vec![peer("b", Role::Primary, 2)]);
    assert_eq!(
        decide(&node(data(true)), &peers),
        Decision::StartStandby { follow: None }
    );
}

#[test]
fn a_promotion_that_was_cut_short_starts_as_the_standby_it_is() {
    let cut_short = data(false).map(|data| DataDir {
        in_recovery: true,
        ..data
    });
    let facts = Facts {
        durable: Durable {
            epoch: 3,
            led: 3,
            dirty: false,
        },
        ..node(cut_short)
    };
    assert_eq!(
        decide(&facts, &of_two(vec![])),
        Decision::StartStandby { follow: None }
    );
}

#[test]
fn a_former_primary_rejoins_its_successor() {
    let peers = of_two(vec![peer("b", Role::Primary, 4)]);
    assert_eq!(
        decide(&former_primary(), &peers),
        Decision::Rejoin { primary: b(4) }
    );
}

#[test]
fn a_former_primary_gives_the_standbys_a_second_and_then_asks() {
    let peers = of_two(vec![peer("b", Role::Standby, 3)]);
    let early = Facts {
        waited: Duration::from_millis(900),
        ..former_primary()
    };
    assert_eq!(decide(&early, &peers), Decision::Wait(Wait::ForElection));
    let asked = Decision::AskResume {
        epoch: 4,
        peers: vec!["b".into()],
    };
    assert_eq!(decide(&former_primary(), &peers), asked);
}

#[test]
fn a_former_primary_that_nobody_answers_waits_for_ever() {
    let expected = Decision::Wait(Wait::ForGrant(StandBack::NobodyToAsk));
    assert_eq!(decide(&former_primary(), &of_two(vec![])), expected);
    let wiped = of_two(vec![empty("b"), empty("c")]);
    assert_eq!(decide(&former_primary(), &wiped), expected);
}

#[test]
fn the_first_primary_goes_on_alone_while_nobody_has_a_copy() {
    let facts = Facts {
        durable: Durable {
            epoch: 1,
            led: 1,
            dirty: false,
        },
        ..node(data(false))
    };
    let nobody = of_two(vec![empty("b"), empty("c")]);
    assert_eq!(decide(&facts, &nobody), Decision::StartPrimary { epoch: 2 });
    let unsure = of_two(vec![empty("b")]);
    let expected = Decision::Wait(Wait::ForGrant(StandBack::NobodyToAsk));
    assert_eq!(decide(&facts, &unsure), expected);
}

#[test]
fn a_rewind_cut_short_calls_for_a_copy_and_never_for_a_start() {
    let dirty = Facts {
        durable: Durable {
            epoch: 3,
            led: 3,
            dirty: true,
        },
        ..node(data(true))
    };
    let peers = of_two(vec![peer("b", Role::Primary, 4)]);
    assert_eq!(decide(&dirty, &peers), Decision::Clone { primary: b(4) });
    let without = of_two(vec![peer("b", Role::Standby, 3)]);
    assert_eq!(decide(&dirty, &without), Decision::Wait(Wait::ForPrimary));
}

#[test]
fn data_that_does_not_start_is_replaced() {
    let troubles = Troubles {
        failed_starts: 3,
        ..Troubles::default()
    };
    let peers = of_two(vec![peer("b", Role::Primary, 4)]);
    let facts = Facts {
        troubles,
        ..node(data(true))
    };
    assert_eq!(decide(&facts, &peers), Decision::Clone { primary: b(4) });
}

#[test]
fn a_standby_on_a_lost_branch_rejoins() {
    let troubles = Troubles {
        lost_branch: true,
        ..Troubles::default()
    };
    let peers = of_two(vec![peer("b", Role::Primary, 4)]);
    let facts = Facts {
        troubles,
        ..node(data(true))
    };
    assert_eq!(decide(&facts, &peers), Decision::Rejoin { primary: b(4) });
}

#[test]
fn a_damaged_control_file_calls_for_a_copy_and_until_then_for_patience() {
    let damaged = node(data(true).map(|data| DataDir {
        readable: false,
        ..data
    }));
    let peers = of_two(vec![peer("b", Role::Primary, 4)]);
    assert_eq!(decide(&damaged, &peers), Decision::Clone { primary: b(4) });
    assert_eq!(
        decide(&damaged, &of_two(vec![])),
        Decision::Wait(Wait::ForPrimary)
    );
}

#[test]
fn data_of_another_cluster_is_left_alone() {
    let foreign = NodeState {
        system_id: "8".into(),
        ..peer("b", Role::Primary, 4)
    };
    let expected = Decision::Wait(Wait::ForeignPrimary("b".into()));
    assert_eq!(decide(&node(data(true)), &of_two(vec![foreign])), expected);
}

#[test]
fn nobody_is_copied_who_has_been_succeeded() {
    let peers = of_two(vec![
        peer("b", Role::Primary, 4),
        peer("c", Role::Standby, 5),
    ]);
    assert_eq!(
        decide(&node(None), &peers),
        Decision::Wait(Wait::StalePrimary("b".into()))
    );
}

#[rstest]
#[case::empty(None, Decision::Initialise { epoch: 4 })]
#[case::with_data(data(false), Decision::StartPrimary { epoch: 4 })]
fn a_cluster_of_one_always_leads(#[case] data: Option<DataDir>, #[case] expected: Decision) {
    assert_eq!(
        decide(
            &node(data),
            &Peers {
                count: 0,
                answered: Vec::new()
            }
        ),
        expected
    );
}

use protocol::agent::LaneState;

use super::*;
use crate::testing::{database, node};

#[test]
fn a_standby_must_reach_where_the_primary_was_a_look_ago() {
    let mut positions = BTreeMap::new();
    let mut at = |primary, standby| {
        let nodes = vec![
            node("a", Role::Primary, 1, primary),
            node("b", Role::Standby, 1, standby),
        ];
        unready(&database("stock", nodes), &mut positions)
    };
    assert_eq!(at(100, 90).unwrap(), "stock has only just been looked at");
    assert_eq!(at(110, 95).unwrap(), "b is behind 0/64 at 0/5F");
    assert_eq!(at(120, 110), None);
}

fn look(faults: &[&str]) -> Look {
    Look {
        faults: faults.iter().map(|fault| left(fault)).collect(),
        unconverged: Vec::new(),
        busy: Vec::new(),
    }
}

#[test]
fn a_fault_that_somebody_left_is_not_healed_and_says_how_it_ends() {
    let report = |look| report(look, Load::Ended, Duration::ZERO, Duration::ZERO);
    let settle = report(look(&["isolate order (order.1)"]));
    assert!(!settle.faults_healed && !settle.is_healthy());
    assert_eq!(
        settle.missing,
        ["a fault is left: isolate order (order.1); `webshop chaos clear` ends it"]
    );
    assert!(report(look(&[])).is_healthy());
}

#[test]
fn a_shop_that_a_fault_without_its_helper_slows_is_not_called_stuck() {
    let mut moves_not = look(&[]);
    moves_not.busy = vec!["3 sagas are open".to_owned()];
    assert!(moves_not.is_stuck());
    moves_not.faults = orphans(Ok(vec!["queue netem in the network of order.1".to_owned()]));
    assert!(!moves_not.is_stuck());
    let settle = report(moves_not, Load::Ended, Duration::ZERO, Duration::ZERO);
    assert!(!settle.is_healthy() && !settle.quiescent);
    assert!(
        settle.missing[0].contains("queue netem in the network of order.1"),
        "{:?}",
        settle.missing
    );
    // Whoever cannot look does not blame the shop either.
    let unseen = Error::Fault {
        reason: "no such image".to_owned(),
    };
    assert_eq!(orphans(Err(unseen)).len(), 1);
    assert!(orphans(Ok(Vec::new())).is_empty());
}

#[test]
fn a_load_whose_program_was_stopped_did_not_stop_and_says_why() {
    let report = |load| report(look(&[]), load, Duration::ZERO, Duration::ZERO);
    assert!(report(Load::NotBegun).load_stopped);
    assert!(report(Load::Ended).load_stopped);
    let settle = report(Load::CutOff);
    assert!(!settle.load_stopped && !settle.is_healthy());
    assert_eq!(
        settle.missing,
        ["the history has no end: nobody knows whether each operation of the load ended"]
    );
}

#[test]
fn no_primary_two_primaries_and_a_silent_node_are_named() {
    let mut positions = BTreeMap::new();
    let nodes = vec![node("a", Role::Waiting, 1, 1)];
    let none = unready(&database("stock", nodes), &mut positions);
    assert_eq!(none.unwrap(), "stock has no primary");
    let nodes = vec![
        node("a", Role::Primary, 1, 1),
        node("b", Role::Primary, 1, 1),
    ];
    let two = unready(&database("stock", nodes), &mut positions);
    assert_eq!(two.unwrap(), "stock has primaries a and b");
    let mut silent = node("b", Role::Standby, 1, 1);
    silent.state = None;
    let nodes = vec![node("a", Role::Primary, 1, 1), silent];
    unready(&database("stock", nodes.clone()), &mut positions);
    let still = unready(&database("stock", nodes), &mut positions);
    assert_eq!(still.unwrap(), "b does not answer");
}

#[test]
fn a_deposed_primary_is_no_second_one_and_keeps_a_database_from_settling() {
    let mut positions = BTreeMap::new();
    let mut deposed = node("a", Role::Primary, 1, 1);
    deposed.state.as_mut().unwrap().alone = true;
    let nodes = vec![deposed, node("b", Role::Primary, 2, 1)];
    unready(&database("stock", nodes.clone()), &mut positions);
    let still = unready(&database("stock", nodes), &mut positions);
    assert_eq!(still.unwrap(), "a is a primary of an older epoch");
}

#[test]
fn a_lane_is_done_when_all_is_applied_and_published() {
    let lane = |published_offset, log_end| LaneState {
        service: "stock".to_owned(),
        topic: "stock.commands".to_owned(),
        partition: 0,
        next_offset: 5,
        published_offset,
        holder: "stock.1".to_owned(),
        log_end,
    };
    let lanes = Lanes {
        lanes: vec![lane(5, Some(5)), lane(4, Some(5)), lane(5, None)],
        sagas_open: 2,
    };
    assert_eq!(
        unfinished(&lanes),
        [
            "lane stock.commands at 5 of 5, published 4",
            "lane stock.commands at 5 of ?, published 5",
            "2 sagas are open"
        ]
    );
}

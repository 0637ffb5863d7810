use protocol::agent::Node;

use super::*;
use crate::{
    fault::action::{Count, Hold},
    target::NodeRole,
    tasks::Running,
    testing::{database, fault, kill, node},
};

fn running(task: &str) -> Running {
    Running {
        service: "stock-db-0".to_owned(),
        slot: 1,
        task: task.to_owned(),
        container: format!("c-{task}"),
        host: "n1".to_owned(),
    }
}

fn world(task: &str, nodes: Vec<Node>) -> World {
    World {
        tasks: vec![running(task)],
        databases: vec![database("stock", nodes)],
        ..World::default()
    }
}

fn primary() -> Victim {
    Victim {
        task: running("old"),
        node: Some(NodeRole {
            database: "stock".to_owned(),
            role: Role::Primary,
            epoch: 1,
            timeline: 1,
        }),
    }
}

fn proof() -> Proof {
    Proof::new(&kill("stock-db-primary"), primary(), 100)
}

fn pause() -> Proof {
    let action = Action::Hold {
        hold: Hold::Pause,
        target: "stock-db-primary".to_owned(),
        count: Count::Default,
        for_ms: 20_000,
    };
    Proof::new(&fault(action), primary(), 100)
}

fn frozen() -> Told {
    Told {
        effective_us: Some(120),
        seen: Some("the processes of stock-db-0.1 stood still".to_owned()),
        ..Told::default()
    }
}

#[test]
fn a_paused_primary_is_back_when_it_follows_its_successor() {
    let mut proof = pause();
    proof.told(frozen());
    let taken_over = |old, epoch| {
        let nodes = vec![
            node("stock-db-0", old, epoch, 7),
            node("stock-db-1", Role::Primary, 2, 7),
        ];
        world("old", nodes)
    };
    let stale = taken_over(Role::Primary, 1);
    proof.look(130, &stale, true);
    assert!(!proof.is_over());
    assert_eq!(proof.evidence(&stale).missing, ["its end on stock-db-0.1"]);

    proof.told(Told {
        lifted_us: Some(140),
        ..frozen()
    });
    proof.look(150, &stale, true);
    assert_eq!(proof.evidence(&stale).healed_us, None, "not yet demoted");
    let back = taken_over(Role::Standby, 2);
    proof.look(160, &back, true);
    assert_eq!(proof.evidence(&back).healed_us, Some(160));
    assert!(!proof.is_complete(&back));
    proof.written(170);
    assert!(proof.is_complete(&back));
    assert!(proof.evidence(&back).took_effect());
}

#[test]
fn a_short_pause_needs_no_new_primary() {
    let mut proof = pause();
    let same = world("old", vec![node("stock-db-0", Role::Primary, 1, 7)]);
    proof.told(Told {
        lifted_us: Some(140),
        ..frozen()
    });
    proof.look(150, &same, true);
    assert!(proof.is_complete(&same));
}

#[test]
fn a_fault_without_an_effect_is_missing_however_it_ended() {
    let mut proof = pause();
    proof.died(130);
    let same = world("old", vec![node("stock-db-0", Role::Primary, 1, 7)]);
    proof.look(150, &same, true);
    let evidence = proof.evidence(&same);
    assert!(!evidence.took_effect());
    assert_eq!(evidence.missing, ["an effect on stock-db-0.1"]);
    proof.told(frozen());
    assert_eq!(
        proof.evidence(&same).seen[1],
        "stock-db-0.1 was replaced, which ended it early"
    );
}

#[test]
fn a_fault_that_was_lifted_unfelt_is_over_but_unproved() {
    let mut proof = pause();
    let same = world("old", vec![node("stock-db-0", Role::Primary, 1, 7)]);
    proof.told(Told {
        lifted_us: Some(140),
        ..Told::default()
    });
    proof.look(150, &same, true);
    assert!(proof.is_healed(), "others must not wait for it for ever");
    assert!(!proof.evidence(&same).took_effect());
}

#[test]
fn a_primary_is_proved_dead_only_by_its_successor() {
    let mut proof = proof();
    let alone = world(
        "old",
        vec![
            node("stock-db-0", Role::Primary, 1, 7),
            node("stock-db-1", Role::Standby, 1, 7),
        ],
    );
    proof.look(110, &alone, true);
    let evidence = proof.evidence(&alone);
    assert!(!evidence.took_effect());
    assert_eq!(evidence.missing.len(), 3);

    proof.died(120);
    let taken_over = world(
        "new",
        vec![
            node("stock-db-0", Role::Starting, 1, 7),
            node("stock-db-1", Role::Primary, 2, 7),
        ],
    );
    proof.look(130, &taken_over, true);
    assert_eq!(proof.awaits_write(), Some("stock"));
    let evidence = proof.evidence(&taken_over);
    assert!(evidence.took_effect());
    assert_eq!(evidence.effective_us, Some(120));
    assert_eq!(evidence.seen[2], "stock-db-1 is primary on timeline 2");
    assert_eq!(evidence.healed_us, None);

    let back = world(
        "new",
        vec![
            node("stock-db-0", Role::Standby, 2, 7),
            node("stock-db-1", Role::Primary, 2, 7),
        ],
    );
    proof.look(140, &back, true);
    assert_eq!(proof.evidence(&back).healed_us, Some(140));
    assert!(!proof.is_complete(&back));
    proof.written(150);
    assert!(proof.is_complete(&back));
}

#[test]
fn a_primary_that_its_peers_let_go_on_is_its_own_successor() {
    let mut proof = proof();
    proof.died(120);
    let resumed = |epoch| {
        let mut state = node("stock-db-0", Role::Primary, epoch, 7);
        state.state.as_mut().unwrap().timeline = 1;
        world("new", vec![state, node("stock-db-1", Role::Standby, 1, 7)])
    };
    let early = resumed(1);
    proof.look(130, &early, true);
    assert!(!proof.evidence(&early).took_effect(), "nobody let it");
    let later = resumed(2);
    proof.look(140, &later, true);
    let evidence = proof.evidence(&later);
    assert!(evidence.took_effect());
    assert_eq!(
        evidence.seen[2],
        "stock-db-0 is primary again on timeline 1"
    );
    proof.written(150);
    assert!(proof.is_complete(&later));
}

#[test]
fn a_single_node_is_back_when_it_is_primary_again() {
    let mut proof = proof();
    proof.died(120);
    let back = world("new", vec![node("stock-db-0", Role::Primary, 1, 7)]);
    proof.look(130, &back, true);
    assert!(proof.evidence(&back).took_effect());
    assert!(proof.is_complete(&back));
}

#[test]
fn a_service_that_does_not_serve_is_not_healed() {
    let mut proof = proof();
    proof.victim.node = None;
    proof.died(120);
    let back = world("new", Vec::new());
    proof.look(130, &back, false);
    assert_eq!(proof.evidence(&back).healed_us, None);
    proof.look(140, &back, true);
    assert_eq!(proof.evidence(&back).healed_us, Some(140));
}

use super::*;

/// Counts up from 0, by one or by two, and ends at exactly `end`.
struct Stairs {
    end: u8,
    top: u8,
    forbidden: Option<u8>,
}

impl Model for Stairs {
    type State = u8;
    type Action = u8;

    fn start(&self) -> u8 {
        0
    }

    fn actions(&self, _state: &u8, actions: &mut Vec<u8>) {
        actions.extend([1, 2]);
    }

    fn next(&self, state: &u8, action: u8) -> Option<u8> {
        let next = state + action;
        (next <= self.top).then_some(next)
    }

    fn broken(&self, state: &u8) -> Option<String> {
        (self.forbidden == Some(*state)).then(|| "forbidden".to_owned())
    }

    fn is_over(&self, state: &u8) -> bool {
        *state == self.end
    }
}

fn failure(stairs: &Stairs) -> (String, Vec<u8>) {
    match explore(stairs, 100) {
        Err(Failure::Broken(found)) => {
            let actions = found.steps.iter().map(|(action, _)| *action);
            (found.broken.clone(), actions.collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_state_is_visited_once() {
    let stairs = Stairs {
        end: 10,
        top: 10,
        forbidden: None,
    };
    let explored = explore(&stairs, 100).unwrap();
    let expected = Explored {
        states: 11,
        transitions: 19,
        ends: 1,
        depth: 5,
    };
    assert_eq!(explored, expected);
}

#[test]
fn a_broken_state_is_shown_by_a_shortest_way() {
    let stairs = Stairs {
        end: 10,
        top: 10,
        forbidden: Some(5),
    };
    let (broken, actions) = failure(&stairs);
    assert_eq!((broken.as_str(), actions.len()), ("forbidden", 3));
    assert_eq!(actions.iter().sum::<u8>(), 5);
}

#[test]
fn a_state_past_the_end_is_stuck_although_others_are_not() {
    let stairs = Stairs {
        end: 3,
        top: 4,
        forbidden: None,
    };
    assert_eq!(failure(&stairs), (STUCK.to_owned(), vec![2, 2]));
}

#[test]
fn a_search_has_a_bound() {
    let stairs = Stairs {
        end: 200,
        top: 200,
        forbidden: None,
    };
    let found = explore(&stairs, 100);
    assert!(matches!(found, Err(Failure::TooMany { states_max: 100 })));
}

#[test]
fn what_is_sought_is_found_or_not() {
    let stairs = Stairs {
        end: 10,
        top: 10,
        forbidden: None,
    };
    assert!(reaches(&stairs, 100, |stair| *stair == 10));
    assert!(!reaches(&stairs, 100, |stair| *stair == 11));
}

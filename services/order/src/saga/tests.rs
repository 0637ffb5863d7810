use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use protocol::saga::RefusalCode;
use rstest::rstest;

use super::*;

fn refusal(code: RefusalCode) -> Refusal {
    Refusal {
        code,
        message: format!("{code:?}"),
    }
}

fn stock() -> Refusal {
    refusal(RefusalCode::OutOfStock)
}

fn credit() -> Refusal {
    refusal(RefusalCode::OutOfCredit)
}

fn states() -> [State; 5] {
    [
        State::Reserving,
        State::Charging,
        State::Releasing(credit()),
        State::Completed,
        State::Rejected(credit()),
    ]
}

fn events() -> [Event; 6] {
    [
        Event::Reserved,
        Event::ReserveRefused { refusal: stock() },
        Event::Released,
        Event::Charged,
        Event::ChargeRefused { refusal: credit() },
        Event::Refunded,
    ]
}

/// One letter a cell, columns in the order of [`events`]: A advances, R repeated, U unexpected.
#[rstest]
#[case(State::Reserving, "AAUUUU")]
#[case(State::Charging, "RUUAAU")]
#[case(State::Releasing(credit()), "RUAURU")]
#[case(State::Completed, "RUURUU")]
#[case(State::Rejected(credit()), "RRRURU")]
fn every_reply_in_every_state_has_one_meaning(#[case] state: State, #[case] row: &str) {
    let seen: String = events()
        .iter()
        .map(|event| match step(&state, event) {
            Step::Advance(_) => 'A',
            Step::Repeated => 'R',
            Step::Unexpected => 'U',
        })
        .collect();
    assert_eq!(seen, row, "{state:?}");
}

#[rstest]
#[case(State::Reserving, Event::Reserved, State::Charging)]
#[case(State::Reserving, Event::ReserveRefused { refusal: stock() }, State::Rejected(stock()))]
#[case(State::Charging, Event::Charged, State::Completed)]
#[case(State::Charging, Event::ChargeRefused { refusal: credit() }, State::Releasing(credit()))]
#[case(State::Releasing(credit()), Event::Released, State::Rejected(credit()))]
fn the_awaited_reply_moves_the_saga_on(
    #[case] from: State,
    #[case] event: Event,
    #[case] to: State,
) {
    assert_eq!(step(&from, &event), Step::Advance(to));
}

#[test]
fn an_ended_saga_never_moves() {
    for state in states().into_iter().filter(State::has_ended) {
        for event in events() {
            assert!(!matches!(step(&state, &event), Step::Advance(_)));
        }
    }
}

#[test]
fn a_reply_that_moved_a_saga_is_repeated_when_it_comes_again() {
    for state in states() {
        for event in events() {
            if let Step::Advance(next) = step(&state, &event) {
                assert_eq!(step(&next, &event), Step::Repeated, "{state:?} {event:?}");
            }
        }
    }
}

#[test]
fn a_state_reads_back_as_written() {
    for state in states() {
        let read = State::from_row(state.name(), state.refusal().cloned());
        assert_eq!(read, Ok(state));
    }
}

#[test]
fn a_row_that_contradicts_itself_is_refused() {
    for (name, refusal) in [
        ("completed", Some(stock())),
        ("rejected", None),
        ("releasing", None),
        ("pending", None),
    ] {
        assert!(State::from_row(name, refusal).is_err(), "{name}");
    }
}

/// The two participants behind their inboxes, and everything that is in flight.
#[derive(Debug, Default)]
struct World {
    reserve: Option<Event>,
    release: Option<Event>,
    charge: Option<Event>,
    pieces_taken: i64,
    credit_taken: i64,
    commands: Vec<Outstanding>,
    replies: Vec<Event>,
}

impl World {
    fn deliver_command(&mut self, index: usize, verdicts: (bool, bool), keep: bool) {
        let command = take(&mut self.commands, index, keep);
        let reply = match command {
            Outstanding::Reserve => {
                let taken = &mut self.pieces_taken;
                let refused = Event::ReserveRefused { refusal: stock() };
                self.reserve
                    .get_or_insert_with(|| {
                        if verdicts.0 {
                            *taken += 1;
                            Event::Reserved
                        } else {
                            refused
                        }
                    })
                    .clone()
            }
            Outstanding::Charge => {
                let taken = &mut self.credit_taken;
                let refused = Event::ChargeRefused { refusal: credit() };
                self.charge
                    .get_or_insert_with(|| {
                        if verdicts.1 {
                            *taken += 1;
                            Event::Charged
                        } else {
                            refused
                        }
                    })
                    .clone()
            }
            Outstanding::Release => {
                let taken = &mut self.pieces_taken;
                self.release
                    .get_or_insert_with(|| {
                        *taken -= 1;
                        Event::Released
                    })
                    .clone()
            }
        };
        self.replies.push(reply);
    }
}

fn take<T: Clone>(queue: &mut Vec<T>, index: usize, keep: bool) -> T {
    let index = index % queue.len();
    if keep {
        queue[index].clone()
    } else {
        queue.remove(index)
    }
}

#[derive(Debug, Clone)]
enum Move {
    Command { index: usize, keep: bool },
    Reply { index: usize, keep: bool },
    Republish,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = (0..3, 0..16_usize, any::<bool>()).prop_map(|(kind, index, keep)| match kind {
        0 => Move::Command { index, keep },
        1 => Move::Reply { index, keep },
        _ => Move::Republish,
    });
    prop::collection::vec(one, 0..60)
}

proptest! {
    /// Commands and replies overtake each other, come twice, and are republished at any moment.
    #[test]
    fn any_interleaving_ends_with_all_or_nothing(moves in moves(), verdicts: (bool, bool)) {
        let mut world = World { commands: vec![Outstanding::Reserve], ..World::default() };
        let mut state = State::Reserving;
        // After the disorder: republish and deliver until the saga ends. Three steps suffice.
        let settle = (0..40).map(|turn| match turn % 3 {
            0 => Move::Republish,
            1 => Move::Command { index: usize::MAX, keep: false },
            _ => Move::Reply { index: usize::MAX, keep: false },
        });
        for next in moves.into_iter().chain(settle) {
            match next {
                Move::Command { index, keep } if !world.commands.is_empty() => {
                    let index = index.min(world.commands.len() - 1);
                    world.deliver_command(index, verdicts, keep);
                }
                Move::Reply { index, keep } if !world.replies.is_empty() => {
                    let index = index.min(world.replies.len() - 1);
                    let event = take(&mut world.replies, index, keep);
                    match step(&state, &event) {
                        Step::Advance(next) => {
                            state = next;
                            world.commands.extend(state.outstanding());
                        }
                        Step::Repeated => {}
                        Step::Unexpected => prop_assert!(false, "{state:?} got {event:?}"),
                    }
                }
                Move::Republish => world.commands.extend(state.outstanding()),
                Move::Command { .. } | Move::Reply { .. } => {}
            }
            if state.has_ended() {
                let all = i64::from(state == State::Completed);
                prop_assert_eq!((world.pieces_taken, world.credit_taken), (all, all));
            }
        }
        prop_assert!(state.has_ended());
        prop_assert_eq!(state == State::Completed, verdicts == (true, true));
    }
}

use std::collections::HashSet;

use proptest::prelude::*;
use protocol::Quantity;

use super::*;

fn line(item_id: i64, quantity: i64) -> Line {
    Line {
        item_id: ItemId(item_id),
        quantity: Quantity(quantity),
    }
}

fn reserve(saga_id: i64, lines: &[Line]) -> StockCommand {
    StockCommand {
        saga_id: SagaId(saga_id),
        order_id: OrderId(saga_id * 10),
        step: StockStep::Reserve {
            lines: lines.to_vec(),
        },
    }
}

fn release(saga_id: i64) -> StockCommand {
    StockCommand {
        saga_id: SagaId(saga_id),
        order_id: OrderId(saga_id * 10),
        step: StockStep::Release,
    }
}

fn shelves(stock: &[(i64, i64)]) -> Shelves {
    Shelves {
        stock: stock.iter().map(|(id, n)| (ItemId(*id), *n)).collect(),
        ..Shelves::default()
    }
}

fn numbered(commands: Vec<StockCommand>) -> Vec<(i64, StockCommand)> {
    (0..).zip(commands).collect()
}

fn given(row: &Answered) -> Given {
    Given {
        asked: row.asked,
        reply: row.reply.clone(),
    }
}

fn events(effects: &Effects) -> Vec<Event> {
    effects.replies.iter().map(|r| r.event.clone()).collect()
}

fn code(event: &Event) -> Option<RefusalCode> {
    match event {
        Event::ReserveRefused { refusal } => Some(refusal.code),
        _ => None,
    }
}

#[test]
fn a_reservation_takes_every_line_or_none() {
    let commands = numbered(vec![
        reserve(1, &[line(1, 2), line(2, 9)]),
        reserve(2, &[line(1, 2), line(2, 1)]),
        reserve(3, &[line(1, 1), line(7, 1)]),
    ]);
    let effects = apply(shelves(&[(1, 5), (2, 3)]), &commands);
    let events = events(&effects);
    assert_eq!(code(&events[0]), Some(RefusalCode::OutOfStock));
    assert_eq!(events[1], Event::Reserved);
    assert_eq!(code(&events[2]), Some(RefusalCode::NotFound));
    assert_eq!(
        effects.deltas,
        BTreeMap::from([(ItemId(1), -2), (ItemId(2), -1)])
    );
    assert_eq!(effects.movements.len(), 2);
}

#[test]
fn later_commands_of_a_batch_see_what_earlier_ones_took() {
    let commands = numbered(vec![
        reserve(1, &[line(1, 3)]),
        reserve(2, &[line(1, 3)]),
        release(1),
        reserve(3, &[line(1, 3)]),
    ]);
    let effects = apply(shelves(&[(1, 5)]), &commands);
    let events = events(&effects);
    assert_eq!(events[0], Event::Reserved);
    assert_eq!(code(&events[1]), Some(RefusalCode::OutOfStock));
    assert_eq!(events[2], Event::Released);
    assert_eq!(events[3], Event::Reserved);
    assert_eq!(effects.deltas, BTreeMap::from([(ItemId(1), -3)]));
}

#[test]
fn a_redelivered_command_answers_again_and_acts_once() {
    let commands = numbered(vec![reserve(1, &[line(1, 2)]), reserve(1, &[line(1, 2)])]);
    let effects = apply(shelves(&[(1, 5)]), &commands);
    assert_eq!(effects.replies[0], effects.replies[1]);
    assert_eq!(effects.movements.len(), 1);
    assert_eq!(effects.answered.len(), 1);

    let mut later = shelves(&[(1, 3)]);
    let reply = effects.replies[0].clone();
    let given = given(&effects.answered[0]);
    later.answered.insert((SagaId(1), RESERVE), given);
    let again = apply(later, &commands[..1]);
    assert_eq!(again.replies, [reply]);
    assert_eq!(again.movements, []);
    assert!(again.deltas.is_empty() && again.answered.is_empty());
}

#[test]
fn a_redelivered_command_that_asks_for_something_else_is_poison_and_never_answered() {
    let reserved = [line(1, 2), line(2, 1)];
    let effects = apply(
        shelves(&[(1, 9), (2, 9)]),
        &numbered(vec![reserve(1, &reserved)]),
    );
    let other_order = StockCommand {
        order_id: OrderId(11),
        ..reserve(1, &reserved)
    };
    for other in [
        reserve(1, &[line(1, 2)]),
        reserve(1, &[line(1, 3), line(2, 1)]),
        reserve(1, &[line(1, 2), line(3, 1)]),
        reserve(1, &[line(1, 2), line(2, 1), line(3, 1)]),
        other_order,
    ] {
        let mut later = shelves(&[(1, 7), (2, 8), (3, 9)]);
        let before = given(&effects.answered[0]);
        later.answered.insert((SagaId(1), RESERVE), before);
        let again = apply(later, &numbered(vec![other, reserve(2, &[line(3, 1)])]));
        assert_eq!(again.poison, [(SagaId(1), RESERVE)]);
        assert_eq!(events(&again), [Event::Reserved], "the next one goes on");
        assert_eq!(again.deltas, BTreeMap::from([(ItemId(3), -1)]));
    }
    // Within one batch as well.
    let both = numbered(vec![reserve(1, &reserved), reserve(1, &[line(1, 1)])]);
    let effects = apply(shelves(&[(1, 9), (2, 9)]), &both);
    assert_eq!((effects.replies.len(), effects.poison.len()), (1, 1));
}

#[test]
fn a_reservation_is_declined_unless_it_was_made() {
    let refusal = Refusal {
        code: RefusalCode::BadRequest,
        message: "too large".into(),
    };
    let decline = |saga_id| StockCommand {
        step: StockStep::Decline {
            refusal: refusal.clone(),
        },
        ..release(saga_id)
    };
    let commands = numbered(vec![
        decline(1),
        reserve(1, &[line(1, 2)]),
        reserve(2, &[line(1, 2)]),
        decline(2),
    ]);
    let effects = apply(shelves(&[(1, 5)]), &commands);
    let declined = Event::ReserveRefused { refusal };
    let expected = [declined.clone(), declined, Event::Reserved, Event::Reserved];
    assert_eq!(events(&effects), expected);
    assert_eq!(effects.deltas, BTreeMap::from([(ItemId(1), -2)]));
    assert_eq!(effects.poison, []);
}

#[test]
fn releasing_what_was_never_reserved_bars_it() {
    let commands = numbered(vec![release(1), reserve(1, &[line(1, 2)]), release(1)]);
    let effects = apply(shelves(&[(1, 5)]), &commands);
    let events = events(&effects);
    assert_eq!(events[0], Event::Released);
    assert_eq!(code(&events[1]), Some(RefusalCode::Barred));
    assert_eq!(events[2], Event::Released);
    assert!(effects.deltas.is_empty() && effects.movements.is_empty());
}

#[test]
fn a_line_that_is_not_positive_is_refused() {
    for quantity in [0, -1, i64::MIN] {
        let commands = numbered(vec![reserve(1, &[line(1, 1), line(1, quantity)])]);
        let effects = apply(shelves(&[(1, 5)]), &commands);
        assert_eq!(
            code(&effects.replies[0].event),
            Some(RefusalCode::BadRequest)
        );
        assert!(effects.deltas.is_empty());
    }
}

/// What a database would hold after each batch.
#[derive(Default)]
struct Store {
    shelves: Shelves,
    movements: Vec<Movement>,
}

impl Store {
    fn batch(&mut self, commands: &[(i64, StockCommand)]) -> Effects {
        let mut shelves = self.shelves.clone();
        shelves.held.clear();
        for movement in &self.movements {
            let held = shelves.held.entry(movement.saga_id).or_default();
            match held.iter_mut().find(|l| l.item_id == movement.item_id) {
                Some(line) => line.quantity.0 -= movement.delta,
                None => held.push(line(movement.item_id.0, -movement.delta)),
            }
        }
        for held in shelves.held.values_mut() {
            held.retain(|line| line.quantity.0 > 0);
        }
        let effects = apply(shelves, commands);
        for (item_id, delta) in &effects.deltas {
            *self.shelves.stock.get_mut(item_id).unwrap() += delta;
        }
        for row in &effects.answered {
            let before = self
                .shelves
                .answered
                .insert((SagaId(row.saga_id), row.step), given(row));
            assert_eq!(before, None, "an answer is stored once");
        }
        self.movements.extend(&effects.movements);
        effects
    }
}

fn any_command() -> impl Strategy<Value = StockCommand> {
    // The lines of a saga are always the same: a redelivery repeats its command.
    (0..12_i64, any::<bool>()).prop_map(|(saga_id, releasing)| {
        if releasing {
            release(saga_id)
        } else {
            reserve(
                saga_id,
                &[line(saga_id % 3, 1 + saga_id % 4), line(3 + saga_id % 2, 2)],
            )
        }
    })
}

proptest! {
    #[test]
    fn whatever_is_delivered_stock_is_conserved_and_every_step_acts_once(
        commands in prop::collection::vec(any_command(), 0..80),
        cuts in prop::collection::vec(1..8_usize, 1..40),
        start in 0..12_i64,
    ) {
        let mut store = Store::default();
        store.shelves.stock = (0..5).map(|id| (ItemId(id), start)).collect();
        let mut replies: HashMap<(SagaId, bool), Event> = HashMap::new();
        let mut rest = &numbered(commands)[..];
        let mut sizes = cuts.into_iter().cycle();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            rest = later;
            let effects = store.batch(batch);
            prop_assert_eq!(effects.replies.len(), batch.len());
            for ((_, command), reply) in batch.iter().zip(&effects.replies) {
                let key = (command.saga_id, matches!(command.step, StockStep::Release));
                let first = replies.entry(key).or_insert_with(|| reply.event.clone());
                prop_assert_eq!(&*first, &reply.event, "a step always answers the same");
            }
            prop_assert!(store.shelves.stock.values().all(|stock| *stock >= 0));
        }
        for (item_id, stock) in &store.shelves.stock {
            let moved: i64 = store.movements.iter()
                .filter(|m| m.item_id == *item_id).map(|m| m.delta).sum();
            prop_assert_eq!(start + moved, *stock);
        }
        let mut seen = HashSet::new();
        for movement in &store.movements {
            let taking = movement.delta < 0;
            prop_assert!(seen.insert((movement.saga_id, movement.item_id, taking)));
            prop_assert!(taking || seen.contains(&(movement.saga_id, movement.item_id, true)));
        }
        for (saga_id, releasing) in replies.keys() {
            if *releasing {
                let left: i64 = store.movements.iter()
                    .filter(|m| m.saga_id == *saga_id).map(|m| m.delta).sum();
                prop_assert_eq!(left, 0, "a released saga holds nothing");
            }
        }
    }
}

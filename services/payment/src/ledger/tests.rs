use proptest::prelude::*;

use super::*;

fn charge(saga_id: i64, user_id: i64, amount: i64) -> PaymentCommand {
    PaymentCommand {
        saga_id: SagaId(saga_id),
        order_id: OrderId(saga_id * 10),
        step: PaymentStep::Charge {
            user_id: UserId(user_id),
            amount: Credits(amount),
        },
    }
}

fn refund(saga_id: i64) -> PaymentCommand {
    PaymentCommand {
        saga_id: SagaId(saga_id),
        order_id: OrderId(saga_id * 10),
        step: PaymentStep::Refund,
    }
}

fn accounts(credit: &[(i64, i64)]) -> Accounts {
    Accounts {
        credit: credit.iter().map(|(id, n)| (UserId(*id), *n)).collect(),
        ..Accounts::default()
    }
}

fn numbered(commands: Vec<PaymentCommand>) -> Vec<(i64, PaymentCommand)> {
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
        Event::ChargeRefused { refusal } => Some(refusal.code),
        _ => None,
    }
}

#[test]
fn a_user_is_charged_only_what_is_there() {
    let commands = numbered(vec![
        charge(1, 1, 7),
        charge(2, 1, 7),
        refund(1),
        charge(3, 1, 10),
        charge(4, 9, 1),
        charge(5, 1, -1),
    ]);
    let effects = apply(accounts(&[(1, 10)]), &commands);
    let events = events(&effects);
    assert_eq!(events[0], Event::Charged);
    assert_eq!(code(&events[1]), Some(RefusalCode::OutOfCredit));
    assert_eq!(events[2], Event::Refunded);
    assert_eq!(events[3], Event::Charged);
    assert_eq!(code(&events[4]), Some(RefusalCode::NotFound));
    assert_eq!(code(&events[5]), Some(RefusalCode::BadRequest));
    assert_eq!(effects.deltas, BTreeMap::from([(UserId(1), -10)]));
    assert_eq!(effects.movements.len(), 3);
}

#[test]
fn a_redelivered_payment_charges_once() {
    let commands = numbered(vec![charge(1, 1, 4), charge(1, 1, 4)]);
    let effects = apply(accounts(&[(1, 10)]), &commands);
    assert_eq!(effects.replies[0], effects.replies[1]);
    assert_eq!(effects.movements.len(), 1);

    let mut later = accounts(&[(1, 6)]);
    let reply = effects.replies[0].clone();
    let given = given(&effects.answered[0]);
    later.answered.insert((SagaId(1), CHARGE), given);
    let again = apply(later, &commands[..1]);
    assert_eq!(again.replies, [reply]);
    assert!(again.deltas.is_empty() && again.movements.is_empty() && again.answered.is_empty());
}

#[test]
fn refunding_what_was_never_charged_bars_it() {
    let commands = numbered(vec![refund(1), charge(1, 1, 4), refund(1)]);
    let effects = apply(accounts(&[(1, 10)]), &commands);
    let events = events(&effects);
    assert_eq!(events[0], Event::Refunded);
    assert_eq!(code(&events[1]), Some(RefusalCode::Barred));
    assert_eq!(events[2], Event::Refunded);
    assert!(effects.deltas.is_empty() && effects.movements.is_empty());
}

#[test]
fn a_redelivered_charge_of_another_user_or_amount_is_poison_and_never_answered() {
    let effects = apply(accounts(&[(1, 10)]), &numbered(vec![charge(1, 1, 7)]));
    let other_order = PaymentCommand {
        order_id: OrderId(11),
        ..charge(1, 1, 7)
    };
    for other in [
        charge(1, 1, 8),
        charge(1, 2, 7),
        charge(1, 7, 1),
        other_order,
    ] {
        let mut later = accounts(&[(1, 3), (2, 10), (7, 10)]);
        later
            .answered
            .insert((SagaId(1), CHARGE), given(&effects.answered[0]));
        let again = apply(later, &numbered(vec![other, charge(2, 2, 1)]));
        assert_eq!(again.poison, [(SagaId(1), CHARGE)]);
        assert_eq!(events(&again), [Event::Charged], "the next one goes on");
        assert_eq!(again.deltas, BTreeMap::from([(UserId(2), -1)]));
    }
}

#[test]
fn a_free_order_is_charged_without_effect() {
    let effects = apply(accounts(&[(1, 0)]), &numbered(vec![charge(1, 1, 0)]));
    assert_eq!(events(&effects), [Event::Charged]);
    assert!(effects.deltas.is_empty() && effects.movements.is_empty());
}

/// What a database would hold after each batch.
#[derive(Default)]
struct Store {
    accounts: Accounts,
    movements: Vec<Movement>,
}

impl Store {
    fn batch(&mut self, commands: &[(i64, PaymentCommand)]) -> Effects {
        let mut accounts = self.accounts.clone();
        for movement in &self.movements {
            let charge = accounts
                .charged
                .entry(movement.saga_id)
                .or_insert((movement.user_id, Credits(0)));
            charge.1.0 -= movement.delta;
        }
        accounts.charged.retain(|_, (_, amount)| amount.0 > 0);
        let effects = apply(accounts, commands);
        for (user_id, delta) in &effects.deltas {
            *self.accounts.credit.get_mut(user_id).unwrap() += delta;
        }
        for row in &effects.answered {
            let before = self
                .accounts
                .answered
                .insert((SagaId(row.saga_id), row.step), given(row));
            assert_eq!(before, None, "an answer is stored once");
        }
        self.movements.extend(&effects.movements);
        effects
    }
}

fn any_command() -> impl Strategy<Value = PaymentCommand> {
    // The charge of a saga is always the same: a redelivery repeats its command.
    (0..12_i64, any::<bool>()).prop_map(|(saga_id, refunding)| {
        if refunding {
            refund(saga_id)
        } else {
            charge(saga_id, saga_id % 3, saga_id % 5)
        }
    })
}

proptest! {
    #[test]
    fn whatever_is_delivered_credit_is_conserved_and_every_step_acts_once(
        commands in prop::collection::vec(any_command(), 0..80),
        cuts in prop::collection::vec(1..8_usize, 1..40),
        start in 0..12_i64,
    ) {
        let mut store = Store::default();
        store.accounts.credit = (0..3).map(|id| (UserId(id), start)).collect();
        let mut replies: HashMap<(SagaId, bool), Event> = HashMap::new();
        let mut rest = &numbered(commands)[..];
        let mut sizes = cuts.into_iter().cycle();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            rest = later;
            let effects = store.batch(batch);
            prop_assert_eq!(effects.replies.len(), batch.len());
            for ((_, command), reply) in batch.iter().zip(&effects.replies) {
                let key = (command.saga_id, matches!(command.step, PaymentStep::Refund));
                let first = replies.entry(key).or_insert_with(|| reply.event.clone());
                prop_assert_eq!(&*first, &reply.event, "a step always answers the same");
            }
            prop_assert!(store.accounts.credit.values().all(|credit| *credit >= 0));
        }
        for (user_id, credit) in &store.accounts.credit {
            let moved: i64 = store.movements.iter()
                .filter(|m| m.user_id == *user_id).map(|m| m.delta).sum();
            prop_assert_eq!(start + moved, *credit);
        }
        for saga_id in (0..12).map(SagaId) {
            let of_saga: Vec<i64> = store.movements.iter()
                .filter(|m| m.saga_id == saga_id).map(|m| m.delta).collect();
            let charged_once = matches!(of_saga[..], [] | [..=-1]);
            let and_refunded = matches!(of_saga[..], [charge, refund] if charge == -refund && charge < 0);
            prop_assert!(charged_once || and_refunded, "{:?}", of_saga);
            if replies.contains_key(&(saga_id, true)) {
                prop_assert_eq!(of_saga.iter().sum::<i64>(), 0, "a refunded saga holds nothing");
            }
        }
    }
}

//! What must be true of the shop: in every state, and once all is quiet.

use super::{
    books::Books,
    orders::{Phase, owners},
    shop::{GOODS, SAGAS, Service, Shop},
    world::{Request, World},
};

/// How much of a saga a participant has: all it was to take, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    None,
    All,
}

fn share(taken: [i8; GOODS], wanted: [i8; GOODS]) -> Result<Share, String> {
    if taken == [0; GOODS] {
        Ok(Share::None)
    } else if taken == wanted {
        Ok(Share::All)
    } else {
        Err(format!("{taken:?} is taken of {wanted:?}"))
    }
}

/// Nothing is negative, and nothing is made or lost.
pub(crate) fn balance(books: &Books, initial: [i8; GOODS]) -> Result<(), String> {
    for (good, (left, initial)) in books.left.iter().zip(initial).enumerate() {
        let taken: i8 = books.taken.iter().map(|taken| taken[good]).sum();
        if *left < 0 {
            return Err(format!("{left} left"));
        }
        if left + taken != initial {
            return Err(format!("{left} left and {taken} taken of {initial}"));
        }
    }
    Ok(())
}

pub(crate) fn check(shop: &Shop, world: &World) -> Result<(), String> {
    if world.impossible {
        return Err("an answer that no participant can give".into());
    }
    for service in Service::ALL {
        balance(
            &world.counter(service).books,
            supplied(shop, world, service),
        )?;
    }
    let mut shares = Vec::with_capacity(SAGAS);
    for saga in 0..SAGAS {
        shares.push(sagas_share(shop, world, saga)?);
    }
    for order in 0..world.orders.len() {
        orders(world, order, &shares)?;
    }
    for (number, request) in world.requests.iter().enumerate() {
        answer(shop, world, number, *request, &shares)?;
    }
    Ok(())
}

fn supplied(shop: &Shop, world: &World, service: Service) -> [i8; GOODS] {
    let (initial, more, came) = match service {
        Service::Stock => (shop.stock, shop.restock, world.restocked),
        Service::Payment => ([shop.credit, 0], [shop.top_up, 0], world.topped_up),
    };
    let mut supplied = initial;
    for (good, more) in supplied.iter_mut().zip(more) {
        *good += if came { more } else { 0 };
    }
    supplied
}

/// What a saga has of the stock and of the credit, as far as its state allows it.
fn sagas_share(shop: &Shop, world: &World, number: usize) -> Result<[Share; 2], String> {
    let saga = u8::try_from(number).unwrap_or(u8::MAX);
    let owners = owners(&world.sagas);
    let of = |service| {
        let taken = world.counter(service).books.taken[number];
        share(taken, shop.wanted(service, &owners, saga))
    };
    let shares = [of(Service::Stock)?, of(Service::Payment)?];
    let phase = world.sagas[number].phase;
    let allowed = match phase {
        Phase::Reserving => shares[1] == Share::None,
        Phase::Charging => shares[0] == Share::All,
        Phase::Releasing(_) => shares[1] == Share::None,
        Phase::Completed => shares == [Share::All; 2],
        Phase::Unborn | Phase::RolledBack | Phase::Rejected(_) => shares == [Share::None; 2],
    };
    if allowed {
        Ok(shares)
    } else {
        Err(format!("a saga has {shares:?} in {phase:?}"))
    }
}

/// An order is paid by exactly one of its attempts, or by none; when all is quiet, it is all or nothing.
fn orders(world: &World, number: usize, shares: &[[Share; 2]]) -> Result<(), String> {
    let attempts = (0..SAGAS).filter(|&saga| usize::from(world.sagas[saga].order) == number);
    let attempts: Vec<usize> = attempts.collect();
    let is_taken_twice = |service: usize| {
        let whole = |saga: &&usize| shares[**saga][service] == Share::All;
        attempts.iter().filter(whole).count() > 1
    };
    if (0..2).any(is_taken_twice) {
        return Err("an order is taken twice".into());
    }
    let completed = attempts
        .iter()
        .any(|&saga| world.sagas[saga].phase == Phase::Completed);
    if world.orders[number].paid != completed {
        return Err("paid and completed differ".into());
    }
    let whole = attempts
        .iter()
        .filter(|&&saga| shares[saga] == [Share::All; 2]);
    let any = attempts
        .iter()
        .any(|&saga| shares[saga] != [Share::None; 2]);
    let is_one = whole.count() == 1;
    if world.is_quiet() && (any != is_one || is_one != world.orders[number].paid) {
        return Err("an order ends torn".into());
    }
    Ok(())
}

/// What a client was told is true from then on.
fn answer(
    shop: &Shop,
    world: &World,
    number: usize,
    request: Request,
    shares: &[[Share; 2]],
) -> Result<(), String> {
    let order = shop.requests[number];
    let is_paid = world.orders[usize::from(order)].paid;
    match request {
        Request::Paid if !is_paid => Err("acknowledged and not paid".into()),
        Request::Rejected(saga) if shares[usize::from(saga)] != [Share::None; 2] => {
            Err("rejected and not without effect".into())
        }
        Request::Refused(_) => Err("an order that can be checked out is refused".into()),
        Request::Rejected(_) if world.is_quiet() => {
            let others = shop.requests.iter().zip(world.requests);
            let mut others = others.filter(|(of, _)| **of == order);
            let all_rejected =
                others.all(|(_, other)| matches!(other, Request::Rejected(_) | Request::Unsent));
            if all_rejected && is_paid {
                return Err("rejected by every answer, and paid".into());
            }
            Ok(())
        }
        Request::Paid
        | Request::Rejected(_)
        | Request::Unsent
        | Request::Waiting(_)
        | Request::Unknown => Ok(()),
    }
}

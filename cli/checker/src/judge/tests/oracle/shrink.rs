use super::world::World;

/// The smallest world found that still fails: one thing after another is left out.
pub(super) fn shrunk(mut world: World, fails: impl Fn(&World) -> bool) -> World {
    loop {
        let smaller = candidates(&world)
            .into_iter()
            .find(|smaller| fails(smaller));
        match smaller {
            Some(smaller) => world = smaller,
            None => return world,
        }
    }
}

fn candidates(world: &World) -> Vec<World> {
    let mut all = Vec::new();
    let mut without = |length: usize, leave_out: &dyn Fn(&mut World, usize)| {
        for at in 0..length {
            let mut smaller = world.clone();
            leave_out(&mut smaller, at);
            all.push(smaller);
        }
    };
    let initial = &world.initial;
    without(world.history.attempts.len(), &|w, at| {
        _ = w.history.attempts.remove(at)
    });
    without(initial.orders.len(), &|w, at| {
        _ = w.initial.orders.remove(at)
    });
    without(initial.paid_orders.len(), &|w, at| {
        _ = w.initial.paid_orders.remove(at)
    });
    without(initial.users.len(), &|w, at| _ = w.initial.users.remove(at));
    without(initial.items.len(), &|w, at| _ = w.initial.items.remove(at));
    without(world.evidence.faults.len(), &|w, at| {
        _ = w.evidence.faults.remove(at)
    });
    without(world.snapshots.len(), &|w, at| _ = w.snapshots.remove(at));
    without(world.evidence.split_brains.len(), &|w, at| {
        _ = w.evidence.split_brains.remove(at)
    });
    let direct = world.evidence.direct_writes.as_ref();
    without(direct.map_or(0, |direct| direct.writes.len()), &|w, at| {
        let direct = w.evidence.direct_writes.as_mut();
        _ = direct.map(|direct| direct.writes.remove(at));
    });
    for n in 0..world.snapshots.len() {
        let snapshot = &world.snapshots[n];
        without(snapshot.orders.len(), &|w, at| {
            _ = w.snapshots[n].orders.remove(at)
        });
        without(snapshot.users.len(), &|w, at| {
            _ = w.snapshots[n].users.remove(at)
        });
        without(snapshot.items.len(), &|w, at| {
            _ = w.snapshots[n].items.remove(at)
        });
        without(snapshot.payment_movements.len(), &|w, at| {
            _ = w.snapshots[n].payment_movements.remove(at);
        });
        without(snapshot.stock_movements.len(), &|w, at| {
            _ = w.snapshots[n].stock_movements.remove(at);
        });
        without(snapshot.sagas.len(), &|w, at| {
            _ = w.snapshots[n].sagas.remove(at)
        });
        without(snapshot.api.orders.len(), &|w, at| {
            _ = w.snapshots[n].api.orders.remove(at)
        });
        without(snapshot.api.users.len(), &|w, at| {
            _ = w.snapshots[n].api.users.remove(at)
        });
        without(snapshot.api.items.len(), &|w, at| {
            _ = w.snapshots[n].api.items.remove(at)
        });
    }
    all
}

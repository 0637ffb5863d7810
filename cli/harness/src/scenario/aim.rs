//! What a step's faults are aimed at: every verb, in one list.

use super::{
    place::{Place, Placed},
    quantity::{Share, Span},
    step::{CountOf, Crash, Held, Hit, Partition, Step},
};
use crate::fault::action::{Action, Count, End, Hold};

/// A fault of a step, whatever its verb.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Aim {
    pub(super) action: Action,
    /// The names that must mean something, and where they stand.
    pub(super) targets: Vec<Placed<String>>,
    pub(super) count: Count,
    /// How long it lasts, for one that is held.
    pub(super) length: Option<Placed<Span>>,
    /// Where its amount stands.
    pub(super) amount: Option<Place>,
}

impl Step {
    /// Its faults that are aimed at targets: one, where the step is right.
    pub(super) fn aims(&self) -> Vec<Aim> {
        let endings = [
            self.kill.as_ref().map(|hit| ending(hit, End::Kill)),
            self.stop.as_ref().map(|hit| ending(hit, End::Stop)),
            self.restart.as_ref().map(|hit| ending(hit, End::Restart)),
            self.wipe.as_ref().map(|hit| ending(hit, End::Wipe)),
        ];
        let holds = [
            self.pause.as_ref().map(|held| holding(held, Hold::Pause)),
            self.isolate
                .as_ref()
                .map(|held| holding(held, Hold::Isolate)),
            self.reset.as_ref().map(|held| holding(held, Hold::Reset)),
            self.fill_disk
                .as_ref()
                .map(|held| holding(held, Hold::FillDisk)),
            self.partition.as_ref().map(cut),
        ];
        let measured = [
            self.loss.as_ref().map(|it| {
                let per_mille = per_mille(*it.share);
                let hold = Hold::Loss { per_mille };
                measured(&it.target, it.count, it.length, it.share.place, hold)
            }),
            self.bandwidth.as_ref().map(|it| {
                let hold = Hold::Bandwidth { to: it.to.0 };
                measured(&it.target, it.count, it.length, it.target.place, hold)
            }),
            self.delay.as_ref().map(|it| {
                let hold = Hold::Delay { ms: it.by.millis() };
                measured(&it.target, it.count, it.length, it.by.place, hold)
            }),
            self.throttle.as_ref().map(|it| {
                let hold = Hold::Throttle { to: it.to.0 };
                measured(&it.target, it.count, it.length, it.target.place, hold)
            }),
        ];
        let aims = endings.into_iter().chain(holds).chain(measured);
        aims.flatten().collect()
    }

    /// What its fault does; nothing where it has none, or one that validation refuses.
    pub(super) fn action(&self) -> Option<Action> {
        let aimed = self.aims().into_iter().next().map(|aim| aim.action);
        aimed.or_else(|| self.crash.as_ref().and_then(Crash::action))
    }
}

impl Crash {
    /// Nothing where there is no such failpoint.
    fn action(&self) -> Option<Action> {
        let crash = self.at.parse().ok()?;
        Some(Action::Crash { crash })
    }
}

fn ending(hit: &Hit, end: fn(String) -> End) -> Aim {
    let count = count(hit.count);
    Aim {
        action: Action::End {
            end: end(hit.target.value.clone()),
            count,
        },
        targets: vec![hit.target.clone()],
        count,
        length: None,
        amount: None,
    }
}

fn holding(held: &Held, hold: Hold) -> Aim {
    let count = count(held.count);
    Aim {
        action: action(hold, &held.target, count, held.length),
        targets: vec![held.target.clone()],
        count,
        length: Some(held.length),
        amount: None,
    }
}

fn cut(cut: &Partition) -> Aim {
    let sides = &cut.between.value;
    let side = |name: &String| Placed {
        value: name.clone(),
        place: cut.between.place,
    };
    let hold = Hold::Partition {
        with: sides.with.clone(),
        way: sides.way,
    };
    Aim {
        action: action(hold, &sides.from, Count::All, cut.length),
        targets: vec![side(&sides.from), side(&sides.with)],
        count: Count::All,
        length: Some(cut.length),
        amount: None,
    }
}

fn measured(
    target: &Placed<String>,
    count_of: Option<CountOf>,
    length: Placed<Span>,
    amount: Place,
    hold: Hold,
) -> Aim {
    let count = count(count_of);
    Aim {
        action: action(hold, target, count, length),
        targets: vec![target.clone()],
        count,
        length: Some(length),
        amount: Some(amount),
    }
}

fn action(hold: Hold, target: &str, count: Count, length: Placed<Span>) -> Action {
    Action::Hold {
        hold,
        target: target.to_owned(),
        count,
        for_ms: length.millis(),
    }
}

fn count(count: Option<CountOf>) -> Count {
    count.map_or(Count::Default, |count| count.0)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is from 0 to 100"
)]
fn per_mille(share: Share) -> u32 {
    (share.0 * 10.0).round() as u32
}

//! What can be wrong with one step by itself.

use super::Found;
use crate::{
    fault::action::{Action, Hold},
    scenario::{
        aim::Aim,
        place::Place,
        step::{Random, Step},
    },
};

/// That it does one thing, and says only what belongs to that.
pub(super) fn check_step(step: &Step, place: Place, found: &mut Found) {
    let others = [
        step.crash.is_some(),
        step.wait.is_some(),
        step.load.is_some(),
        step.random.is_some(),
    ];
    let others = others.iter().filter(|there| **there).count();
    let count = step.aims().len() + others;
    if count != 1 {
        let message = format!("a step does one thing, and this one has {count}");
        found.say(
            place,
            message,
            "exactly one fault, or one of wait, load and random",
        );
    }
    if step.weight.is_some() {
        found.say(
            place,
            "`weight` belongs to a fault that may be drawn",
            "put it beside a fault under random.faults",
        );
    }
    let waits = !step.after.is_zero() || step.when.is_some() || step.expect.is_some();
    if !step.is_fault() && (waits || step.within.is_some()) {
        found.say(
            place,
            "`after`, `when`, `within` and `expect` belong to a fault",
            "put them beside a fault such as `kill`, or use a step `wait` or `load`",
        );
    }
    if step.within.is_some() && step.when.is_none() {
        found.say(
            place,
            "`within` has nothing to wait for",
            "add `when`, or leave it out",
        );
    }
    let nothing = step.load.is_some_and(|stretch| stretch.length.is_zero())
        || step
            .wait
            .as_ref()
            .is_some_and(|wait| wait.timeout.is_zero());
    if nothing {
        found.say(
            place,
            "this takes no time at all",
            "give it some, for example 20s",
        );
    }
}

/// That it draws something that can be drawn.
pub(super) fn check_random(random: &Random, place: Place, found: &mut Found) {
    if random.faults.is_empty() {
        found.say(
            place,
            "there is no fault to draw",
            "list some under `faults`",
        );
    }
    if random.every.to > random.length {
        found.say(
            place,
            format!("in {} there may be no fault at all", random.length),
            format!("`for` is at least the longest pause, {}", random.every.to),
        );
    }
    if !(1..=10).contains(&*random.at_most) {
        found.say(
            random.at_most.place,
            "at_most is out of range",
            "from 1 to 10",
        );
    }
    for fault in &random.faults {
        let bare = Step {
            weight: None,
            ..fault.value.clone()
        };
        check_step(&bare, fault.place, found);
        let timed = !fault.after.is_zero() || fault.when.is_some() || fault.crash.is_some();
        if timed || !fault.is_fault() {
            found.say(
                fault.place,
                "this cannot be drawn",
                "a fault with a target, without `after` and `when`: the block says when",
            );
        }
        if let Some(weight) = &fault.weight
            && !(1..=1000).contains(&**weight)
        {
            found.say(weight.place, "weight is out of range", "from 1 to 1000");
        }
    }
}

/// Its length and its amount.
pub(super) fn check_aim(aim: &Aim, found: &mut Found) {
    if let Some(length) = aim.length
        && length.is_zero()
    {
        found.say(
            length.place,
            "this fault would last no time at all",
            "give it some, for example 20s",
        );
    }
    let Action::Hold { hold, .. } = &aim.action else {
        return;
    };
    let amount = aim.amount.unwrap_or_default();
    match hold {
        Hold::Loss { per_mille: 0 } => {
            found.say(amount, "nothing would be lost", "from 0.1% to 100%");
        }
        Hold::Delay { ms } if !(1..=60_000).contains(ms) => {
            found.say(amount, "this delay is out of range", "from 1ms to 60s");
        }
        _ => {}
    }
}

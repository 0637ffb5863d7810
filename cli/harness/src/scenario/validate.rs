//! Whether a scenario makes sense. Everything that can be known before a stack is there is said here.

mod step;

use std::collections::BTreeSet;

use protocol::{db::Role, failpoint::Failpoint};

use self::step::{check_aim, check_random, check_step};
use super::{
    ImagesName, Scenario, Settle, VERSION,
    aim::Aim,
    file::Mistake,
    place::{Place, Placed},
    step::{Crash, Step},
};
use crate::{
    cluster::StackName,
    error::Error,
    fault::action::Count,
    target::{Target, Victim, World, near},
};

impl Scenario {
    /// Everything that is wrong, in the order of the file. `world` is what the stack will be.
    #[must_use]
    pub fn validate(&self, world: &World) -> Vec<Mistake> {
        let mut found = Found::default();
        self.check_alone(&mut found);
        self.check_victims(&mut found, world);
        found.0.sort();
        found.0
    }

    /// Everything that is wrong whatever the stack is: for a scenario whose targets the stack itself will tell.
    #[must_use]
    pub fn validate_alone(&self) -> Vec<Mistake> {
        let mut found = Found::default();
        self.check_alone(&mut found);
        found.0.sort();
        found.0
    }

    fn check_alone(&self, found: &mut Found) {
        self.check_head(found);
        self.check_load(found);
        self.check_timeline(found);
        self.check_settle(found);
        self.check_evidence(found);
    }

    fn check_head(&self, found: &mut Found) {
        if *self.version != VERSION {
            let version = *self.version;
            found.say(
                self.version.place,
                format!("version {version} of the format is not known"),
                format!("this program reads version {VERSION}"),
            );
        }
        let plain = |name: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            !name.is_empty() && name.len() <= 60 && name.chars().all(fits)
        };
        if !plain(&self.name) {
            found.say(
                self.name.place,
                format!("`{}` cannot name a run", *self.name),
                "letters, digits, `-` and `_`, at most 60",
            );
        }
        for tag in self.tags.iter().filter(|tag| !plain(tag)) {
            found.say(
                self.name.place,
                format!("`{tag}` is not a tag"),
                "letters, digits, `-` and `_`",
            );
        }
        let mut gaps = BTreeSet::new();
        for gap in self.known_gaps.iter().filter(|gap| !gaps.insert(&gap.id)) {
            found.say(
                self.name.place,
                format!("two known gaps are called `{}`", gap.id),
                "give each an id of its own",
            );
        }
    }

    fn check_load(&self, found: &mut Found) {
        for (value, least, what) in [(self.data.users, 1, "users"), (self.data.items, 2, "items")] {
            if !(least..=100_000).contains(&*value) {
                found.say(
                    value.place,
                    format!("{} {what} are not possible", *value),
                    format!("from {least} to 100000"),
                );
            }
        }
        if *self.load.retries > 100 {
            found.say(self.load.retries.place, "too many retries", "at most 100");
        }
        let breaks = |step: &Placed<Step>| step.is_fault() || step.random.is_some();
        if self.load.mix.checkouts() <= 0.0 && self.timeline.iter().any(breaks) {
            found.say(
                self.name.place,
                "the mix has no checkouts: nothing could be proved",
                "give `checkout` a share of load.mix",
            );
        }
        if self.no_load && self.baseline.is_some() {
            found.say(
                self.name.place,
                "a baseline is of load, and there is none",
                "leave out `baseline` or `no_load`",
            );
        }
        if let Some(baseline) = &self.baseline
            && (baseline.length.is_zero() || baseline.length > baseline.timeout)
        {
            found.say(
                self.name.place,
                format!(
                    "a baseline of {} cannot be reached within {}",
                    baseline.length, baseline.timeout
                ),
                "baseline.for is above 0 and at most baseline.timeout",
            );
        }
    }

    fn check_timeline(&self, found: &mut Found) {
        for step in &self.timeline {
            check_step(step, step.place, found);
            if let Some(crash) = &step.crash {
                self.check_crash(step, crash, found);
            }
            if let Some(random) = &step.random {
                check_random(random, step.place, found);
            }
            for aim in &aims(step) {
                check_aim(aim, found);
            }
        }
        let Some(last) = self.timeline.last() else {
            let hint = "a quiet run is `- load: { for: 60s }`";
            found.say(self.name.place, "the timeline is empty", hint);
            return;
        };
        if last.is_fault() || last.random.is_some() {
            found.say(
                last.place,
                "nothing follows this fault, so nobody would see the shop serve again",
                "end the timeline with `- load: { for: 20s }`",
            );
        }
    }

    fn check_victims(&self, found: &mut Found, world: &World) {
        let mut hit_database = false;
        for step in &self.timeline {
            let condition = step
                .when
                .as_ref()
                .or(step.wait.as_ref().map(|wait| &wait.until));
            if let Some(condition) = condition
                && condition.wants_new_primary()
                && !hit_database
            {
                found.say(
                    condition.place,
                    "no primary was hit before this, so there will be no new one",
                    "kill for example stock-db-primary in a step before",
                );
            }
            for aim in &aims(step) {
                let victims = check_targets(aim, world, found);
                let fails_over = victims.iter().any(|victim| fails_over(victim, world));
                hit_database |= fails_over;
                let wants = step.expect.and_then(|expect| expect.new_primary_within);
                if let [target, ..] = aim.targets.as_slice()
                    && wants.is_some()
                    && !fails_over
                    && !victims.is_empty()
                {
                    found.say(
                        target.place,
                        format!("no new primary can come of `{}`", aim.action),
                        "new_primary_within is for the primary of a database that has standbys",
                    );
                }
            }
        }
    }

    fn check_crash(&self, step: &Step, crash: &Crash, found: &mut Found) {
        let place = crash.at.place;
        if crash.at.parse::<Failpoint>().is_err() {
            let known = Crash::names();
            let hint = near::hint(&near::names(&crash.at, &known), &known);
            let message = format!("there is no failpoint `{}`", *crash.at);
            found.say(place, message, hint);
        }
        if self.stack.images != ImagesName::Test {
            found.say(
                place,
                "release images have no failpoints",
                "say `stack: { images: test }`",
            );
        }
        if step.expect.is_some_and(|e| e.new_primary_within.is_some()) {
            found.say(
                place,
                "no new primary can come of a crash of a service",
                "new_primary_within is for the primary of a database that has standbys",
            );
        }
    }

    fn check_settle(&self, found: &mut Found) {
        for (name, value, least, why) in [
            (
                "timeout",
                self.settle.timeout,
                Settle::TIMEOUT_MIN,
                "a checkout may take its deadline, and the stack 30s after that",
            ),
            (
                "stable_for",
                self.settle.stable_for,
                Settle::STABLE_FOR_MIN,
                "two reads that are closer say nothing about rest",
            ),
        ] {
            if *value < least {
                found.say(
                    value.place,
                    format!("settle.{name} of {} is too short", *value),
                    format!("at least {least}: {why}"),
                );
            }
        }
    }

    /// Evidence that not even an undisturbed shop can give.
    fn check_evidence(&self, found: &mut Found) {
        let Some(wanted) = self.evidence.min_ok_checkouts else {
            return;
        };
        let per_second = self.load.rate.0 * self.load.mix.checkouts();
        let mut seconds = self
            .baseline
            .as_ref()
            .map_or(0.0, |b| b.length.0.as_secs_f64());
        for step in &self.timeline {
            let waited_for = step.when.as_ref().map_or(0, |when| when.ok_checkouts_min());
            seconds = (seconds + step.after.0.as_secs_f64()).max(waited_for as f64 / per_second);
            let stretch = step.load.map(|stretch| stretch.length);
            let random = step.random.as_ref().map(|random| random.length);
            seconds += stretch.or(random).unwrap_or_default().0.as_secs_f64();
        }
        let most = per_second * seconds;
        if wanted as f64 > most {
            found.say(
                self.evidence.place,
                format!("{wanted} ok checkouts cannot be reached: the timeline is sure of {most:.0}"),
                format!(
                    "{per_second:.0} checkouts/s for {seconds:.0} s; lengthen a `load`, raise load.rate \
                     or ask for less"
                ),
            );
        }
    }
}

/// What was found to be wrong.
#[derive(Default)]
struct Found(Vec<Mistake>);

impl Found {
    fn say(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Mistake {
            place,
            message: message.into(),
            hint: Some(hint.into()),
        });
    }
}

/// Of the step itself, and of everything that it may draw.
fn aims(step: &Step) -> Vec<Aim> {
    let drawn = step.random.iter().flat_map(|random| &random.faults);
    let drawn = drawn.map(|fault| &fault.value);
    std::iter::once(step)
        .chain(drawn)
        .flat_map(Step::aims)
        .collect()
}

/// What the first target would be, where all of them are something.
fn check_targets(aim: &Aim, world: &World, found: &mut Found) -> Vec<Victim> {
    let mut sides = aim
        .targets
        .iter()
        .map(|target| check_target(target, aim.count, world, found));
    let first = sides.next().unwrap_or_default();
    // Each further side has its say.
    sides.for_each(drop);
    first
}

/// What the target would be, where it is something.
fn check_target(
    name: &Placed<String>,
    count: Count,
    world: &World,
    found: &mut Found,
) -> Vec<Victim> {
    let Ok(target) = name.parse::<Target>();
    let Ok(stack) = "webshop".parse::<StackName>() else {
        return Vec::new();
    };
    let place = name.place;
    match world.resolve(&target, &stack) {
        Ok(victims) => {
            let wanted = count.of(victims.len(), 1);
            if wanted > victims.len() {
                found.say(
                    place,
                    format!("`{target}` is {} tasks, not {wanted}", victims.len()),
                    "ask for fewer, or for `all`",
                );
            }
            victims
        }
        Err(Error::UnknownTarget { near, known, .. }) => {
            let message = format!("nothing is called `{target}`");
            found.say(place, message, near::hint(&near, &known));
            Vec::new()
        }
        Err(error) => {
            found.say(
                place,
                error.to_string(),
                "this profile of the stack has no such thing",
            );
            Vec::new()
        }
    }
}

/// Whether it is the primary of a database that has somebody to take over.
fn fails_over(victim: &Victim, world: &World) -> bool {
    let Some(node) = victim
        .node
        .as_ref()
        .filter(|node| node.role == Role::Primary)
    else {
        return false;
    };
    let database = world
        .databases
        .iter()
        .find(|known| known.name == node.database);
    database.is_some_and(|database| database.nodes.len() > 1)
}

#[cfg(test)]
mod tests;

//! The command that makes a run like this one: the same load, from the same seed.

use std::time::Duration;

use crate::{load::Mix, run::plan::Plan};

/// What `webshop load` and `webshop chaos` take where nothing is said.
const RATE: f64 = 100.0;
const LOAD: Duration = Duration::from_secs(60);
const FAULT_AT: Duration = Duration::from_secs(10);
const AFTER_FAULT: Duration = Duration::from_secs(20);

/// The plan's own command, with whatever of its load that command leaves out.
pub(super) fn command(plan: &Plan) -> String {
    let mut command = plan.command.clone();
    let Some(load) = &plan.load else {
        return command;
    };
    let is_load = command.starts_with("webshop load");
    if !is_load && !command.starts_with("webshop chaos") {
        return command;
    }
    let mut say = |option: &str, value: Option<String>| {
        if let Some(value) = value
            && !command.split_whitespace().any(|word| word == option)
        {
            command += &format!(" {option} {value}");
        }
    };
    let length = Duration::from_millis(load.length_ms);
    if is_load {
        say("--for", unless(length, LOAD));
    } else if let [fault] = plan.faults().collect::<Vec<_>>().as_slice() {
        say("--at", unless(fault.after(), FAULT_AT));
        let after = length.saturating_sub(fault.after());
        say("--for", unless(after, AFTER_FAULT));
    }
    let profile = &load.profile;
    let is_usual = (profile.rate - RATE).abs() < f64::EPSILON;
    say("--rate", (!is_usual).then(|| format!("{}/s", profile.rate)));
    let is_usual = profile.mix == Mix::default();
    say("--mix", (!is_usual).then(|| profile.mix.to_string()));
    let retries = profile.retries;
    say("--retries", (retries > 0).then(|| retries.to_string()));
    say("--seed", Some(profile.seed.to_string()));
    command
}

fn unless(length: Duration, usual: Duration) -> Option<String> {
    (length != usual).then(|| written(length))
}

/// As [`crate::units::duration`] reads it.
fn written(length: Duration) -> String {
    let millis = length.as_millis();
    if millis.is_multiple_of(1000) {
        format!("{}s", millis / 1000)
    } else {
        format!("{millis}ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::plan;

    #[test]
    fn what_the_command_leaves_out_is_said() {
        let mut plan = plan();
        assert_eq!(
            command(&plan),
            "webshop chaos --kill stock-db-primary --seed 42"
        );
        let load = plan.load.as_mut().unwrap();
        load.profile.rate = 250.0;
        load.length_ms = 45_500;
        load.profile.mix = "checkout=100%".parse().unwrap();
        assert_eq!(
            command(&plan),
            "webshop chaos --kill stock-db-primary --for 35500ms --rate 250/s --mix checkout=100% --seed 42"
        );
    }

    #[test]
    fn what_the_command_says_is_not_said_twice() {
        let mut plan = plan();
        plan.command = "webshop load --rate 250/s".to_owned();
        plan.load.as_mut().unwrap().profile.rate = 250.0;
        assert_eq!(
            command(&plan),
            "webshop load --rate 250/s --for 30s --seed 42"
        );
        plan.command = "webshop run scenarios/kill.yaml".to_owned();
        assert_eq!(command(&plan), plan.command);
    }
}

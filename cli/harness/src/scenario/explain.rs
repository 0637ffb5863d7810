//! What a scenario will do, in plain words.

use std::{fmt::Write as _, time::Duration};

use super::{ImagesName, Scenario, quantity::Span};
use crate::{
    fault::action::{Action, Count, Hold},
    printable,
    run::plan::{FaultPlan, StepPlan},
    units::human,
};

impl Scenario {
    /// What the file does with this seed, with a timeline.
    #[must_use]
    pub fn explain(&self, seed: u64) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        self.write(seed, &mut text).unwrap_or_default();
        text
    }

    fn write(&self, seed: u64, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{}", *self.name)?;
        if !self.about.is_empty() {
            writeln!(out, "  {}", printable::line(&self.about))?;
        }
        let tags = if self.tags.is_empty() {
            "none".to_owned()
        } else {
            printable::line(&self.tags.join(", "))
        };
        writeln!(
            out,
            "\nSeed {seed}. Tags: {tags}. Stack: {:?} profile{}.",
            self.stack.profile,
            match self.stack.images {
                ImagesName::Release => "",
                ImagesName::Test => ", test images",
            }
        )?;
        if self.no_load {
            writeln!(
                out,
                "No load: such a run is no evidence, and its verdict is UNKNOWN."
            )?;
        } else {
            writeln!(
                out,
                "Load: {} operations ({}) among {} users and {} items; a request is given up after {}.",
                self.load.rate,
                self.load.mix,
                *self.data.users,
                *self.data.items,
                self.load.request_timeout
            )?;
        }
        if self.direct_writes {
            writeln!(
                out,
                "Every database node is written to straight, ten times a second, whoever else can reach it."
            )?;
        }
        writeln!(out, "\nTimeline")?;
        self.write_timeline(seed, out)?;
        self.write_states(out)?;
        writeln!(
            out,
            "\nThen the load stops, every fault is healed, the stack settles within {}, everything is \
             read twice {} apart, and each order is judged.",
            *self.settle.timeout, *self.settle.stable_for
        )?;
        self.write_demands(out)
    }

    fn write_timeline(&self, seed: u64, out: &mut String) -> std::fmt::Result {
        let mut clock = Clock::default();
        if let Some(baseline) = &self.baseline {
            let mut wants = Vec::new();
            wants.extend(
                baseline
                    .require
                    .served
                    .map(|bound| format!("checkouts served {bound}")),
            );
            wants.extend(baseline.require.p99.map(|bound| format!("p99 {bound}")));
            let wants = if wants.is_empty() {
                "some checkouts".to_owned()
            } else {
                wants.join(", ")
            };
            clock.line(
                out,
                &format!(
                    "baseline: {} of load with {wants}, within {}",
                    baseline.length, baseline.timeout
                ),
            )?;
            clock.pass(baseline.length.0);
        }
        for step in self.steps(seed) {
            match step {
                StepPlan::Fault(fault) => {
                    clock.pass(fault.after());
                    clock.line(out, &fault_text(&fault))?;
                    clock.vague |= fault.when.is_some();
                }
                StepPlan::Wait { until, timeout_ms } => {
                    let limit = human(Duration::from_millis(timeout_ms));
                    clock.line(out, &format!("wait until {until}, at most {limit}"))?;
                    clock.vague = true;
                }
                StepPlan::Load { length_ms } => {
                    let length = Duration::from_millis(length_ms);
                    clock.line(out, &format!("load for {}", human(length)))?;
                    clock.pass(length);
                }
            }
        }
        Ok(())
    }

    /// What the states mean that it waits for.
    fn write_states(&self, out: &mut String) -> std::fmt::Result {
        let waits = self.timeline.iter().filter_map(|step| step.wait.as_ref());
        let whens = self.timeline.iter().filter_map(|step| step.when.as_ref());
        let conditions: Vec<_> = waits.map(|wait| &wait.until).chain(whens).collect();
        if conditions
            .iter()
            .any(|condition| condition.wants_new_primary())
        {
            writeln!(
                out,
                "\nnew_primary: each primary that was hit has been followed by another that committed a write."
            )?;
        }
        if conditions.iter().any(|condition| condition.wants_health()) {
            writeln!(
                out,
                "\nstack_healthy: no fault is left, every service runs all of its tasks and says that it is well, every \
                 database has one primary\nwith all of its standbys close behind, and the brokers are in sync."
            )?;
        }
        Ok(())
    }

    fn write_demands(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "\nA PASS needs: every check holds, every fault seen to take effect under load and to heal"
        )?;
        let evidence = &self.evidence;
        for (what, least) in [
            ("ok checkouts in all", evidence.min_ok_checkouts),
            (
                "ok checkouts before the first fault",
                evidence.min_ok_before,
            ),
            ("ok checkouts during the faults", evidence.min_ok_during),
            ("ok checkouts after the last healing", evidence.min_ok_after),
        ] {
            if let Some(least) = least {
                writeln!(out, "  at least {least} {what}")?;
            }
        }
        if let Some(most) = evidence.max_unknown_ratio {
            writeln!(out, "  at most {most} of the operations of unknown outcome")?;
        }
        for (what, bound) in self.slo.bounds() {
            writeln!(out, "  {what} {bound} (else SLO)")?;
        }
        for gap in &self.known_gaps {
            writeln!(
                out,
                "  {} is known ({}, {}): the scenario is green while it shows and red when it does not",
                gap.only,
                printable::line(&gap.id),
                printable::line(&gap.reason)
            )?;
        }
        Ok(())
    }
}

impl super::Slo {
    /// The budgets that are set, as the file writes them.
    #[must_use]
    pub fn bounds(&self) -> Vec<(&'static str, String)> {
        let mut bounds = Vec::new();
        let mut add = |name, bound: Option<String>| bounds.extend(bound.map(|bound| (name, bound)));
        add(
            "checkout.recovery",
            self.recovery.map(|bound| bound.to_string()),
        );
        add(
            "checkout.first_ok",
            self.first_ok.map(|bound| bound.to_string()),
        );
        add(
            "checkout.longest_gap",
            self.longest_gap.map(|bound| bound.to_string()),
        );
        add("checkout.p99", self.p99.map(|bound| bound.to_string()));
        add(
            "checkout.server_errors",
            self.server_errors.map(|bound| bound.to_string()),
        );
        add(
            "served_ratio",
            self.served_ratio.map(|bound| bound.to_string()),
        );
        bounds
    }
}

/// The earliest time of a step; vague after something was waited for.
#[derive(Default)]
struct Clock {
    at: Duration,
    vague: bool,
}

impl Clock {
    fn pass(&mut self, length: Duration) {
        self.at += length;
    }

    fn line(&self, out: &mut String, text: &str) -> std::fmt::Result {
        let sign = if self.vague { "≥" } else { " " };
        writeln!(
            out,
            "  {sign}{:>9}  {}",
            human(self.at),
            printable::line(text)
        )
    }
}

fn action_text(action: &Action) -> String {
    let among = |count: &Count, target: &str| match count {
        Count::All => format!("all tasks of {target}"),
        Count::Exactly(count) => format!("{count} tasks of {target}"),
        Count::Percent(_) | Count::Majority => format!("{count} of the tasks of {target}"),
        Count::Default => target.to_owned(),
    };
    match action {
        Action::End { end, count } => {
            format!("{} {}", action.verb(), among(count, end.target()))
        }
        Action::Crash { crash } => format!(
            "each replica of {} crashes when it gets to {crash}",
            crash.step.service
        ),
        Action::Hold {
            hold: Hold::Partition { .. },
            for_ms,
            ..
        } => format!("{action} for {}", human(Duration::from_millis(*for_ms))),
        Action::Hold {
            target,
            count,
            for_ms,
            ..
        } => {
            let named = action.to_string();
            let what = named.strip_suffix(target.as_str()).unwrap_or(&named);
            format!(
                "{what}{} for {}",
                among(count, target),
                human(Duration::from_millis(*for_ms))
            )
        }
    }
}

fn fault_text(fault: &FaultPlan) -> String {
    let mut text = action_text(&fault.action);
    if let Some(when) = &fault.when {
        let limit = human(Duration::from_millis(fault.within_ms));
        text += &format!(", once {when} (within {limit}, else UNKNOWN)");
    }
    let expected = &fault.expected;
    for (what, max) in [
        ("effective", expected.effective_ms_max),
        ("a new primary", expected.writable_ms_max),
        ("healed", expected.healed_ms_max),
    ] {
        if let Some(max) = max {
            text += &format!("; {what} within {}", human(Duration::from_millis(max)));
        }
    }
    text
}

/// A new file to begin with.
#[must_use]
pub fn template(name: &str) -> String {
    format!(
        "version: 1
name: {name}
about: What it shows, in a sentence.
tags: [ci]
load: {{ rate: 100/s }}
baseline: {{ for: 10s, require: {{ checkout.ok_ratio: \">= 99%\" }} }}
timeline:
  - kill: {{ target: stock-db-primary }}
    when: ok_checkouts >= 500 && in_flight >= 1
    expect: {{ effective_within: 5s, new_primary_within: 10s }}
  - wait: {{ until: stack_healthy, timeout: 60s }}
  - load: {{ for: {} }}
evidence: {{ min_ok_checkouts: 1000 }}
slo: {{ checkout.first_ok: \"<= 10s\" }}
",
        Span::seconds(15)
    )
}

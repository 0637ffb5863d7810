//! A run can be repeated from the scenario that is kept beside it, whatever command line it came from.

use std::path::Path;

use checker::evidence::Expected;
use clap::Parser as _;
use harness::Project;
use harness::scenario::{Scenario, suite};

use super::*;
use crate::cli::{Cli, Command};

/// The scenario of a command line of `chaos` or `load`.
fn of(line: &str) -> Scenario {
    let words = line.split_whitespace().map(|word| word.replace('~', " "));
    let cli = Cli::try_parse_from(std::iter::once("webshop".to_owned()).chain(words)).unwrap();
    match cli.command {
        Command::Chaos(args) => scenario(&args),
        Command::Load(args) => load::scenario(&args),
        other => panic!("{other:?} makes no run"),
    }
}

/// Its YAML is read back, makes sense, and is the same plan with the same seed.
fn repeat(scenario: &Scenario, told: &str) {
    assert_eq!(scenario.validate_alone(), [], "{told}");
    let text = scenario.to_yaml().unwrap();
    let again =
        Scenario::parse(&text).unwrap_or_else(|mistake| panic!("{told}: {mistake}\n{text}"));
    assert_eq!(again.validate_alone(), [], "{told}\n{text}");
    for seed in [0, 7, u64::MAX] {
        let (first, second) = (scenario.shape(seed, told), again.shape(seed, told));
        assert_eq!(first, second, "{told}\n{text}");
    }
}

#[test]
fn every_command_line_is_repeated_by_its_scenario() {
    for line in [
        "load",
        "load --rate 90/m --for 45.5s --retries 3 --request-timeout 1500ms --name a_B-1",
        "load --rate 33.333333333/s --mix find_order=50%,checkout=30%,add_funds=20% --seed 18446744073709551615",
        "load --mix find_order=100%",
        "chaos --kill stock-db-primary",
        "chaos --kill stock --count all --at 3s --for 20s",
        "chaos --kill stock --count majority",
        "chaos --kill stock --count 50% --at 0s",
        "chaos --kill stock --count 2",
        "chaos --kill order --repeat 5 --every 12s",
        "chaos --kill order --kill redis --repeat 3 --every 7.25s --at 1.5s",
        "chaos --stop order.1 --restart payment --wipe order-db-standby",
        "chaos --pause order-db-primary --isolate redis --reset gateway --fill-disk stock-db-0 --for 8s",
        "chaos --partition stock-db-primary..stock-db-standby --partition order->payment",
        "chaos --loss kafka-1=12.5% --bandwidth order=512kbit --delay order=250ms --throttle order.2=0.05cpu",
        "chaos --kill label:com.example=x --pause re:^stock-.*$ --kill order@node-1 --kill kafka-leader:stock.commands",
        "chaos --kill *a --pause &b --kill #c --kill true --kill 0x1F --kill re:a:~b --kill re:\"'\\d --kill ~ --name odd",
        "chaos --kill redis --direct-writes",
        "chaos --kill redis --no-load",
        "chaos --kill redis --no-load --count all --repeat 2",
        "chaos --random",
        "chaos --random --for 10m --every 20s --direct-writes",
        "chaos --random --for 61s --every 1m --no-load",
        "chaos --kill redis --rate 250/s --mix checkout=100% --retries 2 --seed 3 --request-timeout 5s",
    ] {
        repeat(&of(line), line);
    }
}

#[test]
fn every_file_of_the_project_is_repeated_by_what_is_written_of_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = Project::find(Some(&root)).unwrap();
    let directory = project.root().join(suite::DIRECTORY);
    let entries = suite::find(&project, &[directory.display().to_string()]).unwrap();
    assert!(entries.len() > 20);
    for entry in entries {
        repeat(&entry.scenario, &entry.path.display().to_string());
    }
}

/// What a report says to run again: the file in the run's directory, found, read and checked as `webshop run` does.
#[test]
fn the_file_that_a_run_keeps_makes_the_same_plan_when_it_is_found_again() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = Project::find(Some(&root)).unwrap();
    let runs = tempfile::tempdir().unwrap();
    for line in [
        "load --rate 90/m --for 45.5s --name a_B-1",
        "chaos --kill stock --count all --repeat 3 --every 12s --at 1.5s",
        "chaos --pause order-db-primary --isolate redis --for 8s --direct-writes",
        "chaos --bandwidth kafka-leader:stock.commands=25%~of~now --throttle order.2=0.05cpu",
        "chaos --kill redis --no-load",
        "chaos --random --for 61s --every 10s",
    ] {
        let made = of(line);
        let dir = harness::rundir::RunDir::create(runs.path(), &made.name, 0).unwrap();
        let file = dir.path().join(harness::rundir::SCENARIO);
        std::fs::write(&file, made.to_yaml().unwrap()).unwrap();
        let found = suite::find(&project, &[file.display().to_string()]).unwrap();
        let [entry] = found.as_slice() else {
            panic!("{line}: {found:?}");
        };
        assert_eq!(entry.scenario.shape(7, line), made.shape(7, line), "{line}");
    }
}

#[test]
fn texts_that_look_like_something_else_are_kept() {
    for about in [
        "rock &roll",
        "- *alias in a list",
        "a: b # no comment",
        "two\nlines\n",
        "  blanks  ",
        "'quoted' \"twice\" &now",
        "~",
        "null",
        "1e3",
        "\u{1b}[31m",
        "---",
        "ünï – 漢",
    ] {
        let mut scenario = of("chaos --kill redis");
        scenario.about = about.to_owned();
        repeat(&scenario, about);
    }
}

#[test]
fn a_command_line_that_no_file_may_say_is_refused() {
    for (line, told) in [
        ("chaos --kill redis --for 0s", "takes no time at all"),
        ("chaos --kill redis --mix find_order=100%", "no checkouts"),
        ("chaos --kill redis --name a~b", "cannot name a run"),
        ("load --for 0s", "takes no time at all"),
    ] {
        let error = fit(&of(line)).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("the command line:"), "{text}");
        assert!(text.contains(told), "{line}: {text}");
        assert_eq!(error.kind(), harness::error::Kind::Usage);
    }
}

#[test]
fn what_was_not_judged_exits_by_what_was_seen_alone() {
    let mut evidence = Evidence::default();
    assert_eq!(exit(&evidence), Exit::Pass);
    // A connection to the engine that broke is told as text, and is the harness's failure.
    let broken: std::io::Error = std::io::ErrorKind::BrokenPipe.into();
    evidence.harness_errors.push(broken.to_string());
    assert_eq!(exit(&evidence), Exit::Harness);
}

#[test]
fn two_primaries_are_a_violation_where_two_looks_agree_and_a_fault_without_effect_is_unknown() {
    let seen = |looks| SplitBrain {
        database: "stock".to_owned(),
        nodes: vec!["stock-db-0".to_owned(), "stock-db-1".to_owned()],
        at_us: 1,
        looks,
    };
    let met = |looks| Error::SplitBrain {
        database: "stock".to_owned(),
        nodes: seen(looks).nodes,
        looks,
    };
    for (looks, code) in [(1, Exit::Unknown), (2, Exit::Violation)] {
        assert_eq!(split_exit(&met(looks)), code);
    }
    let mut evidence = Evidence::default();
    evidence.split_brains.push(seen(1));
    assert_eq!(exit(&evidence), Exit::Pass);
    evidence.faults.push(FaultEvidence {
        place: 0,
        name: "kill redis".to_owned(),
        target: "redis".to_owned(),
        injected_us: Some(1),
        effective_us: None,
        seen: Vec::new(),
        missing: Vec::new(),
        healed_us: None,
        held: None,
        writable_us: None,
        expected: Expected::default(),
    });
    assert_eq!(exit(&evidence), Exit::Unknown);
    evidence.harness_errors.push("no engine".to_owned());
    assert_eq!(exit(&evidence), Exit::Harness);
    evidence.split_brains.push(seen(2));
    assert_eq!(exit(&evidence), Exit::Violation);
}

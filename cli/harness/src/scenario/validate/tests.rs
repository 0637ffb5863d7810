use std::{collections::BTreeMap, path::Path};

use rstest::rstest;

use crate::{
    project::{Profile, Project},
    scenario::{Scenario, explain::template, place::Place, schema, suite, world::world},
    stack::compose::File,
    target::World,
};

fn project() -> Project {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Project::find(Some(&root)).unwrap()
}

fn planned(profile: Profile) -> World {
    world(&File::read(&project().stack_file(profile), &BTreeMap::new()).unwrap())
}

/// What is wrong with the template after some text in it was replaced.
fn wrong(from: &str, to: &str) -> Vec<String> {
    let text = template("example");
    assert!(text.contains(from), "{from}");
    match Scenario::parse(&text.replacen(from, to, 1)) {
        Ok(scenario) => scenario
            .validate(&planned(Profile::Full))
            .iter()
            .map(ToString::to_string)
            .collect(),
        Err(mistake) => vec![mistake.to_string()],
    }
}

#[test]
fn a_new_file_is_right_and_says_the_same_when_it_is_written_again() {
    let scenario = Scenario::parse(&template("example")).unwrap();
    assert_eq!(scenario.validate(&planned(Profile::Full)), []);
    let again = scenario.to_yaml().unwrap();
    assert_eq!(Scenario::parse(&again).unwrap(), scenario, "{again}");
}

#[rstest]
#[case("rate: 100/s", "rate: 100", "5:15: `100` has no unit")]
#[case("for: 10s", "for: 10", "`10` has no unit")]
#[case("about:", "abuot:", "3:1: unknown key `abuot` (did you mean about?)")]
#[case("kill: {", "kil: {", "unknown key `kil` (did you mean kill?)")]
#[case(
    "{ target: stock",
    "{ taget: stock",
    "unknown key `taget` (did you mean target?)"
)]
#[case("tags: [ci]", "tags: [ci]\nname: twice", "5:1: ")]
#[case(
    "tags: [ci]",
    "tags: &t [ci]",
    "4:7: anchors and aliases are not understood"
)]
#[case(
    "when: ok_checkouts >= 500",
    "when: ok_checkout >= 500",
    "nothing is counted as `ok_checkout`"
)]
#[case("\">= 99%\"", "\"99%\"", "`99%` is not a bound")]
#[case(
    "version: 1",
    "version: 2",
    "1:10: version 2 of the format is not known"
)]
#[case(
    "name: example",
    "name: \"an example\"",
    "2:7: `an example` cannot name a run"
)]
#[case(
    "stock-db-primary",
    "stok-db-primary",
    "8:21: nothing is called `stok-db-primary` (did you mean stock-db-primary?)"
)]
#[case("stock-db-primary", "order.7", "nothing is called `order.7`")]
#[case(
    "stock-db-primary }",
    "redis }",
    "no new primary can come of `kill redis`"
)]
#[case("stock-db-primary }", "order, count: 3 }", "`order` is 2 tasks, not 3")]
#[case("stack_healthy", "new_primary", "")]
#[case(
    "when: ok_checkouts >= 500 && in_flight >= 1",
    "when: new_primary",
    "no primary was hit before this"
)]
#[case(
    "min_ok_checkouts: 1000",
    "min_ok_checkouts: 9000",
    "9000 ok checkouts cannot be reached"
)]
#[case(
    "evidence:",
    "settle: { timeout: 59s }\nevidence:",
    "13:20: settle.timeout of 59s is too short (at least 1m: "
)]
#[case(
    "evidence:",
    "settle: { timeout: 60s, stable_for: 999ms }\nevidence:",
    "13:37: settle.stable_for of 999ms is too short (at least 1s: "
)]
#[case("evidence:", "settle: { timeout: 60s, stable_for: 1s }\nevidence:", "")]
#[case(
    "kill: { target: stock-db-primary }",
    "bandwidth: { target: order.1, to: 100% of now, for: 5s }",
    "`100% of now` is none of 1% to 99% of now"
)]
#[case("  - load: { for: 15s }\n", "", "")]
#[case(
    "- wait: { until: stack_healthy, timeout: 60s }\n  - load: { for: 15s }",
    "- kill: { target: redis }",
    "nothing follows this fault"
)]
#[case(
    "- load: { for: 15s }",
    "- load: { for: 15s }\n    after: 3s",
    "belong to a fault"
)]
#[case(
    "- load: { for: 15s }",
    "- load: { for: 15s }\n    kill: { target: redis }",
    "a step does one thing, and this one has 2"
)]
#[case("- load: { for: 15s }", "- load: { for: 0s }", "takes no time at all")]
#[case(
    "baseline: { for: 10s,",
    "baseline: { for: 100s,",
    "a baseline of 100s cannot be reached within 1m"
)]
#[case(
    "load: { rate: 100/s }",
    "load: { mix: { find_item: 100% } }",
    "the mix has no checkouts"
)]
#[case(
    "load: { rate: 100/s }",
    "load: { mix: { checkout: 50% } }",
    "add up to 50%, not 100%"
)]
#[case(
    "load: { rate: 100/s }",
    "data: { users: 0 }",
    "0 users are not possible"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "crash: { at: reserve.before-comit }",
    "8:18: there is no failpoint `reserve.before-comit` (did you mean reserve.before-commit"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "crash: { at: reserve.before-commit }",
    "8:18: release images have no failpoints (say `stack: { images: test }`)"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "crash: { at: reserve.before-commit }",
    "no new primary can come of a crash of a service"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "pause: { target: order.1, for: 0s }",
    "8:36: this fault would last no time at all"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "pause: { target: order.1 }",
    "8:14: the key `for` is missing"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "loss: { target: order.1, share: 0%, for: 5s }",
    "nothing would be lost"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "partition: { between: stock, for: 5s }",
    "names no two sides"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "partition: { between: order..stok, for: 5s }",
    "nothing is called `stok`"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "throttle: { target: order.1, to: 5%, for: 5s }",
    "is not a share of processors"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "delay: { target: order.1, by: 0ms, for: 5s }",
    "this delay is out of range"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "pause: { target: order.1, for: 5s }",
    "no new primary can come of `pause order.1`"
)]
#[case(
    "kill: { target: stock-db-primary }",
    "wipe: { target: stock-db-primary, count: 101% }",
    "is none of"
)]
fn what_makes_no_sense_is_refused_where_it_stands(
    #[case] from: &str,
    #[case] to: &str,
    #[case] told: &str,
) {
    let found = wrong(from, to);
    match told {
        // These are right.
        "" if to == "new_primary" => assert_eq!(found, Vec::<String>::new()),
        // Without the last stretch of load there is too little evidence.
        "" => assert!(
            found.iter().all(|text| text.contains("cannot be reached")),
            "{found:?}"
        ),
        told => assert!(found.iter().any(|text| text.contains(told)), "{found:?}"),
    }
}

#[test]
fn every_mistake_is_told_in_the_order_of_the_file() {
    let text = template("example")
        .replace("stock-db-primary", "stok")
        .replace("name: example", "name: 'an example'")
        .replace("for: 15s", "for: 0s");
    let found = Scenario::parse(&text)
        .unwrap()
        .validate(&planned(Profile::Full));
    assert!(found.len() >= 3, "{found:?}");
    assert!(found.is_sorted_by_key(|mistake| mistake.place));
    assert!(found.iter().all(|mistake| mistake.place > Place::default()));
}

#[test]
fn a_stack_without_standbys_has_no_failover() {
    let text = template("example").replacen("load: {", "stack: { profile: small }\nload: {", 1);
    let found = Scenario::parse(&text)
        .unwrap()
        .validate(&planned(Profile::Small));
    assert!(
        found[0].message.contains("no new primary can come"),
        "{found:?}"
    );
}

#[rstest]
#[case("{ order: 3 }", None)]
#[case("{ order: 1, order-pool: 2 }", None)]
#[case("{ ordr: 3 }", Some("`ordr` cannot be scaled (did you mean order?)"))]
#[case("{ order-db-0: 2 }", Some("`order-db-0` cannot be scaled"))]
#[case("{ agent: 2 }", Some("`agent` cannot be scaled"))]
#[case(
    "{ order: 101 }",
    Some("101 tasks of order are too many (at most 100)")
)]
fn only_what_the_stack_file_lets_be_scaled_is_scaled(
    #[case] scale: &str,
    #[case] told: Option<&str>,
) {
    let text = template("example");
    let text = format!("{text}\nstack: {{ scale: {scale} }}\n");
    let mistakes = suite::check(&project(), &Scenario::parse(&text).unwrap()).unwrap();
    let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    match told {
        None => assert_eq!(mistakes, [] as [&str; 0]),
        Some(told) => assert!(mistakes[0].contains(told), "{mistakes:?}"),
    }
}

#[test]
fn every_scenario_of_the_project_is_right_and_fits_the_schema() {
    let schema = serde_json::to_value(schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let directory = project().root().join(suite::DIRECTORY);
    let entries = suite::find(&project(), &[directory.display().to_string()]).unwrap();
    assert!(entries.len() >= 12, "{}", entries.len());
    for entry in entries {
        let text = std::fs::read_to_string(&entry.path).unwrap();
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", entry.path.display());
        let again = Scenario::parse(&entry.scenario.to_yaml().unwrap()).unwrap();
        assert_eq!(again, entry.scenario, "{}", entry.path.display());
        let inner = entry.path.strip_prefix(&directory).unwrap();
        let called = inner.with_extension("").display().to_string();
        assert_eq!(
            called.replace('/', "-"),
            *entry.scenario.name,
            "the file is called as the scenario is"
        );
        assert!(!entry.scenario.about.is_empty() && !entry.scenario.tags.is_empty());
    }
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let schema = serde_json::to_value(schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = template("example");
    for (from, to) in [
        ("about:", "abuot:"),
        ("rate: 100/s", "rate: '100'"),
        ("for: 10s", "for: ten"),
        ("\"<= 10s\"", "\"< 10s\""),
        ("timeline:", "steps:"),
        ("when: ok_checkouts", "when: okcheckouts"),
    ] {
        let value: serde_json::Value = serde_saphyr::from_str(&text.replacen(from, to, 1)).unwrap();
        assert!(!validator.is_valid(&value), "{to}");
    }
}

#[test]
fn the_same_seed_gives_the_same_plan() {
    let path = project().root().join("scenarios/nightly-random.yaml");
    let scenario = suite::read(&project(), &path).unwrap();
    let plan = |seed| serde_json::to_string(&scenario.shape(seed, "webshop run").steps).unwrap();
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
    assert!(
        plan(7).contains(r#""apart":true"#),
        "they stay apart unless told"
    );
    let faults = scenario
        .steps(7)
        .iter()
        .filter(|step| step.fault().is_some())
        .count();
    assert!(
        (9..=30).contains(&faults),
        "{faults} in five minutes, 10 to 30 s apart"
    );
}

#[test]
fn a_scenario_explains_itself() {
    let text = template("example");
    insta::assert_snapshot!(Scenario::parse(&text).unwrap().explain(7));
}

#[test]
fn damaged_files_are_refused_and_never_panic() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    let project = project();
    let directory = project.root().join(suite::DIRECTORY);
    let world = planned(Profile::Full);
    let entries = suite::find(&project, &[directory.display().to_string()]).unwrap();
    let texts: Vec<Vec<u8>> = entries
        .iter()
        .map(|entry| std::fs::read(&entry.path).unwrap())
        .collect();
    let mut random = StdRng::seed_from_u64(1);
    let mut refused = 0;
    for round in 0..4000 {
        let mut text = texts[round % texts.len()].clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..text.len());
            match random.random_range(0..4) {
                0 => text[at] = random.random_range(0..=255),
                1 => text.truncate(at.max(1)),
                2 => {
                    let end = (at + random.random_range(1..20)).min(text.len());
                    let piece = text[at..end].to_vec();
                    text.splice(at..at, piece);
                }
                _ => {
                    text.remove(at);
                    text.push(b'\n');
                }
            }
        }
        match Scenario::parse(&String::from_utf8_lossy(&text)) {
            Ok(scenario) => refused += usize::from(!scenario.validate(&world).is_empty()),
            Err(mistake) => {
                assert!(!mistake.message.is_empty());
                refused += 1;
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn a_part_of_now_is_written_again_as_it_was_read_and_planned_and_explained() {
    let text = template("example").replace(
        "kill: { target: stock-db-primary }",
        "bandwidth: { target: order.1, to: 25% of now, for: 5s }",
    );
    let text = text.replace(", new_primary_within: 10s", "");
    let scenario = Scenario::parse(&text).unwrap();
    assert_eq!(scenario.validate(&planned(Profile::Full)), []);
    let again = scenario.to_yaml().unwrap();
    assert_eq!(Scenario::parse(&again).unwrap(), scenario, "{again}");
    assert!(jsonschema_of_steps().contains("% of now"));
    let told = scenario.explain(7);
    assert!(
        told.contains("bandwidth 25% of now on order.1 for 5.0 s"),
        "{told}"
    );
}

fn jsonschema_of_steps() -> String {
    serde_json::to_string(&schema()).unwrap()
}

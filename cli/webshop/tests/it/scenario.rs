//! `scenario` and `run` as far as they need no engine.

use std::path::Path;

use super::refusals::shown;

fn stdout(args: &[&str]) -> String {
    let shown = shown(args);
    let (head, _) = shown.split_once("--- stderr").unwrap();
    head.strip_prefix("exit 0\n--- stdout\n")
        .unwrap()
        .to_owned()
}

#[test]
fn a_wrong_file_is_told_with_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wrong.yaml");
    let right = stdout(&["scenario", "new", "wrong"]);
    let wrong = right
        .replace("stock-db-primary", "stok-db-primary")
        .replace("15s", "0s");
    std::fs::write(&path, wrong).unwrap();
    let path = path.to_str().unwrap();
    for command in [&["scenario", "validate"][..], &["run"]] {
        let shown = shown(&[command, &[path]].concat()).replace(path, "wrong.yaml");
        insta::assert_snapshot!("scenario_wrong", shown);
    }
}

#[test]
fn a_name_that_is_no_scenario_is_refused() {
    insta::assert_snapshot!("scenario_absent", shown(&["run", "stock-primary-failovr"]));
    insta::assert_snapshot!(
        "scenario_no_tags",
        shown(&["run", "scenarios", "--tags", "none"])
    );
    insta::assert_snapshot!(
        "scenario_bad_tags",
        shown(&["run", "quiet", "--tags", "a b"])
    );
}

#[test]
fn a_scenario_is_explained() {
    let explained = shown(&["scenario", "explain", "failover-chain", "--seed", "7"]);
    insta::assert_snapshot!("scenario_explain", explained);
}

#[test]
fn the_projects_scenarios_are_listed() {
    insta::assert_snapshot!("scenario_list", shown(&["scenario", "list"]));
}

#[test]
fn chaos_prints_the_scenario_that_it_amounts_to() {
    let args = [
        "chaos",
        "--kill",
        "order",
        "--count",
        "all",
        "--at",
        "3s",
        "--print-scenario",
    ];
    let text = stdout(&args);
    insta::assert_snapshot!("chaos_scenario", text);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kill-order.yaml");
    std::fs::write(&path, text).unwrap();
    let checked = shown(&["scenario", "validate", path.to_str().unwrap()]);
    assert!(checked.starts_with("exit 0"), "{checked}");
}

#[test]
fn faults_that_are_drawn_have_a_name_too() {
    let text = stdout(&["chaos", "--random", "--seed", "5", "--print-scenario"]);
    assert!(text.contains("\nname: random\n"), "{text}");
}

#[test]
fn the_schema_is_printed() {
    let schema: serde_json::Value = serde_json::from_str(&stdout(&["scenario", "schema"])).unwrap();
    assert_eq!(schema["title"], "Scenario");
    assert!(schema["properties"]["timeline"].is_object());
    assert!(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios")).is_dir());
}

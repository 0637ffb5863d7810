//! `report` and `history` on stored runs, without any engine.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::verify::{lost_order, told, webshop};

fn shown(dir: &Path, args: &[&str]) -> String {
    told(dir, &mut webshop(dir, args))
}

fn stdout(dir: &Path, args: &[&str]) -> String {
    let output = webshop(dir, args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Two runs in `runs`, the first of them judged.
fn two_runs(dir: &Path) -> [PathBuf; 2] {
    let runs = ["one", "other"].map(|name| dir.join("runs").join(name));
    for run in &runs {
        std::fs::create_dir_all(run).unwrap();
        lost_order(run);
    }
    std::os::unix::fs::symlink("one", dir.join("runs/latest")).unwrap();
    webshop(dir, &["verify", "one"]).output().unwrap();
    runs
}

#[test]
fn a_run_that_is_not_judged_has_no_report() {
    let dir = tempfile::tempdir().unwrap();
    two_runs(dir.path());
    insta::assert_snapshot!("report_not_judged", shown(dir.path(), &["report", "other"]));
}

#[test]
fn the_reports_are_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let [one, _] = two_runs(dir.path());
    for file in ["junit.xml", "summary.md", "report.html"] {
        std::fs::remove_file(one.join(file)).unwrap();
    }
    insta::assert_snapshot!("report_written", shown(dir.path(), &["report"]));
    for file in ["junit.xml", "summary.md", "report.html"] {
        assert!(one.join(file).is_file(), "{file}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_is_shown_by_the_systems_own_opener() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let [one, _] = two_runs(dir.path());
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let mut command = webshop(dir.path(), &["report", "--open"]);
    command.env("PATH", &bin);
    let without = told(dir.path(), &mut command);
    assert!(without.starts_with("exit 4\n"), "{without}");
    assert!(without.contains("report.html with xdg-open"), "{without}");
    let opener = bin.join("xdg-open");
    std::fs::write(&opener, "#!/bin/sh\necho \"$1\" > opened\n").unwrap();
    std::fs::set_permissions(&opener, PermissionsExt::from_mode(0o755)).unwrap();
    assert!(command.output().unwrap().status.success());
    let opened = std::fs::read_to_string(dir.path().join("opened")).unwrap();
    assert_eq!(
        Path::new(opened.trim_end()),
        one.canonicalize().unwrap().join("report.html")
    );
}

#[test]
fn a_report_is_printed_as_it_would_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let [one, _] = two_runs(dir.path());
    for (format, file) in [
        ("html", "report.html"),
        ("junit", "junit.xml"),
        ("markdown", "summary.md"),
    ] {
        let printed = stdout(dir.path(), &["report", "one", "--format", format]);
        let written = std::fs::read_to_string(one.join(file)).unwrap();
        assert_eq!(printed.trim_end(), written.trim_end(), "{format}");
    }
}

#[test]
fn several_runs_are_one_junit_file() {
    let dir = tempfile::tempdir().unwrap();
    two_runs(dir.path());
    webshop(dir.path(), &["verify", "other"]).output().unwrap();
    let junit = stdout(dir.path(), &["report", "one", "other", "--format", "junit"]);
    assert_eq!(junit.matches("<testsuite ").count(), 2, "{junit}");
    let html = shown(dir.path(), &["report", "one", "other", "--format", "html"]);
    assert!(
        html.contains("error: an HTML report is of one run"),
        "{html}"
    );
}

#[test]
fn the_schema_is_printed_and_a_result_keeps_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let [one, _] = two_runs(dir.path());
    let schema: Value = serde_json::from_str(&stdout(dir.path(), &["report", "--schema"])).unwrap();
    let result = std::fs::read_to_string(one.join("result.json")).unwrap();
    let result: Value = serde_json::from_str(&result).unwrap();
    let wanted = schema["required"].as_array().unwrap();
    assert!(
        wanted
            .iter()
            .all(|key| result.get(key.as_str().unwrap()).is_some())
    );
    assert_eq!(schema["properties"]["version"]["const"], result["version"]);
}

#[test]
fn without_a_run_there_is_no_history() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("history_no_run", shown(dir.path(), &["history"]));
    assert_eq!(stdout(dir.path(), &["history", "--format", "json"]), "[]\n");
}

#[test]
fn the_history_lists_runs_with_their_verdicts() {
    let dir = tempfile::tempdir().unwrap();
    two_runs(dir.path());
    insta::assert_snapshot!("history", shown(dir.path(), &["history"]));
    let listed = stdout(dir.path(), &["history", "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["verdict"], "violation");
    assert_eq!(listed[0]["figures"]["violations"], json!(1));
    assert_eq!(listed[1]["verdict"], Value::Null);
}

#[test]
fn a_broken_result_is_no_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let [one, _] = two_runs(dir.path());
    let path = one.join("result.json");
    let result = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        result.replace("\"violation\",\"exit", "\"pass\",\"exit"),
    )
    .unwrap();
    let shown = shown(dir.path(), &["history"]);
    assert!(
        shown.contains("unreadable") && !shown.contains("PASS  "),
        "{shown}"
    );
    assert!(shown.contains("PASS does not exit with 1"), "{shown}");
}

#[test]
fn two_runs_are_set_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    two_runs(dir.path());
    let args = ["history", "--compare", "one", "other"];
    let unjudged = shown(dir.path(), &args);
    assert!(unjudged.starts_with("exit 64\n"), "{unjudged}");
    assert!(
        unjudged.contains("the run other has not been judged"),
        "{unjudged}"
    );
    webshop(dir.path(), &["verify", "other"]).output().unwrap();
    insta::assert_snapshot!("history_compare", shown(dir.path(), &args));
    let both = stdout(dir.path(), &[&args[..], &["--format", "json"]].concat());
    let both: Value = serde_json::from_str(&both).unwrap();
    assert_eq!(both["differences"]["p99_ms"], json!(0.0));
    assert_eq!(both["differences"]["recovery_ms"], Value::Null);
}

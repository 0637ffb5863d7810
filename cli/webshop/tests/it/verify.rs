//! `verify` on stored runs: exit code, stdout and stderr, without any engine.

use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};

/// The program in a directory that is no checkout, where no engine answers.
pub(crate) fn webshop(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("webshop").unwrap();
    command
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("DOCKER_HOST", "tcp://127.0.0.1:1");
    command
}

/// What `webshop verify` shows there.
fn shown(dir: &Path, args: &[&str]) -> String {
    told(dir, &mut webshop(dir, &[&["verify"], args].concat()))
}

/// The exit code and both streams of a command.
pub(crate) fn told(dir: &Path, command: &mut Command) -> String {
    let output = command.output().unwrap();
    let dir = dir.canonicalize().unwrap();
    format!(
        "exit {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
    .replace(dir.to_str().unwrap(), "DIR")
}

fn write(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

fn plan() -> Value {
    json!({
        "format": "webshop-plan", "version": 1, "webshop": "0.1.0", "name": "quiet",
        "command": "webshop load", "load": null, "faults": [],
        "stack": {"name": "webshop", "id": "n1", "images": {}},
    })
}

/// A run in which order 7 was acknowledged as paid and then is not there.
pub(crate) fn lost_order(run: &Path) {
    write(&run.join("plan.json"), &plan());
    let history = [
        json!({"format": "webshop-history", "version": 1, "run": "quiet", "started_at_ms": 0}),
        json!({"i": {"id": 1, "n": 1, "p": 0, "d": 0, "t": 5, "op": {"checkout": {"order": 7}}}}),
        json!({"c": {"id": 1, "n": 1, "t": 90, "o": "ok", "s": 200}}),
        json!({"end": {"t": 100}}),
    ];
    let lines: Vec<String> = history.iter().map(ToString::to_string).collect();
    std::fs::write(run.join("history.jsonl"), lines.join("\n") + "\n").unwrap();
    let orders = json!([[7, 3, false, 10, [[1, 2, 5]]]]);
    let (users, items) = (json!([[3, 100]]), json!([[1, 5, 100]]));
    write(
        &run.join("initial.json"),
        &json!({
            "format": "webshop-initial", "version": 1, "taken_at_us": 0, "users": users,
            "items": items, "orders": orders, "stock_watermark": 0, "payment_watermark": 0,
        }),
    );
    let lane = |topic: &str| json!({"topic": topic, "partition": 0, "next_offset": 4, "published_offset": 4, "end_offset": 4});
    let lanes = ["stock.commands", "payment.commands", "order.replies"].map(lane);
    let snapshot = json!({
        "format": "webshop-snapshot", "version": 1, "taken_at_us": 0, "orders": orders,
        "users": users, "items": items, "stock_movements": [], "payment_movements": [],
        "sagas": [], "databases": [], "lanes": lanes,
        "api": {"orders": [], "users": [], "items": [], "absent": [], "unanswered": 0},
    });
    write(&run.join("snapshot-1.json"), &snapshot);
    write(&run.join("snapshot-2.json"), &snapshot);
    write(
        &run.join("evidence.json"),
        &json!({"faults": [], "settle": {
            "load_stopped": true, "faults_healed": true, "converged": true, "quiescent": true,
            "waited_ms": 1, "deadline_ms": 1,
        }}),
    );
}

#[test]
fn without_a_run_there_is_nothing_to_judge() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("verify_no_run", shown(dir.path(), &[]));
}

#[test]
fn a_directory_that_is_no_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("other")).unwrap();
    insta::assert_snapshot!("verify_foreign", shown(dir.path(), &["other"]));
    insta::assert_snapshot!("verify_absent", shown(dir.path(), &["nowhere"]));
}

#[test]
fn a_run_that_was_cut_short_is_refused_by_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    std::fs::create_dir(&run).unwrap();
    lost_order(&run);
    std::fs::write(run.join("snapshot-2.json"), "{\"format\":\"webshop-snap").unwrap();
    insta::assert_snapshot!("verify_truncated", shown(dir.path(), &["run"]));
}

#[test]
fn a_lost_order_is_named_and_the_exit_code_is_1() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    std::fs::create_dir(&run).unwrap();
    lost_order(&run);
    let shown = shown(dir.path(), &["run"]);
    assert!(shown.starts_with("exit 1\n"), "{shown}");
    assert!(shown.contains("LOST_ACK (acked) order 7"), "{shown}");
    assert!(shown.contains("\nVIOLATION\n"), "{shown}");
    for file in ["result.json", "junit.xml", "summary.md", "report.html"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    assert!(
        shown.ends_with("DIR/run/report.html (beside it: result.json, junit.xml, summary.md)\n"),
        "{shown}"
    );
    let junit = std::fs::read_to_string(run.join("junit.xml")).unwrap();
    assert!(junit.contains("type=\"violation\""), "{junit}");
}

#[test]
fn a_job_of_githubs_shows_the_violation_on_its_page_and_beside_the_change() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    std::fs::create_dir(&run).unwrap();
    lost_order(&run);
    let summary = dir.path().join("step-summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    let mut command = webshop(dir.path(), &["verify", "run"]);
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary);
    let told = told(dir.path(), &mut command);
    assert!(told.starts_with("exit 1\n"), "{told}");
    let stderr = told.split("--- stderr\n").nth(1).unwrap();
    let errors = stderr.lines().filter(|line| line.starts_with("::error "));
    assert!(errors.count() >= 2, "{stderr}");
    let page = std::fs::read_to_string(&summary).unwrap();
    assert!(
        page.starts_with("before\n## ❌ webshop: VIOLATION"),
        "{page}"
    );
}

#[test]
fn reports_that_cannot_be_written_do_not_hide_a_violation() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    std::fs::create_dir(&run).unwrap();
    lost_order(&run);
    // A directory in a file's place: renaming over it fails, even for root.
    std::fs::create_dir_all(run.join("junit.xml").join("in the way")).unwrap();
    let shown = shown(dir.path(), &["run"]);
    assert!(shown.starts_with("exit 1\n"), "{shown}");
    assert!(shown.contains("\nVIOLATION\n"), "{shown}");
    assert!(
        shown.contains("error: the reports are not written: "),
        "{shown}"
    );
}

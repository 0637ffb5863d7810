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
        "format": "webshop-plan", "version": 2, "run": "quiet", "webshop": "0.1.0", "name": "quiet",
        "command": "webshop load", "load": null, "faults": [],
        "stack": {"name": "webshop", "id": "n1", "images": {}},
    })
}

/// A run in which order 7 was acknowledged as paid and then is not there.
pub(crate) fn lost_order(run: &Path) {
    write(&run.join("plan.json"), &plan());
    let history = [
        json!({"format": "webshop-history", "version": 2, "run": "quiet", "started_at_ms": 0}),
        json!({"i": {"id": 0, "n": 1, "p": 0, "d": 0, "t": 5, "op": {"checkout": {"order": 7}}}}),
        json!({"c": {"id": 0, "n": 1, "t": 90, "o": "ok", "s": 200}}),
        json!({"end": {"t": 100, "k": 2}}),
    ];
    let lines: Vec<String> = history.iter().map(ToString::to_string).collect();
    std::fs::write(run.join("history.jsonl"), lines.join("\n") + "\n").unwrap();
    let orders = json!([[7, 3, false, 10, [[1, 2, 5]]]]);
    let (users, items) = (json!([[3, 100]]), json!([[1, 5, 100]]));
    write(
        &run.join("initial.json"),
        &json!({
            "format": "webshop-initial", "version": 2, "run": "quiet", "taken_at_us": 0,
            "stock_movements": 0, "payment_movements": 0, "users": users,
            "items": items, "orders": orders, "stock_watermark": 0, "payment_watermark": 0,
        }),
    );
    let lane = |topic: &str| json!({"topic": topic, "partition": 0, "next_offset": 4, "published_offset": 4, "end_offset": 4});
    let lanes = ["stock.commands", "payment.commands", "order.replies"].map(lane);
    let snapshot = |taken_at_us: u64| {
        json!({
            "format": "webshop-snapshot", "version": 2, "run": "quiet", "taken_at_us": taken_at_us, "sources": [], "orders": orders,
            "users": users, "items": items, "stock_movements": [], "payment_movements": [],
            "sagas": [], "databases": [], "lanes": lanes,
            "api": {"orders": [], "users": [], "items": [], "absent": [], "unanswered": 0},
        })
    };
    write(&run.join("snapshot-1.json"), &snapshot(200));
    write(&run.join("snapshot-2.json"), &snapshot(3_000_200));
    write(
        &run.join("evidence.json"),
        &json!({"run": "quiet", "faults": [], "settle": {
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
        shown.contains("warning: the reports are not complete, the verdict stands: "),
        "{shown}"
    );
}

/// Only the files of the run that was judged, and what it was judged to be.
fn result(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("result.json")).unwrap()
}

fn lost_order_in(dir: &Path) -> std::path::PathBuf {
    let run = dir.join("run");
    std::fs::create_dir(&run).unwrap();
    lost_order(&run);
    run
}

#[test]
fn judged_offline_it_is_the_same_to_the_byte_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let run = lost_order_in(dir.path());
    shown(dir.path(), &["run"]);
    let first = result(&run);
    for _ in 0..3 {
        std::fs::remove_file(run.join("result.json")).unwrap();
        let shown = shown(dir.path(), &["run", "--offline"]);
        assert!(shown.starts_with("exit 1\n"), "{shown}");
        assert_eq!(result(&run), first);
    }
    let text = String::from_utf8(first).unwrap();
    assert!(
        text.contains("Again: webshop verify quiet --offline --order 7\""),
        "{text}"
    );
}

#[test]
fn without_final_reads_offline_is_unknown_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let run = lost_order_in(dir.path());
    for file in ["snapshot-1.json", "snapshot-2.json"] {
        std::fs::remove_file(run.join(file)).unwrap();
    }
    insta::assert_snapshot!("offline_no_reads", shown(dir.path(), &["run", "--offline"]));
    for file in ["evidence.json", "initial.json", "history.jsonl"] {
        std::fs::remove_file(run.join(file)).unwrap();
        let shown = shown(dir.path(), &["run", "--offline"]);
        assert!(shown.starts_with("exit 2\n"), "without {file}: {shown}");
        assert!(shown.contains("\nUNKNOWN\n"), "without {file}: {shown}");
    }
}

#[test]
fn a_history_cut_anywhere_is_read_to_its_last_whole_line() {
    let dir = tempfile::tempdir().unwrap();
    let run = lost_order_in(dir.path());
    let path = run.join("history.jsonl");
    let whole = std::fs::read(&path).unwrap();
    std::fs::remove_file(run.join("evidence.json")).unwrap();
    for cut in (0..whole.len() - 1).step_by(9) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let shown = shown(dir.path(), &["run", "--offline"]);
        assert!(shown.starts_with("exit 2\n"), "cut at {cut}: {shown}");
    }
}

#[test]
fn one_order_is_told_as_a_story() {
    let dir = tempfile::tempdir().unwrap();
    lost_order_in(dir.path());
    insta::assert_snapshot!("order_story", shown(dir.path(), &["run", "--order", "7"]));
    let json = shown(dir.path(), &["run", "--order", "7", "--format", "json"]);
    let text = json.split("--- stdout\n").nth(1).unwrap();
    let text = text.split("--- stderr\n").next().unwrap();
    let story: Value = serde_json::from_str(text).unwrap();
    assert_eq!(story["order"], 7);
    let moments = story["moments"].as_array().unwrap();
    assert!(moments.iter().any(|moment| moment["witness"] == "client"));
    insta::assert_snapshot!("order_unknown", shown(dir.path(), &["run", "--order", "8"]));
}

#[test]
fn a_verdict_can_be_written_for_programs() {
    let dir = tempfile::tempdir().unwrap();
    lost_order_in(dir.path());
    let json = shown(dir.path(), &["run", "--offline", "--format", "json"]);
    let text = json.split("--- stdout\n").nth(1).unwrap();
    let text = text.split("--- stderr\n").next().unwrap();
    let judgement: Value = serde_json::from_str(text).unwrap();
    assert_eq!(judgement["verdict"], "violation");
    assert_eq!(judgement["causes"][0]["violations"], 1);
}

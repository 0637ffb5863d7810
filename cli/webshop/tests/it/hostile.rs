//! Runs whose files somebody else made: they are refused or judged, and neither hang, nor fill the memory, nor write
//! elsewhere, nor say anything in this program's name.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::verify::{lost_order, told, webshop};

fn violation(dir: &Path) -> PathBuf {
    let run = dir.join("run");
    std::fs::create_dir(&run).unwrap();
    lost_order(&run);
    run
}

fn verify(dir: &Path) -> String {
    told(dir, &mut webshop(dir, &["verify", "run", "--offline"]))
}

const FILES: [&str; 6] = [
    "plan.json",
    "history.jsonl",
    "initial.json",
    "evidence.json",
    "snapshot-1.json",
    "snapshot-2.json",
];

fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn what_is_no_regular_file_is_refused_and_not_waited_for() {
    for name in FILES {
        for make in [pipe, |path: &Path| std::fs::create_dir(path).unwrap()] {
            let dir = tempfile::tempdir().unwrap();
            let file = violation(dir.path()).join(name);
            std::fs::remove_file(&file).unwrap();
            make(&file);
            let shown = verify(dir.path());
            assert!(shown.starts_with("exit 64\n"), "{name}: {shown}");
            let why = ["not a regular file", "not the directory of a run"];
            assert!(why.iter().any(|why| shown.contains(why)), "{name}: {shown}");
        }
    }
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_read() {
    for (name, most) in [
        ("plan.json", "64 MiB"),
        ("evidence.json", "64 MiB"),
        ("initial.json", "4 GiB"),
        ("snapshot-1.json", "4 GiB"),
        // Without a line's end it is one line.
        ("history.jsonl", "1 MiB"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = violation(dir.path()).join(name);
        let file = File::options().write(true).open(path).unwrap();
        // Only what is written takes room on a disk.
        file.set_len((4 << 30) + 1).unwrap();
        let shown = verify(dir.path());
        assert!(shown.starts_with("exit 64\n"), "{name}: {shown}");
        assert!(
            shown.contains(&format!("is larger than {most}")),
            "{name}: {shown}"
        );
    }
}

#[test]
fn no_link_is_followed_where_the_result_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let run = violation(dir.path());
    let precious = dir.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    for name in ["result.json", "report.html", "summary.md", "junit.xml"] {
        for name in [name.to_owned(), format!(".{name}")] {
            std::os::unix::fs::symlink(&precious, run.join(name)).unwrap();
        }
    }
    let shown = verify(dir.path());
    assert!(shown.starts_with("exit 1\n"), "{shown}");
    assert!(!shown.contains("warning"), "{shown}");
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
    assert!(
        run.join("result.json")
            .symlink_metadata()
            .unwrap()
            .is_file()
    );
}

const NASTY: &str = "x\n::error::not ours\r\n::set-env name=A::b\n\u{1b}[2J\u{1b}]0;t\u{7}";

/// Nothing of it begins a line or reaches the terminal as a control.
fn harmless(shown: &str) {
    assert!(!shown.contains("\n::error::not ours"), "{shown}");
    assert!(!shown.contains("\n::set-env"), "{shown}");
    let hidden = |c: char| c.is_control() && c != '\n';
    assert!(!shown.contains(hidden), "{shown:?}");
}

fn change(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

#[test]
fn no_text_of_a_run_says_anything_in_the_programs_name() {
    let dir = tempfile::tempdir().unwrap();
    let run = violation(dir.path());
    change(&run.join("evidence.json"), |evidence| {
        evidence["harness_errors"] = json!([NASTY]);
        evidence["unmet"] = json!([NASTY]);
        evidence["settle"]["missing"] = json!([NASTY]);
        evidence["settle"]["converged"] = json!(false);
    });
    change(&run.join("plan.json"), |plan| {
        plan["name"] = json!(NASTY);
        plan["command"] = json!(NASTY);
    });
    for args in [
        &["verify", "run", "--offline"][..],
        &["verify", "run", "--order", "7"],
        &["verify", "run", "--order", "8"],
        &["report", "run", "--format", "markdown"],
        &["report", "run", "--format", "junit"],
    ] {
        let mut command = webshop(dir.path(), args);
        command.env("GITHUB_ACTIONS", "true");
        let shown = told(dir.path(), &mut command);
        let has_text = shown.contains("not ours");
        assert!(
            has_text || args.contains(&"--order") || args.contains(&"junit"),
            "{args:?}: {shown}"
        );
        harmless(&shown);
    }
}

#[test]
fn an_error_about_a_file_quotes_it_on_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let run = violation(dir.path());
    change(&run.join("plan.json"), |plan| {
        plan["steps"] = json!([{NASTY: {}}]);
    });
    let shown = verify(dir.path());
    assert!(shown.starts_with("exit 64\n"), "{shown}");
    harmless(&shown);
}

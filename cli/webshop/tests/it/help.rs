//! Every help text, as a snapshot: what is promised there changes on purpose only.

use assert_cmd::Command;

fn help(args: &[&str]) -> String {
    let output = Command::cargo_bin("webshop")
        .unwrap()
        .args(args)
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_program_explains_itself() {
    insta::assert_snapshot!(help(&[]));
}

#[test]
fn every_command_explains_itself() {
    for command in [
        "up",
        "down",
        "ps",
        "targets",
        "logs",
        "images",
        "load",
        "chaos",
        "run",
        "scenario",
        "verify",
        "selftest",
        "bench",
        "report",
        "history",
        "doctor",
        "completions",
    ] {
        insta::assert_snapshot!(command, help(&[command]));
    }
}

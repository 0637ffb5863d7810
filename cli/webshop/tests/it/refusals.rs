//! Bad input: exit code, stdout and stderr.

use assert_cmd::Command;

const NO_ENGINE: &str = "tcp://127.0.0.1:1";

/// What a run of the program in the checkout shows.
pub(super) fn shown(args: &[&str]) -> String {
    let output = Command::cargo_bin("webshop")
        .unwrap()
        .args(args)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .env_clear()
        .env("DOCKER_HOST", NO_ENGINE)
        .output()
        .unwrap();
    format!(
        "exit {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn wrong_usage_is_64_and_not_a_verdict() {
    insta::assert_snapshot!("usage_unknown_command", shown(&["frobnicate"]));
    insta::assert_snapshot!("usage_missing_target", shown(&["chaos", "--at", "3s"]));
    insta::assert_snapshot!("usage_no_amount", shown(&["chaos", "--loss", "order"]));
    insta::assert_snapshot!("usage_no_sides", shown(&["chaos", "--partition", "order"]));
    insta::assert_snapshot!("usage_bad_duration", shown(&["up", "--wait-timeout", "20"]));
    insta::assert_snapshot!("usage_bad_scale", shown(&["up", "--scale", "order"]));
    insta::assert_snapshot!("usage_bad_stack", shown(&["ps", "--stack", "a b"]));
    insta::assert_snapshot!("usage_no_checkout", shown(&["up", "--project-dir", "/"]));
}

#[test]
fn a_settling_that_no_slow_checkout_would_outlive_is_refused() {
    let told = shown(&["verify", "--settle-timeout", "59s"]);
    assert!(told.starts_with("exit 64\n"), "{told}");
    assert!(told.contains("`59s` is too short: at least 1m"), "{told}");
    // Long enough: what is missing then is a run, or an engine.
    let told = shown(&["verify", "/nowhere", "--settle-timeout", "60s"]);
    assert!(!told.contains("too short"), "{told}");
}

#[test]
fn without_an_engine_every_command_says_so_with_a_hint() {
    let expected = shown(&["ps"]);
    insta::assert_snapshot!("no_engine", expected);
    for args in [
        &["up"][..],
        &["down"],
        &["images"],
        &["targets"],
        &["logs", "order"],
        &["chaos", "clear"],
        &["chaos", "--pause", "redis"],
        &["doctor"],
    ] {
        assert_eq!(shown(args), expected, "{args:?}");
    }
}

#[test]
fn completions_need_no_engine() {
    let text = shown(&["completions", "bash"]);
    assert!(text.starts_with("exit 0\n--- stdout\n_webshop()"), "{text}");
}

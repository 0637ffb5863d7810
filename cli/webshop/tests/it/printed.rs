//! Nothing that comes from outside is a line, a control sequence or a command to a CI runner where it is printed:
//! arguments, variables, names of files and directories, and what the files say.

use std::path::Path;

use serde_json::{Value, json};

use super::verify::{lost_order, told, webshop};

const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// All that a text can try, without a NUL: no argument, name or variable holds one.
const NASTY: [&str; 8] = [
    "x\n::error::forged",
    "x\r\n \t::error::forged",
    "\u{1b}[35mx\u{1b}]0;t\u{7}",
    "a\u{9b}2J\u{85}::error::forged\u{2028}::error::forged",
    "\u{202e}x\u{2066}\u{61c}\u{200f}",
    "::error::forged",
    "##[error]forged",
    "##vso[task.complete]forged",
];

/// Those that can be seen, and so may be given as an argument.
fn is_visible(nasty: &str) -> bool {
    matches!(nasty.get(..2), Some("::" | "##"))
}

/// No line is a command to a runner, and no character one to the terminal.
fn harmless(shown: &str, what: &dyn std::fmt::Debug) {
    assert!(!shown.contains("\u{1b}[35m"), "{what:?}: {shown:?}");
    let shown = &without_colours(shown);
    for line in shown.lines() {
        let is_command = line.trim_start().starts_with("::");
        assert!(!is_command, "{what:?}: {shown}");
        assert_ne!(line, "forged", "{what:?}: {shown}");
    }
    for command in ["##[", "##vso["] {
        assert!(!shown.contains(command), "{what:?}: {shown}");
    }
    let hidden = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!shown.contains(hidden), "{what:?}: {shown:?}");
}

/// Our own colours are no part of it.
fn without_colours(shown: &str) -> String {
    let mut parts = shown.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let after = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match after.strip_prefix('m') {
            Some(after) => plain.push_str(after),
            None => plain.extend(["\u{1b}[", part]),
        }
    }
    plain
}

/// The exit code of a command whose output, as a terminal would get it, is harmless.
fn code(dir: &Path, command: &mut assert_cmd::Command, what: &dyn std::fmt::Debug) -> i32 {
    let shown = told(dir, command.env("CLICOLOR_FORCE", "1"));
    harmless(&shown, what);
    let (code, _) = shown["exit ".len()..].split_once('\n').unwrap();
    code.parse().unwrap()
}

/// Every command that takes a text, `H` in its place, and how it ends where the text can be seen.
const COMMANDS: [(&[&str], i32); 36] = [
    (&["H"], 64),
    (&["--H"], 64),
    (&["-H"], 64),
    (&["ps", "H"], 64),
    (&["verify", "H"], 64),
    (&["verify", "run", "--order", "H"], 64),
    (&["verify", "run", "--format", "H"], 64),
    (&["verify", "run", "--H=1"], 64),
    (&["report", "H"], 64),
    (&["report", "run", "--format", "H"], 64),
    (&["history", "--compare", "H", "H"], 64),
    (&["run", "H"], 64),
    (&["run", "quiet", "--tags", "H"], 64),
    (&["scenario", "H"], 64),
    (&["scenario", "validate", "H"], 64),
    (&["scenario", "explain", "H"], 64),
    (&["scenario", "explain", "quiet", "--seed", "H"], 64),
    (&["scenario", "list", "H"], 64),
    (&["scenario", "new", "H"], 64),
    (&["selftest", "H"], 64),
    (&["completions", "H"], 64),
    (&["load", "--rate", "H"], 64),
    (&["load", "--mix", "H"], 64),
    (&["load", "--name", "H"], 64),
    (&["bench", "--rate", "H"], 64),
    (&["bench", "--compare", "H"], 64),
    // Only the engine can say that nothing is called so.
    (&["chaos", "--kill", "H"], 4),
    (&["chaos", "--kill", "redis", "--at", "H"], 64),
    (&["chaos", "--partition", "H"], 64),
    (
        &[
            "chaos",
            "--print-scenario",
            "--kill",
            "redis",
            "--name",
            "H",
        ],
        64,
    ),
    (&["up", "--port", "H"], 64),
    (&["logs", "H"], 4),
    (&["--stack", "H", "ps"], 64),
    (&["--project-dir", "H", "run", "quiet"], 64),
    (&["--docker-host", "H", "ps"], 4),
    (&["--docker-context", "H", "ps"], 4),
];

#[test]
fn no_argument_is_a_line_of_its_own_or_a_command() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for nasty in NASTY {
        for (args, wanted) in COMMANDS {
            let args: Vec<String> = args.iter().map(|arg| arg.replace('H', nasty)).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let wanted = if is_visible(nasty) { wanted } else { 64 };
            let mut command = webshop(dir.path(), &args);
            if args[0] != "--project-dir" {
                command.env("WEBSHOP_PROJECT_DIR", CHECKOUT);
            }
            if args[0] == "--docker-context" {
                command.env_remove("DOCKER_HOST");
            }
            let code = code(dir.path(), &mut command, &args);
            if code != wanted {
                wrong.push(format!("{args:?}: {code}, not {wanted}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_argument_with_something_hidden_is_refused_and_shown_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = webshop(dir.path(), &["verify", "a\n\u{202e}b"]);
    insta::assert_snapshot!(told(dir.path(), &mut command), @r"
    exit 64
    --- stdout
    --- stderr
    error: the argument `a\n\u{202e}b` has characters that cannot be seen
    ");
}

#[test]
fn what_clap_has_to_say_keeps_its_form() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = webshop(dir.path(), &["verify", "--formt", "json"]);
    insta::assert_snapshot!(told(dir.path(), &mut command), @r"
    exit 64
    --- stdout
    --- stderr
    error: unexpected argument '--formt' found

      tip: a similar argument exists: '--format'

    Usage: webshop verify --format <FORMAT> [RUN]

    For more information, try '--help'.
    ");
}

#[test]
fn no_variable_is_a_line_of_its_own_or_a_command() {
    let dir = tempfile::tempdir().unwrap();
    for nasty in NASTY {
        for (variable, args, wanted) in [
            ("WEBSHOP_STACK", &["ps"][..], 64),
            ("WEBSHOP_PROJECT_DIR", &["run", "quiet"], 64),
            ("DOCKER_HOST", &["ps"], 4),
            ("DOCKER_CONTEXT", &["ps"], 4),
        ] {
            let mut command = webshop(dir.path(), args);
            if variable == "DOCKER_CONTEXT" {
                command.env_remove("DOCKER_HOST");
            }
            command.env(variable, nasty);
            let code = code(dir.path(), &mut command, &(variable, nasty));
            assert_eq!(code, wanted, "{variable} {nasty:?}");
        }
    }
}

#[test]
fn no_name_of_a_directory_is_a_line_of_its_own_or_a_command() {
    for nasty in NASTY {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join(nasty);
        let run = inside.join("runs").join(nasty);
        std::fs::create_dir_all(&run).unwrap();
        lost_order(&run);
        let broken = inside.join("runs").join(format!("{nasty} too"));
        std::fs::create_dir(&broken).unwrap();
        std::fs::write(broken.join("plan.json"), "{}").unwrap();
        std::os::unix::fs::symlink(nasty, inside.join("runs/latest")).unwrap();
        std::fs::create_dir(inside.join("empty")).unwrap();
        std::fs::write(inside.join(format!("{nasty}.yaml")), "version: 9").unwrap();
        let latest = "runs/latest";
        for (args, wanted) in [
            (&["verify", latest, "--offline"][..], 1),
            (&["verify", "--offline"], 1),
            (&["verify", latest, "--offline", "--format", "json"], 1),
            (&["verify", latest, "--order", "7"], 1),
            (&["report", latest], 0),
            (&["report"], 0),
            (&["report", latest, "--format", "markdown"], 0),
            (&["report", latest, "--format", "junit"], 0),
            (&["report", latest, "--format", "html"], 0),
            (&["history"], 0),
            (&["history", "--format", "json"], 0),
            (&["history", "--compare", latest, latest], 0),
            (&["verify", "empty"], 64),
            (&["scenario", "validate", "."], 64),
            (&["scenario", "list", "."], 64),
        ] {
            let mut command = webshop(&inside, args);
            command
                .env("GITHUB_ACTIONS", "true")
                .env("CLICOLOR_FORCE", "1");
            if args[0] == "scenario" {
                command.env("WEBSHOP_PROJECT_DIR", CHECKOUT);
            }
            let shown = told(&inside, &mut command);
            // It is the annotations' business to be commands.
            let shown: Vec<&str> = shown
                .lines()
                .map(|line| line.strip_prefix("::error title=").unwrap_or(line))
                .collect();
            harmless(&shown.join("\n"), &(nasty, args));
            assert_eq!(shown[0], format!("exit {wanted}"), "{args:?} {shown:#?}");
        }
    }
}

/// Where the texts of a document are, and the keys of its objects.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                places(value, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(values) => {
            for (key, value) in values {
                places(value, &format!("{at}/{key}"), found);
            }
            found.push(format!("{at}/+"));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn no_text_in_a_file_of_a_run_is_a_line_of_its_own_or_a_command() {
    let all = format!("{}\u{0}", NASTY.join("\n"));
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    for name in [
        "plan.json",
        "initial.json",
        "evidence.json",
        "snapshot-1.json",
        "history.jsonl",
    ] {
        std::fs::create_dir_all(&run).unwrap();
        lost_order(&run);
        let file = run.join(name);
        let text = std::fs::read_to_string(&file).unwrap();
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let whole: Value = serde_json::from_str(first).unwrap();
        let mut found = Vec::new();
        places(&whole, "", &mut found);
        for place in found {
            let mut value = whole.clone();
            match place.strip_suffix("/+") {
                Some(object) => {
                    let object = value.pointer_mut(object).unwrap().as_object_mut().unwrap();
                    object.insert(all.clone(), json!("x"));
                }
                None => *value.pointer_mut(&place).unwrap() = json!(all),
            }
            std::fs::write(&file, format!("{value}\n{rest}")).unwrap();
            for args in [
                &["verify", "run", "--offline"][..],
                &["report", "run", "--format", "html"],
            ] {
                let code = code(dir.path(), &mut webshop(dir.path(), args), &(name, &place));
                assert!([0, 1, 2, 64].contains(&code), "{name} {place}: {code}");
            }
        }
        std::fs::remove_dir_all(&run).unwrap();
    }
}

/// YAML takes no control as it is, but escaped.
fn ascii(value: &Value) -> String {
    let escaped = |c: char| match c {
        ' '..='~' => c.to_string(),
        c => format!("\\u{:04x}", u32::from(c)),
    };
    value.to_string().chars().map(escaped).collect()
}

/// A scenario whose texts are `text`, as JSON, which is YAML too.
fn scenario(name: &str, text: &str) -> Value {
    json!({
        "version": 1, "name": name, "about": text, "tags": ["ci"],
        "timeline": [{"kill": {"target": "redis"}}, {"load": {"for": "30s"}}],
    })
}

#[test]
fn no_text_in_a_scenario_is_a_line_of_its_own_or_a_command() {
    let dir = tempfile::tempdir().unwrap();
    for nasty in NASTY {
        let good = scenario("good", nasty);
        let mut files = vec![(good.clone(), 0)];
        for (place, value) in [
            ("/name", json!(nasty)),
            ("/tags/0", json!(nasty)),
            ("/timeline/0/kill/target", json!(nasty)),
            ("/timeline/1/load/for", json!(nasty)),
            ("/timeline/0", json!({nasty: {"target": "redis"}})),
            ("/version", json!(nasty)),
            ("/about", json!([nasty])),
            ("/timeline", json!(nasty)),
            ("/timeline/1", json!({"load": {"for": "30s"}, nasty: 1})),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap() = value;
            files.push((bad, 64));
        }
        for (file, wanted) in files {
            std::fs::write(dir.path().join("a.yaml"), ascii(&file)).unwrap();
            for args in [
                &["scenario", "validate", "a.yaml"][..],
                &["scenario", "explain", "a.yaml"],
                &["scenario", "list", "."],
                &["run", "a.yaml"],
            ] {
                // Only an engine is missing then.
                let wanted = if args[0] == "run" && wanted == 0 {
                    4
                } else {
                    wanted
                };
                let mut command = webshop(dir.path(), args);
                command.env("WEBSHOP_PROJECT_DIR", CHECKOUT);
                let code = code(dir.path(), &mut command, &(args, &file));
                assert_eq!(code, wanted, "{args:?} {file}");
            }
        }
    }
}

use std::path::PathBuf;

use checker::{
    sample,
    verdict::{Check, Judgement, VERSION, Verdict},
};
use jsonschema::Validator;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Broken, HTML, JUNIT, RESULT_SCHEMA, Reported, SUMMARY, annotations, append_summary, from_here,
    html, junit_of, summary, testing, write,
};
use crate::{error::Error, rundir::RunDir};

fn schema() -> Value {
    serde_json::from_str(RESULT_SCHEMA).unwrap()
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema()).unwrap()
}

fn value(judgement: &Judgement) -> Value {
    serde_json::to_value(judgement).unwrap()
}

#[test]
fn results_of_every_verdict_keep_to_the_schema() {
    let validator = validator();
    for sample in sample::all() {
        let result = value(&sample.judgement);
        let errors: Vec<String> = validator
            .iter_errors(&result)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn the_schema_names_the_version_and_every_check_of_this_program() {
    let schema = schema();
    assert_eq!(schema["properties"]["version"]["const"], json!(VERSION));
    assert_eq!(schema["$id"], format!("urn:webshop:result:{VERSION}"));
    let checks: Vec<Value> = Check::ALL
        .iter()
        .map(|check| serde_json::to_value(check).unwrap())
        .collect();
    assert_eq!(schema["$defs"]["check_name"]["enum"], Value::Array(checks));
}

#[test]
fn whatever_is_no_result_of_this_version_is_refused() {
    let validator = validator();
    let good = value(&sample::violation().judgement);
    let change = |pointer: &str, to: Value| {
        let mut result = good.clone();
        *result.pointer_mut(pointer).unwrap() = to;
        result
    };
    let mut more = good.clone();
    more["more"] = json!(1);
    let mut less = good.clone();
    less.as_object_mut().unwrap().remove("totals");
    for (what, wrong) in [
        ("version", change("/version", json!(1))),
        ("verdict", change("/verdict", json!("green"))),
        ("a pass with violations", change("/verdict", json!("pass"))),
        ("exit code", change("/exit_code", json!(0))),
        ("status", change("/checks/0/status", json!("fine"))),
        ("a check too few", change("/checks", json!([]))),
        ("label", change("/violations/0/label", json!("ODD"))),
        (
            "two subjects",
            change("/violations/0/subject", json!({"order": 1, "user": 2})),
        ),
        ("ratio", change("/availability/served_ratio", json!(1.5))),
        ("count", change("/totals/orders", json!(-1))),
        ("more", more),
        ("less", less),
    ] {
        assert!(!validator.is_valid(&wrong), "{what}");
    }
    assert!(validator.is_valid(&good));
}

/// A run on disk, judged.
fn judged(runs: &std::path::Path) -> RunDir {
    let sample = sample::violation();
    let dir = RunDir::create(runs, "kill", 0).unwrap();
    dir.write_plan(&testing::plan()).unwrap();
    dir.write_evidence(&sample.evidence).unwrap();
    dir.write_snapshots(&sample.snapshots).unwrap();
    let header = serde_json::to_string(&sample.history.header).unwrap();
    std::fs::write(dir.history_path(), header + "\n").unwrap();
    dir.write_result(&sample.judgement).unwrap();
    dir
}

#[test]
fn a_judged_run_is_read_back_and_its_reports_are_written() {
    let runs = tempfile::tempdir().unwrap();
    let dir = judged(runs.path());
    let reported = Reported::load(&dir).unwrap();
    assert_eq!(reported.judgement, sample::violation().judgement);
    assert_eq!(reported.databases.len(), 3);
    assert!(reported.events.is_empty());
    let words = shlex::split(&reported.verify_command()).unwrap();
    assert_eq!(words[..2], ["webshop", "verify"]);
    assert_eq!(std::path::Path::new(&words[2]), dir.path());
    let page = write(&dir, &reported).unwrap();
    assert_eq!(page, dir.path().join(HTML));
    for file in [JUNIT, SUMMARY, HTML] {
        let text = std::fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(text.contains("VIOLATION"), "{file}");
    }
}

#[test]
fn without_a_judgement_there_is_nothing_to_report() {
    let runs = tempfile::tempdir().unwrap();
    let dir = judged(runs.path());
    std::fs::remove_file(dir.path().join("result.json")).unwrap();
    let error = Reported::load(&dir).unwrap_err();
    assert!(matches!(error, Error::NotJudged { .. }));
    assert_eq!(
        error.hint().unwrap(),
        "judge it first: webshop verify 19700101-000000-kill"
    );
}

#[test]
fn the_result_of_another_run_is_refused() {
    let runs = tempfile::tempdir().unwrap();
    let dir = judged(runs.path());
    let mut judgement = sample::pass().judgement;
    judgement.run = "another".to_owned();
    dir.write_result(&judgement).unwrap();
    let error = Reported::load(&dir).unwrap_err().to_string();
    assert!(
        error.ends_with("its result is that of another run, another"),
        "{error}"
    );
}

#[test]
fn a_summary_is_added_to_those_that_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("summary");
    std::fs::write(&path, "before\n").unwrap();
    append_summary(&path, &[testing::pass()]).unwrap();
    append_summary(&path, &[testing::violation()]).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("before\n## ✅ webshop: PASS\n"), "{text}");
    assert!(text.contains("\n## ❌ webshop: VIOLATION\n"), "{text}");
}

#[test]
fn a_run_is_repeated_from_the_scenario_that_is_kept_beside_it() {
    let runs = tempfile::tempdir().unwrap();
    let dir = judged(runs.path());
    let without = Reported::load(&dir).unwrap();
    assert_eq!(without.again_command(), None);
    assert!(super::html(&without).contains("It cannot be repeated exactly"));
    dir.write_text(crate::rundir::SCENARIO, "version: 1\n")
        .unwrap();
    let with = Reported::load(&dir).unwrap();
    let command = with.again_command().unwrap();
    assert!(super::html(&with).contains(&command));
    let seed = with.plan.seed.to_string();
    let words = shlex::split(&command).unwrap();
    let [program, run, file, rest @ ..] = words.as_slice() else {
        panic!("{words:?}");
    };
    assert_eq!([program, run], ["webshop", "run"]);
    assert!(std::path::Path::new(file).is_file(), "{file}");
    assert_eq!(rest, ["--seed", &seed]);
}

#[test]
fn a_run_of_another_stack_is_repeated_on_that_one() {
    let mut run = Reported {
        has_scenario: true,
        ..testing::pass()
    };
    run.plan.stack.name = "webshop-two".to_owned();
    let command = run.again_command().unwrap();
    assert!(command.ends_with(" --stack webshop-two"), "{command}");
}

#[test]
fn a_runs_directory_is_named_from_where_the_program_was_started() {
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    assert_eq!(from_here(&here.join("runs/x")), PathBuf::from("runs/x"));
    assert_eq!(
        from_here("/elsewhere/x".as_ref()),
        PathBuf::from("/elsewhere/x")
    );
}

#[test]
fn a_command_to_repeat_names_a_directory_as_one_word_whatever_it_is_called() {
    let run = Reported {
        run: "runs/x; touch $HOME/it's".into(),
        has_scenario: true,
        ..testing::pass()
    };
    for command in [run.verify_command(), run.again_command().unwrap()] {
        let words = shlex::split(&command).unwrap();
        assert!(
            words[2].starts_with("runs/x; touch $HOME/it's"),
            "{command}"
        );
    }
}

/// Where the texts of a document are.
fn texts(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                texts(value, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(values) => {
            for (key, value) in values {
                texts(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The same with `nasty` in place of each text that may be any text.
fn hostile<T: Serialize + DeserializeOwned>(value: &T, nasty: &str) -> T {
    let mut value = serde_json::to_value(value).unwrap();
    let mut found = Vec::new();
    texts(&value, "", &mut found);
    for place in found {
        let before = value.pointer_mut(&place).unwrap().take();
        *value.pointer_mut(&place).unwrap() = nasty.into();
        if T::deserialize(&value).is_err() {
            *value.pointer_mut(&place).unwrap() = before;
        }
    }
    T::deserialize(&value).unwrap()
}

/// No character of it is a command to a terminal, and no line one to a CI runner.
fn harmless(what: &str, text: &str) {
    let mut runs = text
        .lines()
        .filter(|line| line.trim_start().starts_with("::"));
    assert_eq!(runs.next(), None, "{what}");
    assert!(!text.contains("##["), "{what}");
    for c in text.chars() {
        let is_hidden = c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(
                c,
                '\u{61c}' | '\u{200e}' | '\u{2028}' | '\u{202e}' | '\u{2066}' | '\u{feff}'
            );
        assert!(!is_hidden, "{what}: {c:?}");
    }
}

#[test]
fn no_text_of_a_run_is_anything_but_text_in_any_report() {
    let nasty = "x\u{1b}[31m\u{202e}\u{2066}\u{61c}\u{200e}\n::error::forged\r\n \t::error::forged\u{0}<script>\u{85}::y\u{2028}\u{9b}##[error]\u{feff}|`";
    for mut run in testing::all() {
        run.run = nasty.into();
        run.plan = hostile(&run.plan, nasty);
        run.plan
            .stack
            .images
            .insert(nasty.to_owned(), nasty.to_owned());
        run.judgement = hostile(&run.judgement, nasty);
        run.judgement.reasons.push(nasty.to_owned());
        run.evidence = hostile(&run.evidence, nasty);
        run.history.header.run = nasty.to_owned();
        run.outcome = Some((Verdict::Unknown, vec![nasty.to_owned()]));
        for event in &mut run.events {
            event.subject = nasty.to_owned();
            event.text = nasty.to_owned();
        }
        run.databases = run
            .databases
            .iter()
            .map(|database| hostile(database, nasty))
            .collect();
        let broken = Broken {
            name: nasty.to_owned(),
            why: nasty.to_owned(),
        };
        let html = html(&run);
        assert!(
            html.matches("forged").count() > 20,
            "{}",
            html.matches("forged").count()
        );
        harmless("html", &html);
        assert!(!html.contains("<script"));
        let runs = [run];
        let junit = junit_of(&runs, &[broken]);
        harmless("junit", &junit);
        roxmltree::Document::parse(&junit).unwrap();
        let summary = summary(&runs);
        harmless("markdown", &summary);
        let heading = |line: &&str| line.starts_with('#') && !line.contains("webshop: ");
        assert!(summary.lines().filter(heading).count() <= 1, "{summary}");
        for line in annotations(&runs) {
            assert_eq!(line.lines().count(), 1, "{line}");
            harmless("annotation", line.trim_start_matches("::"));
        }
    }
}

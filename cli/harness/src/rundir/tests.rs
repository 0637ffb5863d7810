//! Of runs on disk, and of files that are none.

use super::*;

#[test]
fn latest_points_to_the_newest_run() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let first = RunDir::create(&runs, "kill stock/db", 0).unwrap();
    let second = RunDir::create(&runs, "kill stock/db", 0).unwrap();
    assert_eq!(first.name(), "19700101-000000-kill-stock-db");
    assert_eq!(second.name(), "19700101-000000-kill-stock-db-2");
    assert_eq!(
        std::fs::read_link(runs.join("latest")).unwrap(),
        Path::new("19700101-000000-kill-stock-db-2")
    );
    std::fs::write(second.file(PLAN), "{}").unwrap();
    let opened = RunDir::open(&runs, None).unwrap();
    assert_eq!(opened.name(), second.name());
}

#[test]
fn without_a_run_there_is_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let error = RunDir::open(dir.path(), None).unwrap_err();
    assert!(matches!(error, Error::NoRun { .. }));
    assert!(error.hint().unwrap().contains("webshop chaos"));
}

#[test]
fn a_foreign_or_cut_directory_is_refused_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = RunDir::open(dir.path(), Some(dir.path())).unwrap_err();
    assert!(
        foreign
            .to_string()
            .ends_with("not the directory of a run: it has no plan.json")
    );
    std::fs::write(dir.path().join(PLAN), "{\"format\":").unwrap();
    let run = RunDir::open(dir.path(), Some(dir.path())).unwrap();
    let cut = run.plan().unwrap_err().to_string();
    assert!(cut.contains("plan.json: cut short"), "{cut}");
}

fn run(dir: &tempfile::TempDir) -> RunDir {
    RunDir {
        path: dir.path().to_owned(),
    }
}

#[test]
fn events_that_were_cut_short_are_read_as_far_as_they_go() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(&dir);
    assert_eq!(run.events().unwrap(), []);
    let whole = r#"{"t":7,"kind":"role","subject":"stock-db-1","text":"primary"}"#;
    std::fs::write(run.events_path(), format!("{whole}\n{}", &whole[..20])).unwrap();
    let events = run.events().unwrap();
    assert_eq!((events.len(), events[0].at_us), (1, 7));
    std::fs::write(run.events_path(), format!("hello\n{whole}\n")).unwrap();
    let foreign = run.events().unwrap_err().to_string();
    assert!(foreign.contains("events.jsonl: line 1: "), "{foreign}");
}

/// A plan whose run has this id.
fn write_plan_of(run: &RunDir, id: &str) {
    let mut plan = crate::report::testing::plan();
    plan.run = id.to_owned();
    run.write_plan(&plan).unwrap();
}

#[test]
fn a_result_that_was_copied_from_another_run_is_no_verdict() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [good, bad] = [run(&dirs[0]), run(&dirs[1])];
    let mut passed = checker::sample::pass().judgement;
    passed.run = "good".to_owned();
    let mut violated = checker::sample::violation().judgement;
    violated.run = "bad".to_owned();
    write_plan_of(&good, "good");
    write_plan_of(&bad, "bad");
    good.write_result(&passed).unwrap();
    bad.write_result(&violated).unwrap();
    assert_eq!(good.result().unwrap(), Some(passed));
    assert_eq!(bad.result().unwrap(), Some(violated));
    std::fs::copy(good.file(RESULT), bad.file(RESULT)).unwrap();
    let error = bad.result().unwrap_err();
    assert_eq!(error.kind(), crate::error::Kind::Usage);
    let told = error.to_string();
    assert!(
        told.ends_with("its result is that of another run, good"),
        "{told}"
    );
    let entry = crate::report::entry(&bad);
    assert_eq!((entry.verdict, entry.unreadable), (None, Some(told)));
}

#[test]
fn a_result_that_is_not_this_programs_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(&dir);
    assert!(run.result().unwrap().is_none());
    let mut judgement = checker::sample::violation().judgement;
    write_plan_of(&run, &judgement.run);
    run.write_result(&judgement).unwrap();
    assert_eq!(run.result().unwrap(), Some(judgement.clone()));
    judgement.exit_code = 0;
    run.write_result(&judgement).unwrap();
    let error = run.result().unwrap_err().to_string();
    assert!(error.ends_with("VIOLATION does not exit with 0"), "{error}");
    judgement.version = 1;
    run.write_result(&judgement).unwrap();
    let error = run.result().unwrap_err().to_string();
    assert!(
        error.ends_with("a result of version 1; this program reads version 2"),
        "{error}"
    );
}

//! `webshop selftest`.

use checker::Verdict;
use harness::error::{Error, Kind};
use harness::image::{self, Flavour};
use harness::printable;
use harness::selftest::{self, MUTANTS, Mutant, Outcome, QUICK, Tried};
use harness::{Cluster, units::human};
use serde::Serialize;

use super::verify::verdict::verdict_line;
use crate::cli::{Format, SelftestArgs};
use crate::exit::Exit;
use crate::session::Session;
use crate::table;

const HEADER: [&str; 7] = [
    "MUTANT", "CAUGHT", "EXPECTED", "GIVEN", "ORDER", "TOOK", "RUN",
];

/// One build, as JSON.
#[derive(Debug, Serialize)]
struct Line {
    mutant: &'static str,
    caught: bool,
    expected: String,
    given: String,
    order: Option<i64>,
    seconds: u64,
    run: Option<String>,
    error: Option<String>,
}

/// Tries the mutants one after the other; ends with their table.
pub(crate) async fn run(args: SelftestArgs, session: Session) -> anyhow::Result<Exit> {
    let Some(mutants) = choose(&args, &session) else {
        return Ok(Exit::Usage);
    };
    if args.list {
        session.printer.block(&list(&mutants));
        return Ok(Exit::Pass);
    }
    let project = session.project()?;
    let beside = session.cluster().await?;
    let cluster = Cluster {
        stack: format!("{}-selftest", beside.stack).parse()?,
        ..beside
    };
    let images = image::Options {
        rebuild: false,
        ca_bundle: session.global.ca_bundle(),
        flavour: Flavour::Test,
    };
    selftest::require_only_in_test_images(&cluster, &project, &images).await?;
    session
        .printer
        .note("the release images have no planted code, the test images have");
    let mut lines = Vec::new();
    for (at, mutant) in mutants.iter().enumerate() {
        session.printer.note(&format!(
            "\nmutant {}/{} {}: {}",
            at + 1,
            mutants.len(),
            mutant.name,
            mutant.about
        ));
        let runs = session.runs();
        let line = match selftest::try_one(&cluster, &project, &runs, mutant, &images).await {
            Ok(tried) => tell(&session, mutant, &tried),
            Err(error) if error.kind() == Kind::Interrupted => return Err(error.into()),
            Err(error) => {
                let error = anyhow::Error::from(error);
                session
                    .printer
                    .error(&printable::lines(&format!("{error:#}")));
                broken(mutant, &format!("{error:#}"))
            }
        };
        lines.push(line);
    }
    match args.format {
        Format::Json => session.printer.json(&lines)?,
        Format::Text => {
            let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
            let table = table::draw(&HEADER, &rows);
            session.printer.block(&format!("\n{table}"));
            session.printer.block(&format!("\n{}", summary(&lines)));
        }
    }
    Ok(exit(&lines))
}

/// Those that were asked for; `None` after saying which is unknown.
fn choose(args: &SelftestArgs, session: &Session) -> Option<Vec<Mutant>> {
    let named = |names: &[&str]| {
        let mut chosen = Vec::new();
        for name in names {
            match MUTANTS.iter().find(|mutant| mutant.name == *name) {
                Some(mutant) => chosen.push(*mutant),
                None => {
                    return Err(Error::NoMutant {
                        name: (*name).to_owned(),
                        known: MUTANTS.iter().map(|mutant| mutant.name).collect(),
                    });
                }
            }
        }
        Ok(chosen)
    };
    let names: Vec<&str> = args.mutants.iter().map(String::as_str).collect();
    let chosen = match (args.quick, names.as_slice()) {
        (true, _) => named(&QUICK),
        (false, []) => Ok(MUTANTS.to_vec()),
        (false, names) => named(names),
    };
    match chosen {
        Ok(chosen) => Some(chosen),
        Err(error) => {
            let hint = error
                .hint()
                .map_or_else(String::new, |hint| format!("\n\nhint: {hint}"));
            session
                .printer
                .error(&format!("{}{hint}", printable::line(&error.to_string())));
            None
        }
    }
}

fn list(mutants: &[Mutant]) -> String {
    let row = |mutant: &Mutant| {
        vec![
            mutant.name.to_owned(),
            mutant.expected.to_string(),
            mutant.profile.name().to_owned(),
            mutant.about.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = mutants.iter().map(row).collect();
    table::draw(&["MUTANT", "EXPECTED", "PROFILE", "ABOUT"], &rows)
}

fn tell(session: &Session, mutant: &Mutant, tried: &Tried) -> Line {
    let Outcome {
        verdict,
        order,
        caught,
        took,
        ..
    } = tried.outcome;
    let given = tried.outcome.given();
    let how = if caught { "as it must be" } else { "WRONG" };
    session
        .printer
        .line(&format!("{} {given}: {how}", verdict_line(verdict)));
    if !caught {
        match harness::run::recorded::offline(&tried.dir) {
            Ok(judged) => {
                for reason in judged.judgement.reasons.iter().take(REASONS_MAX) {
                    let reason = printable::line(reason);
                    session.printer.line(&format!("- {reason}"));
                }
            }
            Err(error) => session.printer.warning(&format!("no reasons: {error}")),
        }
    }
    Line {
        mutant: mutant.name,
        caught,
        expected: mutant.expected.to_string(),
        given,
        order: order.map(|order| order.0),
        seconds: took.as_secs(),
        run: Some(tried.dir.name()),
        error: None,
    }
}

/// Reasons that are told of a verdict that is not the expected one.
const REASONS_MAX: usize = 10;

fn broken(mutant: &Mutant, error: &str) -> Line {
    Line {
        mutant: mutant.name,
        caught: false,
        expected: mutant.expected.to_string(),
        given: Verdict::Harness.to_string(),
        order: None,
        seconds: 0,
        run: None,
        error: Some(error.to_owned()),
    }
}

fn row(line: &Line) -> Vec<String> {
    let dash = || "-".to_owned();
    let took = std::time::Duration::from_secs(line.seconds);
    vec![
        line.mutant.to_owned(),
        if line.caught { "yes" } else { "NO" }.to_owned(),
        line.expected.clone(),
        line.given.clone(),
        line.order.map_or_else(dash, |order| order.to_string()),
        human(took),
        line.run.as_deref().map_or_else(dash, printable::line),
    ]
}

fn summary(lines: &[Line]) -> String {
    let caught = lines.iter().filter(|line| line.caught).count();
    format!("{caught} of {} were judged as they must be", lines.len())
}

/// A wrong judge is worse than a stack that did not come up.
fn exit(lines: &[Line]) -> Exit {
    let missed = |line: &&Line| !line.caught && line.error.is_none();
    if lines.iter().any(|line| missed(&line)) {
        Exit::Violation
    } else if lines.iter().any(|line| !line.caught) {
        Exit::Harness
    } else {
        Exit::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_that_broke_off_is_the_harnesss_and_hides_no_missed_bug() {
        let broken_off = || broken(&MUTANTS[0], "Broken pipe (os error 32)");
        assert_eq!(exit(&[broken_off()]), Exit::Harness);
        let missed = Line {
            error: None,
            ..broken_off()
        };
        assert_eq!(exit(&[broken_off(), missed]), Exit::Violation);
    }
}

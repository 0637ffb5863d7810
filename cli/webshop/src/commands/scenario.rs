//! `webshop scenario`.

use std::path::Path;

use harness::Project;
use harness::error::Error;
use harness::printable;
use harness::scenario::explain::template;
use harness::scenario::suite::{self, DIRECTORY};
use harness::scenario::tags::Tags;
use harness::scenario::{Scenario, file::Mistake};

use crate::cli::{ScenarioArgs, ScenarioCommand};
use crate::exit::Exit;
use crate::session::Session;
use crate::table;

/// Works on scenario files; needs no engine.
pub(crate) fn run(args: ScenarioArgs, session: &Session) -> anyhow::Result<Exit> {
    let printer = &session.printer;
    match args.command {
        ScenarioCommand::New { name } => {
            let text = template(&name);
            check(&session.project()?, Path::new(&name), &text)?;
            printer.document(text.trim_end())?;
        }
        ScenarioCommand::List { directory, tags } => {
            list(session, directory.as_deref(), tags.as_ref())?;
        }
        ScenarioCommand::Validate { scenarios } => {
            let found = suite::find(&session.project()?, &scenarios)?;
            for entry in &found {
                printer.line(&printable::line(&format!("{}: ok", entry.path.display())));
            }
        }
        ScenarioCommand::Explain { scenario, seed } => {
            for entry in suite::find(&session.project()?, &[scenario])? {
                let seed = seed.or(entry.scenario.seed).unwrap_or(0);
                printer.block(entry.scenario.explain(seed).trim_end());
            }
        }
        ScenarioCommand::Schema => {
            let schema = serde_json::to_string_pretty(&harness::scenario::schema())?;
            printer.document(&schema)?;
        }
    }
    Ok(Exit::Pass)
}

/// What is written for others to use is right.
fn check(project: &Project, file: &Path, text: &str) -> Result<(), Error> {
    let wrong = |mistakes: Vec<Mistake>| Error::Scenario {
        file: file.to_owned(),
        mistakes,
    };
    let scenario = Scenario::parse(text).map_err(|mistake| wrong(vec![mistake]))?;
    match suite::check(project, &scenario)? {
        none if none.is_empty() => Ok(()),
        some => Err(wrong(some)),
    }
}

fn list(session: &Session, directory: Option<&Path>, tags: Option<&Tags>) -> anyhow::Result<()> {
    let project = session.project()?;
    let directory = match directory {
        Some(directory) => directory.to_owned(),
        None => project.root().join(DIRECTORY),
    };
    let found = suite::find(&project, &[directory.display().to_string()])?;
    let rows: Vec<Vec<String>> = suite::select(found, tags)
        .into_iter()
        .map(|entry| entry.scenario)
        .map(|scenario| {
            let tags = printable::line(&scenario.tags.join(","));
            let name = printable::line(&scenario.name.value);
            vec![name, tags, table::short(&scenario.about)]
        })
        .collect();
    session
        .printer
        .block(&table::draw(&["SCENARIO", "TAGS", "ABOUT"], &rows));
    Ok(())
}

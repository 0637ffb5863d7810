//! Finding scenarios: files, directories, and names of those that the project brings along.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Scenario, file::Mistake, tags::Tags, world::world};
use crate::{
    error::{Error, Result},
    project::{Profile, Project},
    scenario::ProfileName,
    stack::{SCALE_MAX, compose::File},
    target::near,
};

/// Where a project keeps its scenarios.
pub const DIRECTORY: &str = "scenarios";

/// A scenario and its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub path: PathBuf,
    pub scenario: Scenario,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Full => Self::Full,
            ProfileName::Small => Self::Small,
        }
    }
}

impl From<Profile> for ProfileName {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Full => Self::Full,
            Profile::Small => Self::Small,
        }
    }
}

/// Reads and checks everything that `wanted` names, in that order; a directory's files by name.
///
/// # Errors
/// [`Error::NoScenario`], or [`Error::Scenario`] with everything that is wrong in the first wrong file.
pub fn find(project: &Project, wanted: &[String]) -> Result<Vec<Entry>> {
    let mut found: Vec<Entry> = Vec::new();
    for name in wanted {
        for path in paths(project, name)? {
            if found.iter().all(|entry| entry.path != path) {
                let scenario = read(project, &path)?;
                found.push(Entry { path, scenario });
            }
        }
    }
    Ok(found)
}

/// Those that the tags select.
#[must_use]
pub fn select(entries: Vec<Entry>, tags: Option<&Tags>) -> Vec<Entry> {
    let selected = |entry: &Entry| tags.is_none_or(|tags| tags.select(&entry.scenario.tags));
    entries.into_iter().filter(selected).collect()
}

/// Reads one file and checks it.
///
/// # Errors
/// [`Error::Scenario`] with everything that is wrong in it.
pub fn read(project: &Project, path: &Path) -> Result<Scenario> {
    let scenario = Scenario::read(path)?;
    let mistakes = check(project, &scenario)?;
    if mistakes.is_empty() {
        return Ok(scenario);
    }
    Err(Error::Scenario {
        file: path.to_owned(),
        mistakes,
    })
}

/// What is wrong with a scenario on this project's stack, in the order of the file.
///
/// # Errors
/// The stack file cannot be read.
pub fn check(project: &Project, scenario: &Scenario) -> Result<Vec<Mistake>> {
    let stack_file = project.stack_file(scenario.stack.profile.into());
    let mut file = File::read(&stack_file, &BTreeMap::new())?;
    let mut mistakes = scaled(&mut file, scenario);
    mistakes.extend(scenario.validate(&world(&file)));
    mistakes.sort();
    Ok(mistakes)
}

/// Gives the stack file what the scenario wants of its services; what cannot be given is a mistake.
fn scaled(file: &mut File, scenario: &Scenario) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (name, replicas) in &scenario.stack.scale {
        let mistake = |message, hint| Mistake {
            place: replicas.place,
            message,
            hint: Some(hint),
        };
        if **replicas > SCALE_MAX {
            let message = format!("{} tasks of {name} are too many", **replicas);
            mistakes.push(mistake(message, format!("at most {SCALE_MAX}")));
        } else if let Err(known) = file.scale(name, **replicas) {
            let hint = near::hint(&near::names(name, &known), &known);
            mistakes.push(mistake(format!("`{name}` cannot be scaled"), hint));
        }
    }
    mistakes
}

fn paths(project: &Project, name: &str) -> Result<Vec<PathBuf>> {
    let directory = project.root().join(DIRECTORY);
    let given = Path::new(name);
    if given.is_dir() {
        return files(given);
    }
    if given.is_file() {
        return Ok(vec![given.to_owned()]);
    }
    let known = files(&directory)?;
    let stem = |path: &Path| {
        let inner = path
            .strip_prefix(&directory)
            .unwrap_or(path)
            .with_extension("");
        inner.display().to_string()
    };
    match known.iter().find(|path| stem(path) == name) {
        Some(path) => Ok(vec![path.clone()]),
        None => Err(Error::NoScenario {
            name: name.to_owned(),
            known: known.iter().map(|path| stem(path)).collect(),
        }),
    }
}

/// The scenario files in a directory and below, by name. A directory that is not there has none.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io(format!("read {}", directory.display()), error)),
        };
        for entry in entries {
            let path = entry
                .map_err(|error| Error::io(format!("read {}", directory.display()), error))?
                .path();
            if path.is_dir() {
                left.push(path);
            } else if path
                .extension()
                .is_some_and(|ending| ending == "yaml" || ending == "yml")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

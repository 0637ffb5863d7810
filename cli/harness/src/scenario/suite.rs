//! Finding scenarios: files, directories, and names of those that the project brings along.

use std::path::{Path, PathBuf};

use super::{Scenario, file::Mistake, tags::Tags, world::world};
use crate::{
    error::{Error, Result},
    project::{Profile, Project},
    scenario::ProfileName,
    stack::compose::File,
    target::World,
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

/// What is wrong with a scenario on this project's stack.
///
/// # Errors
/// The stack file cannot be read.
pub fn check(project: &Project, scenario: &Scenario) -> Result<Vec<Mistake>> {
    Ok(scenario.validate(&planned(project, scenario.stack.profile)?))
}

fn planned(project: &Project, profile: ProfileName) -> Result<World> {
    let file = project.stack_file(profile.into());
    Ok(world(&File::read(
        &file,
        &std::collections::BTreeMap::new(),
    )?))
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

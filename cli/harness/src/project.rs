//! The checkout that the images are built from.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// The file that marks the root of a checkout.
const MARK: &str = "compose/stack.yml";

/// Which of the two stack files to deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Three nodes per database, three brokers, two replicas of each service.
    #[default]
    Full,
    /// One node of everything, no failover: for a laptop.
    Small,
}

impl Profile {
    /// As users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Small => "small",
        }
    }

    /// The other way round; `None` for a name that is no profile.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Full, Self::Small]
            .into_iter()
            .find(|profile| profile.name() == name)
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Full => "stack.yml",
            Self::Small => "stack-small.yml",
        }
    }
}

/// A checkout of this project.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// The checkout at `dir`, or the nearest one at or above the working directory.
    ///
    /// # Errors
    /// [`Error::NoProject`] where there is none.
    pub fn find(dir: Option<&Path>) -> Result<Self> {
        if let Some(dir) = dir {
            let root = dir.canonicalize().map_err(|source| match source.kind() {
                // What was given is wrong, not this machine.
                ErrorKind::NotFound | ErrorKind::NotADirectory => Error::NoProject {
                    from: dir.to_owned(),
                },
                _ => Error::io(format!("open {}", dir.display()), source),
            })?;
            return if root.join(MARK).is_file() {
                Ok(Self { root })
            } else {
                Err(Error::NoProject { from: root })
            };
        }
        let from = std::env::current_dir()
            .map_err(|source| Error::io("find the working directory", source))?;
        from.ancestors()
            .find(|dir| dir.join(MARK).is_file())
            .map(|root| Self {
                root: root.to_owned(),
            })
            .ok_or(Error::NoProject { from: from.clone() })
    }

    /// The directory that holds `Cargo.toml` and `compose/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the image of this name has its Dockerfile.
    pub fn image_dir(&self, image: &str) -> PathBuf {
        self.root.join("compose").join(image)
    }

    /// The stack file of a profile.
    pub fn stack_file(&self, profile: Profile) -> PathBuf {
        self.root.join("compose").join(profile.file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_the_stack_file_is_no_checkout() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            Project::find(Some(dir.path())),
            Err(Error::NoProject { .. })
        ));
        std::fs::create_dir(dir.path().join("compose")).unwrap();
        std::fs::write(dir.path().join(MARK), "").unwrap();
        let project = Project::find(Some(dir.path())).unwrap();
        assert!(project.stack_file(Profile::Full).is_file());
    }
}

//! What goes into an image: its directory, the host's certificate authorities, executables. The same
//! inputs give the same hash and the same archive on every machine.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Image;
use super::base::Base;
use super::binaries::Executable;
use super::host_ca::Authority;
use crate::error::{Error, Result};
use crate::project::Project;

/// Changes when images are put together in another way.
const RECIPE: &str = "1";
/// Bytes of the hash that make the tag.
const TAG_BYTES: usize = 6;

/// A file of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    content: Vec<u8>,
    executable: bool,
}

/// Everything that an image is made from, but for executables, which stand in as their sources.
#[derive(Debug)]
pub(super) struct Inputs {
    entries: BTreeMap<String, Entry>,
    hash: String,
}

impl Inputs {
    /// Reads the image's directory and its executables' sources.
    pub(super) fn read(
        project: &Project,
        image: &Image,
        base: &Base,
        authorities: &[Authority],
    ) -> Result<Self> {
        let mut entries = files_below(&project.image_dir(image.name))?;
        entries.insert(
            "host-ca/.keep".to_owned(),
            Entry {
                content: Vec::new(),
                executable: false,
            },
        );
        for authority in authorities {
            entries.insert(
                format!("host-ca/{}.crt", authority.name),
                Entry {
                    content: authority.pem.clone().into_bytes(),
                    executable: false,
                },
            );
        }
        let mut hash = Sha256::new();
        for part in [RECIPE, image.name, base.id.as_str()] {
            feed(&mut hash, part.as_bytes());
        }
        for (path, entry) in &entries {
            feed(&mut hash, path.as_bytes());
            feed(&mut hash, &[u8::from(entry.executable)]);
            feed(&mut hash, &entry.content);
        }
        if !image.binaries.is_empty() {
            for (path, content) in sources(project, image.sources)? {
                feed(&mut hash, path.as_bytes());
                feed(&mut hash, &content);
            }
        }
        let hash = hash
            .finalize()
            .iter()
            .take(TAG_BYTES)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self { entries, hash })
    }

    /// The tag.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// The context as a tar archive. Times and owners are left out, so the builder's cache hits.
    pub(super) fn archive(&self, executables: &[Executable]) -> Result<Vec<u8>> {
        let failed = |source| Error::io("write a build context", source);
        let mut archive = tar::Builder::new(Vec::new());
        for (path, entry) in &self.entries {
            append(&mut archive, path, entry.executable, &entry.content).map_err(failed)?;
        }
        for executable in executables {
            let path = format!("bin/{}", executable.name);
            append(&mut archive, &path, true, &executable.content).map_err(failed)?;
        }
        archive.into_inner().map_err(failed)
    }
}

/// Length first: no two lists of parts feed the same bytes.
fn feed(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}

fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    executable: bool,
    content: &[u8],
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(if executable { 0o755 } else { 0o644 });
    header.set_mtime(0);
    header.set_cksum();
    archive.append_data(&mut header, path, content)
}

/// The lock file, the workspace's manifest, and the crates' own files.
fn sources(project: &Project, crates: &[&str]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut sources = BTreeMap::new();
    for name in ["Cargo.lock", "Cargo.toml"] {
        sources.insert(name.to_owned(), read(&project.root().join(name))?);
    }
    for name in crates {
        let dir = project.root().join("services").join(name);
        for (path, entry) in files_below(&dir)? {
            // Tests change no executable.
            if !path.starts_with("tests/") {
                sources.insert(format!("{name}/{path}"), entry.content);
            }
        }
    }
    Ok(sources)
}

/// Every file below a directory by its path, however deep; hidden ones are left out.
fn files_below(dir: &Path) -> Result<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::new();
    let mut open: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        let failed = |source| Error::io(format!("read {}", at.display()), source);
        for item in std::fs::read_dir(&at).map_err(failed)? {
            let item = item.map_err(failed)?;
            if item.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = item.path();
            let metadata = std::fs::metadata(&path).map_err(failed)?;
            if metadata.is_dir() {
                open.push(path);
            } else if let Ok(relative) = path.strip_prefix(dir) {
                let entry = Entry {
                    content: read(&path)?,
                    executable: metadata.permissions().mode() & 0o111 != 0,
                };
                entries.insert(relative.to_string_lossy().into_owned(), entry);
            }
        }
    }
    Ok(entries)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::io(format!("read {}", path.display()), source))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: Image = Image {
        name: "database",
        binaries: &["db-node"],
        sources: &["db-node"],
    };

    fn project() -> (tempfile::TempDir, Project) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("compose/stack.yml", ""),
            ("compose/database/Dockerfile", "FROM x"),
            ("compose/database/conf/a.conf", "a = 1"),
            ("Cargo.toml", ""),
            ("Cargo.lock", ""),
            ("services/db-node/src/main.rs", "fn main() {}"),
            ("services/db-node/tests/it/main.rs", ""),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let project = Project::find(Some(dir.path())).unwrap();
        (dir, project)
    }

    fn inputs(project: &Project) -> Inputs {
        let base = Base {
            reference: "base".to_owned(),
            id: "sha256:1".to_owned(),
        };
        let authority = Authority {
            name: "own".to_owned(),
            pem: "PEM".to_owned(),
        };
        Inputs::read(project, &IMAGE, &base, &[authority]).unwrap()
    }

    #[test]
    fn the_hash_follows_what_goes_in_and_nothing_else() {
        let (dir, project) = project();
        let before = inputs(&project).hash;
        assert_eq!(inputs(&project).hash, before);
        std::fs::write(dir.path().join("services/db-node/tests/it/main.rs"), "x").unwrap();
        assert_eq!(inputs(&project).hash, before);
        std::fs::write(dir.path().join("services/db-node/src/main.rs"), "x").unwrap();
        let after_source = inputs(&project).hash;
        assert_ne!(after_source, before);
        std::fs::write(dir.path().join("compose/database/conf/a.conf"), "a = 2").unwrap();
        assert_ne!(inputs(&project).hash, after_source);
    }

    #[test]
    fn the_archive_holds_directory_authorities_and_executables() {
        let (_dir, project) = project();
        let executable = Executable {
            name: "db-node".to_owned(),
            content: b"elf".to_vec(),
        };
        let bytes = inputs(&project).archive(&[executable]).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let found: Vec<(String, u32)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().to_string_lossy().into_owned();
                (path, entry.header().mode().unwrap())
            })
            .collect();
        let expected = [
            ("Dockerfile", 0o644),
            ("conf/a.conf", 0o644),
            ("host-ca/.keep", 0o644),
            ("host-ca/own.crt", 0o644),
            ("bin/db-node", 0o755),
        ];
        assert_eq!(found, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }
}

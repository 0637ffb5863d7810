//! The rules that the sources keep: who may import whom, how long a file may be, what it may be called.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which crates of the workspace each crate may import.
const IMPORTS: [(&str, &[&str]); 12] = [
    ("protocol", &[]),
    ("planted", &["protocol"]),
    ("service-core", &["planted", "protocol"]),
    ("order", &["service-core", "planted", "protocol"]),
    ("payment", &["service-core", "planted", "protocol"]),
    ("stock", &["service-core", "planted", "protocol"]),
    ("db-node", &["planted", "protocol"]),
    ("agent", &["protocol"]),
    ("models", &[]),
    ("checker", &["protocol"]),
    ("harness", &["checker", "protocol"]),
    ("webshop", &["harness", "checker", "protocol"]),
];

/// It explores what the services decide together, so its tests import what no code may.
const EXPLORER: &str = "models";

/// What the checker must never be able to do: wait, read, look at a clock, or roll dice.
const IMPURE: [&str; 6] = [
    "tokio",
    "futures-util",
    "reqwest",
    "rand",
    "bollard",
    "sqlx",
];

/// Crates that belong to one owner.
const OWNED: [(&str, &str); 4] = [
    ("bollard", "harness"),
    ("indicatif", "webshop"),
    ("maud", "harness"),
    ("quick-junit", "harness"),
];

const LINES_MAX: usize = 600;
const VAGUE_NAMES: [&str; 6] = ["mod", "utils", "common", "helpers", "misc", "types"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Each member's dependencies of one kind.
fn dependencies(kind: DependencyKind) -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    metadata
        .packages
        .into_iter()
        .map(|package| {
            let imported = package
                .dependencies
                .into_iter()
                .filter(|dependency| dependency.kind == kind)
                .map(|dependency| dependency.name)
                .collect();
            (package.name.to_string(), imported)
        })
        .collect()
}

/// Every source file of ours.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join("cli"), root().join("services")];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn imports_go_one_way() {
    let dependencies = dependencies(DependencyKind::Normal);
    let members: BTreeSet<&str> = IMPORTS.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    assert_eq!(found, members, "a crate without a rule");
    for (name, allowed) in IMPORTS {
        for dependency in &dependencies[name] {
            assert!(
                !members.contains(dependency.as_str()) || allowed.contains(&dependency.as_str()),
                "{name} must not import {dependency}"
            );
        }
    }
}

#[test]
fn tests_import_no_more_than_code_may_except_the_models() {
    for kind in [DependencyKind::Development, DependencyKind::Build] {
        let dependencies = dependencies(kind);
        for (name, allowed) in IMPORTS.iter().filter(|(name, _)| *name != EXPLORER) {
            for (member, _) in IMPORTS {
                assert!(
                    !dependencies[*name].contains(member) || allowed.contains(&member),
                    "the tests of {name} must not import {member}"
                );
            }
        }
    }
}

#[test]
fn the_checker_is_pure() {
    for dependency in &dependencies(DependencyKind::Normal)["checker"] {
        assert!(
            !IMPURE.contains(&dependency.as_str()),
            "checker must not import {dependency}"
        );
    }
}

#[test]
fn each_outside_world_has_one_owner() {
    let dependencies = dependencies(DependencyKind::Normal);
    for (dependency, owner) in OWNED {
        for (name, imported) in &dependencies {
            assert!(
                name == owner || !imported.contains(dependency),
                "{name} must leave {dependency} to {owner}"
            );
        }
    }
}

#[test]
fn no_file_outgrows_a_readers_patience() {
    for path in sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}

/// What a client is answered saw all that was acknowledged before it asked. Only decisions that a later step confirms may
/// read otherwise.
#[test]
fn no_answer_to_a_client_is_read_lately() {
    let services =
        ["order", "payment", "stock"].map(|name| root().join("services").join(name).join("src"));
    let mut fresh = 0;
    for path in sources() {
        let in_http = path.iter().any(|part| part == "http" || part == "http.rs");
        if in_http && services.iter().any(|service| path.starts_with(service)) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("read_lately"), "{}", path.display());
            fresh += text.matches(" = read(&").count();
        }
    }
    assert_eq!(fresh, 3, "orders, users and items are found by `read` each");
}

#[test]
fn every_file_is_named_after_what_it_owns() {
    for path in sources() {
        let name = path.file_stem().unwrap().to_string_lossy();
        assert!(!VAGUE_NAMES.contains(&name.as_ref()), "{}", path.display());
    }
}

#[test]
fn integration_tests_are_one_program_per_crate() {
    for area in ["cli", "services"] {
        for member in fs::read_dir(root().join(area)).unwrap() {
            let Ok(tests) = fs::read_dir(member.unwrap().path().join("tests")) else {
                continue;
            };
            for entry in tests {
                let path = entry.unwrap().path();
                let is_program = path.extension().is_some_and(|extension| extension == "rs");
                assert!(!is_program, "{} belongs into tests/it", path.display());
            }
        }
    }
}

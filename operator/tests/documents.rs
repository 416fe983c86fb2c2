//! What docs/architecture.md names is there: every test that holds a promise, and every rule of the model.

#![allow(clippy::unwrap_used, reason = "a test that reads the source")]

use std::path::{Path, PathBuf};

const ARCHITECTURE: &str = include_str!("../../docs/architecture.md");
/// Folders with source.
const ROOMS: [&str; 6] = ["crates", "operator", "backup-sidecar", "restore-init", "tests", "xtask"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All source below a folder in one text.
fn source(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// What stands between two of these marks.
fn between(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).skip(1).step_by(2)
}

/// A test's name is a sentence.
fn is_test(name: &str) -> bool {
    let is_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c);
    name.chars().all(is_path) && name.matches('_').count() >= 3
}

#[test]
fn every_test_that_the_architecture_names_is_there() {
    let mut all = String::new();
    for room in ROOMS {
        source(&root().join(room), &mut all);
    }
    let named: Vec<&str> = between(ARCHITECTURE, '`').filter(|name| is_test(name)).collect();
    assert!(named.len() > 40, "only {} are found", named.len());
    let function = |name: &str| format!("fn {}(", name.rsplit("::").next().unwrap());
    let missing: Vec<&&str> = named.iter().filter(|name| !all.contains(&function(name))).collect();
    assert!(missing.is_empty(), "these are named and not there: {missing:#?}");
}

#[test]
fn every_rule_of_the_model_that_the_architecture_names_is_there() {
    let mut model = String::new();
    source(&root().join("crates/planner/tests/model"), &mut model);
    let lines = ARCHITECTURE.lines().filter_map(|line| line.split_once("model: "));
    let named: Vec<&str> = lines.flat_map(|(_, rules)| between(rules, '"')).collect();
    assert!(named.len() > 5, "only {} are found", named.len());
    let missing: Vec<&&str> =
        named.iter().filter(|rule| !model.contains(&format!("\"{rule}\""))).collect();
    assert!(missing.is_empty(), "these are named and not there: {missing:#?}");
}

//! The README says which test proves which rule; this test holds it to that.
//!
//! Every rule of `domain.md` 3 has a row under "Rules and their tests"; every row names tests, and those exist,
//! here or in another crate of the workspace; no test of this crate that is named after a rule is missing.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const README: &str = include_str!("../README.md");

/// Every rule there is: A1 to A11, the lines of `domain.md` 3.1 to 3.8, and the promises that the core keeps.
/// Kept apart from the table, so that a row that is deleted is missed.
const RULES: &str = "
    3.1-states 3.1-set-up 3.1-ranges 3.1-list 3.1-offer 3.1-eligibility 3.1-once
    A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 P4 P5 P7 P8
    3.3-final 3.3-once 3.3-refusals 3.3-held 3.3-supernumerary 3.3-closing
    3.4-enabled 3.4-given 3.4-holder 3.4-document 3.4-revoke 3.4-holder-alone 3.4-revert 3.4-secret 3.4-code
    3.5-optional 3.5-first-free 3.5-grace 3.5-versions
    3.6-shown 3.6-late-now 3.6-late-after-current-turn 3.6-late-end-of-session 3.6-late-forfeit
    3.6-early-opening 3.6-proxies 3.6-safety-net 3.6-names 3.6-watching 3.6-turn-duration
    3.6-extension-steps 3.6-vacancy-round
    3.7-open-suspend-resume 3.7-extend 3.7-pass 3.7-withdraw 3.7-add 3.7-choose-for 3.7-revert-proxy
    3.7-annul-choice 3.7-rewind 3.7-assign 3.7-close 3.7-control-room 3.7-preview 3.7-reasons 3.7-minutes
    3.7-recompute
    3.8-no-clock 3.8-free-wishes 3.8-rehearsal 3.8-by-wishes 3.8-order 3.8-will-remain";

/// Rule → tests named for it.
fn table() -> BTreeMap<String, Vec<String>> {
    let section = README.split("## Rules and their tests").nth(1).expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| **")).collect();
    let table: BTreeMap<_, _> = rows.iter().copied().map(row).collect();
    assert_eq!(table.len(), rows.len(), "a rule has two rows");
    table
}

fn row(row: &str) -> (String, Vec<String>) {
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    assert_eq!(cells.len(), 3, "a row is rule, what it says, tests: {row}");
    let tests = cells[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
    (cells[0].trim_matches('*').to_owned(), tests)
}

/// Every test function in the Rust files below `folder`, whatever runs it (`#[test]`, `#[tokio::test(…)]`).
fn tests_below(folder: PathBuf) -> BTreeSet<String> {
    let mut folders = vec![folder];
    let mut names = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // Neither what is built nor what is hidden is source.
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_dir() && !hidden && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(tests_in(&fs::read_to_string(path).unwrap()));
            }
        }
    }
    names
}

/// The functions of `text` that stand under a test attribute, other attributes in between or not.
fn tests_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut attributed = false;
    for line in text.lines().map(str::trim) {
        let function = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
        if let Some(function) = function {
            names.extend(function.split('(').next().filter(|_| attributed).map(str::to_owned));
            attributed = false;
        } else if line.starts_with("#[") {
            attributed |= line == "#[test]" || line.starts_with("#[tokio::test");
        } else if line.ends_with('}') {
            attributed = false;
        }
    }
    names
}

fn own_tests() -> BTreeSet<String> {
    tests_below(Path::new(env!("CARGO_MANIFEST_DIR")).to_owned())
}

/// Those of every crate of the workspace, which is two folders up.
fn all_tests() -> BTreeSet<String> {
    tests_below(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

#[test]
fn every_rule_has_a_row_and_every_row_is_of_a_rule() {
    let rules: BTreeSet<String> = RULES.split_whitespace().map(str::to_owned).collect();
    let rows: BTreeSet<String> = table().into_keys().collect();
    let missing: Vec<_> = rules.difference(&rows).collect();
    let unknown: Vec<_> = rows.difference(&rules).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without a row: {missing:?}; of no rule: {unknown:?}");
}

#[test]
fn every_row_names_tests_that_exist() {
    let tests = all_tests();
    for (rule, named) in table() {
        assert!(!named.is_empty(), "{rule} has no test");
        for name in named {
            assert!(tests.contains(&name), "{rule} names {name}, and there is no such test in the workspace");
        }
    }
}

#[test]
fn every_test_named_after_a_rule_is_in_the_table() {
    let named: BTreeSet<String> = table().into_values().flatten().collect();
    let is_rule = |name: &str| {
        let (kind, rest) = name.split_at(1);
        ["a", "p", "r"].contains(&kind) && rest.starts_with(|c: char| c.is_ascii_digit())
    };
    let missing: Vec<String> =
        own_tests().into_iter().filter(|name| is_rule(name) && !named.contains(name)).collect();
    assert!(missing.is_empty(), "not in the table of the README: {missing:#?}");
}

#[test]
fn tests_are_found_however_they_are_attributed() {
    let text = "#[test]\nfn one() {\n}\nfn helper() {}\n#[tokio::test(flavor = \"x\")]\n#[allow(a)]\n\
                async fn two() {\n}\n#[cfg(test)]\nfn three() {}\nconst T: &str = \"fn four()\";";
    assert_eq!(tests_in(text), ["one", "two"]);
}

//! The README says which test proves which rule; this test holds it to that.
//!
//! Every row of the table under "Rules and their tests" names tests that exist, or says that the rule
//! comes *later*; A1 to A11 all have a row; and no test named after a rule is missing from the table.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const README: &str = include_str!("../README.md");

/// Rule → tests named for it, and whether it is said to come later.
fn table() -> BTreeMap<String, (Vec<String>, bool)> {
    let section = README.split("## Rules and their tests").nth(1).expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| **"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "a row is rule, what it says, tests: {row}");
        let tests = cells[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (cells[0].trim_matches('*').to_owned(), (tests, cells[2].contains("*later*")))
    })
    .collect()
}

/// Every function under `#[test]` in this crate.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("tests"), root.join("src")];
    let mut names = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let lines: Vec<&str> = text.lines().map(str::trim).collect();
                let after_test = lines.windows(2).filter(|pair| pair[0] == "#[test]").map(|pair| pair[1]);
                names.extend(after_test.filter_map(|line| {
                    line.strip_prefix("fn ").and_then(|rest| rest.split('(').next()).map(str::to_owned)
                }));
            }
        }
    }
    names
}

#[test]
fn every_rule_of_the_readme_has_tests_that_exist() {
    let tests = tests();
    for (rule, (named, later)) in table() {
        assert!(later || !named.is_empty(), "{rule} has no test, and is not said to come later");
        for name in named {
            assert!(tests.contains(&name), "{rule} names {name}, and there is no such test");
        }
    }
}

#[test]
fn every_rule_of_time_is_in_the_table() {
    let table = table();
    for number in 1..=11 {
        assert!(table.contains_key(&format!("A{number}")), "A{number} has no row");
    }
}

#[test]
fn every_test_named_after_a_rule_is_in_the_table() {
    let named: BTreeSet<String> = table().into_values().flat_map(|(tests, _)| tests).collect();
    let is_rule = |name: &str| {
        let (kind, rest) = name.split_at(1);
        ["a", "p", "r"].contains(&kind) && rest.starts_with(|c: char| c.is_ascii_digit())
    };
    let missing: Vec<String> =
        tests().into_iter().filter(|name| is_rule(name) && !named.contains(name)).collect();
    assert!(missing.is_empty(), "not in the table of the README: {missing:#?}");
}

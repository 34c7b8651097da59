//! The house's own rules, read off the workspace: who may know whom, what may come in, how long a file
//! may be.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Who may depend on whom, of our own packages; any other edge is refused. `amphi` wires them all.
const EDGES: [(&str, &[&str]); 6] = [
    ("amphi-core", &[]),
    ("amphi-engine", &["amphi_core"]),
    ("amphi-portal", &["amphi_engine"]),
    ("amphi", &["amphi_core", "amphi_engine", "amphi_portal"]),
    ("amphi-simulator", &["amphi_engine"]),
    ("amphi-loadtest", &[]),
];

/// The core does no I/O, asks no clock and throws no dice: none of these, at whatever distance.
const NOT_BELOW_CORE: [&str; 11] = [
    "tokio",
    "sqlx",
    "sqlx-core",
    "axum",
    "hyper",
    "reqwest",
    "rand",
    "dashmap",
    "mio",
    "tungstenite",
    "tracing",
];

/// rustls with ring is the one provider of TLS.
const OTHER_TLS: [&str; 6] = ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "boring"];

const LICENCES: [&str; 13] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "0BSD",
    "Unlicense",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
];
/// MPL-2.0 asks that changes to its files stay open; we change none. Each package with it is named here.
const WITH_MPL: [&str; 1] = ["option-ext"];

const LINES_MAX: usize = 600;
/// Files that may be longer, each with its reason.
const LONGER: [(&str, &str); 0] = [];

struct Workspace {
    packages: BTreeMap<String, Value>,
    ours: BTreeSet<String>,
    /// By id: the ids it depends on, the name under which, and whether not only for tests and builds.
    edges: BTreeMap<String, Vec<(String, String, bool)>>,
}

impl Workspace {
    /// What cargo knows of the platform we serve on; from the lock file, without network.
    fn read() -> Self {
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let output = Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--offline",
                "--filter-platform",
                &platform,
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let mut edges = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let below = list(&node["deps"]).into_iter().map(|edge| {
                let in_earnest = list(&edge["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
                let text = |name: &str| edge[name].as_str().unwrap().to_owned();
                (text("pkg"), text("name"), in_earnest)
            });
            edges.insert(id(&node), below.collect());
        }
        let packages = list(&metadata["packages"]).into_iter().filter(|p| edges.contains_key(&id(p)));
        let ours = list(&metadata["workspace_members"]).into_iter().map(|id| id.as_str().unwrap().to_owned());
        Self {
            packages: packages.map(|package| (id(&package), package)).collect(),
            ours: ours.collect(),
            edges,
        }
    }

    fn name(&self, id: &str) -> &str {
        self.packages[id]["name"].as_str().unwrap()
    }

    fn ours(&self) -> impl Iterator<Item = &String> {
        self.ours.iter()
    }

    /// Everything that is built into `id`, itself included.
    fn below<'a>(&'a self, id: &'a str) -> BTreeSet<&'a str> {
        let (mut seen, mut left) = (BTreeSet::new(), vec![id]);
        while let Some(id) = left.pop() {
            if seen.insert(id) {
                left.extend(self.edges[id].iter().filter(|edge| edge.2).map(|edge| edge.0.as_str()));
            }
        }
        seen
    }
}

#[test]
fn our_packages_know_each_other_in_one_direction_only() {
    let workspace = Workspace::read();
    let allowed = BTreeMap::from(EDGES);
    assert_eq!(workspace.ours().count(), EDGES.len(), "a package without a rule");
    for id in workspace.ours() {
        let may = allowed[workspace.name(id)];
        for (below, name, _) in &workspace.edges[id] {
            let known = !workspace.ours.contains(below) || may.contains(&name.as_str());
            assert!(known, "{} must not depend on {name}", workspace.name(id));
        }
    }
}

/// Bugs are planted in the simulator's own builds only (C4): nobody switches the feature on, or passes it on,
/// but it.
#[test]
fn no_program_we_ship_can_have_bugs_planted() {
    let workspace = Workspace::read();
    let may_name_it = ["amphi-core", "amphi-engine", "amphi-simulator"];
    for id in workspace.ours() {
        let package = &workspace.packages[id];
        let features = package["features"].as_object().unwrap();
        assert!(!features.contains_key("default"), "{} has default features", workspace.name(id));
        if !may_name_it.contains(&workspace.name(id)) {
            assert!(!package["features"].to_string().contains("planted"), "{}", workspace.name(id));
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            assert!(!dependency["features"].to_string().contains("planted"), "{}", workspace.name(id));
        }
    }
}

#[test]
fn the_core_is_pure_and_there_is_one_provider_of_tls() {
    let workspace = Workspace::read();
    let core = workspace.ours().find(|id| workspace.name(id) == "amphi-core").unwrap();
    for id in workspace.below(core) {
        assert!(!NOT_BELOW_CORE.contains(&workspace.name(id)), "amphi-core pulls in {}", workspace.name(id));
    }
    for id in workspace.packages.keys() {
        assert!(!OTHER_TLS.contains(&workspace.name(id)), "a second TLS provider: {}", workspace.name(id));
    }
}

#[test]
fn every_package_has_a_licence_that_we_may_use() {
    let workspace = Workspace::read();
    let mut refused = Vec::new();
    for (id, package) in &workspace.packages {
        let licence = package["license"].as_str().unwrap_or("none");
        let listed = |name: &str| {
            LICENCES.contains(&name) || (name == "MPL-2.0" && WITH_MPL.contains(&workspace.name(id)))
        };
        if !may_use(licence, &listed) {
            refused.push(format!("{}: {licence}", workspace.name(id)));
        }
    }
    assert!(refused.is_empty(), "{refused:?}");
}

/// Whether an SPDX expression leaves us a way in: `AND` binds before `OR`; `/` is an old `OR`.
fn may_use(expression: &str, listed: &impl Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let usable = any(&mut rest, listed);
    usable && rest.is_empty()
}

fn any(words: &mut &[&str], listed: &impl Fn(&str) -> bool) -> bool {
    let mut usable = all(words, listed);
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        usable |= all(words, listed);
    }
    usable
}

fn all(words: &mut &[&str], listed: &impl Fn(&str) -> bool) -> bool {
    let mut usable = one(words, listed);
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        usable &= one(words, listed);
    }
    usable
}

fn one(words: &mut &[&str], listed: &impl Fn(&str) -> bool) -> bool {
    match **words {
        ["(", ..] => {
            *words = &words[1..];
            let usable = any(words, listed);
            let closed = words.first() == Some(&")");
            *words = words.get(1..).unwrap_or_default();
            usable && closed
        }
        [name, "WITH", exception, ..] => {
            *words = &words[3..];
            listed(&format!("{name} WITH {exception}"))
        }
        [name, ..] => {
            *words = &words[1..];
            listed(name)
        }
        [] => false,
    }
}

#[test]
fn licence_expressions_are_read_right() {
    let listed = |name: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&name);
    let cases = [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("GPL-3.0-only/MIT", true),
        ("MIT AND (GPL-3.0-only OR ISC)", true),
        ("MIT OR ISC AND GPL-3.0-only", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("MIT (ISC)", false),
        ("(MIT", false),
        ("", false),
    ];
    for (expression, expected) in cases {
        assert_eq!(may_use(expression, &listed), expected, "{expression}");
    }
}

/// The files that git tracks, or would.
fn files() -> Vec<String> {
    let output = Command::new("git")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    // A file that is deleted and not yet committed is still listed.
    let there = |name: &&str| Path::new(env!("CARGO_MANIFEST_DIR")).join(name).is_file();
    listed.lines().filter(there).map(str::to_owned).collect()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn no_file_has_grown_into_two() {
    let ours =
        |name: &&String| [".rs", ".js", ".css", ".html", ".py"].iter().any(|ending| name.ends_with(ending));
    let files = files();
    assert!(files.iter().any(|name| name == "tests/house.rs"));
    for name in files.iter().filter(ours) {
        let lines = read(name).lines().count();
        let excused = LONGER.iter().any(|(longer, _)| longer == name);
        assert!(lines <= LINES_MAX || excused, "{name} has {lines} lines");
    }
}

/// End-to-end tests wait for facts, never for time, and see no more than a client does.
#[test]
fn stories_neither_sleep_nor_look_inside() {
    let stories = files().into_iter().filter(|name| name.starts_with("tests/") && name.ends_with(".rs"));
    for name in stories.filter(|name| name != "tests/house.rs") {
        let text = read(&name);
        for never in ["sleep(", "amphi_engine", "amphi_core", "amphi_portal", "#[ignore"] {
            assert!(!text.contains(never), "{name} contains {never}");
        }
    }
}

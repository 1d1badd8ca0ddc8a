//! Who may import whom: the table of the design, checked from the sources.
//!
//! One package keeps everything in one place; this test is what a workspace's
//! compiler would otherwise refuse.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, is_word, sources};

/// Each module with those it may import.
const TABLE: &[(&str, &[&str])] = &[
    ("catalogue", &[]),
    ("clock", &[]),
    ("monitor", &["catalogue"]),
    ("record", &["catalogue"]),
    ("account", &["record", "catalogue", "clock"]),
    ("archive", &["record", "catalogue", "clock", "monitor"]),
    ("capture", &["account", "archive", "record", "catalogue", "clock", "monitor"]),
    ("diff", &["archive", "record", "catalogue"]),
    ("brake", &["archive", "catalogue"]),
    ("offsite", &["archive"]),
    ("restore", &["diff", "archive", "record", "catalogue", "clock", "monitor"]),
    ("schedule", &["archive"]),
    ("sandbox", &[]),
    (
        "cli",
        &[
            "account",
            "archive",
            "brake",
            "capture",
            "catalogue",
            "clock",
            "diff",
            "monitor",
            "offsite",
            "record",
            "restore",
            "sandbox",
            "schedule",
        ],
    ),
];

/// Files that may import what their module may not: writing is done in two places, and nowhere else.
const EXCEPTIONS: &[(&str, &str)] = &[("src/restore/replay", "account"), ("src/restore/doubt", "account")];

/// Modules that may import nothing but one name of another: an archive holds objects that this version never heard of.
const ONE_NAME: &[(&str, &str, &str)] =
    &[("archive", "catalogue", "ObjectName"), ("monitor", "catalogue", "ObjectName")];

/// What a file imports of ours: top-level module, and the name after it if there is one.
fn imports(source: &Source) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (at, _) in source.shipped.match_indices("crate::") {
        let before = source.shipped[..at].chars().next_back();
        if before.is_none_or(|letter| !is_word(letter)) {
            for path in paths(&source.shipped[at + "crate::".len()..]) {
                let mut words = path.split("::").map(str::trim);
                let module = words.next().unwrap_or_default().to_owned();
                found.insert((module, words.next().unwrap_or_default().to_owned()));
            }
        }
    }
    found
}

/// The paths that a use tree names, as far as two words deep.
fn paths(tree: &str) -> Vec<String> {
    let tree = tree.trim_start();
    if let Some(group) = tree.strip_prefix('{') {
        return branches(group).iter().flat_map(|branch| paths(branch)).collect();
    }
    let end = tree.find(|letter: char| !is_word(letter)).unwrap_or(tree.len());
    let (word, rest) = tree.split_at(end);
    match rest.trim_start().strip_prefix("::") {
        Some(rest) => {
            let below = paths(rest);
            below.into_iter().map(|path| format!("{word}::{path}")).collect()
        }
        None => vec![word.to_owned()],
    }
}

/// The branches of a group, up to its closing brace.
fn branches(group: &str) -> Vec<&str> {
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&group[from..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|branch| !branch.trim().is_empty());
    found
}

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    TABLE.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed)
}

fn breaches(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    let Some(allowed) = allowed(module) else {
        return vec![format!("{}: the module {module} has no place in the table of tests/layers.rs", source.path)];
    };
    let mut breaches = Vec::new();
    for (other, name) in imports(source) {
        let excepted = EXCEPTIONS.iter().any(|(path, may)| source.path.starts_with(path) && other == *may);
        if other != module && !allowed.contains(&other.as_str()) && !excepted {
            breaches.push(format!("{}: {module} may not import {other}", source.path));
        }
        let only = ONE_NAME.iter().find(|(from, to, _)| *from == module && *to == other);
        if let Some((.., only)) = only.filter(|(.., only)| name != *only) {
            breaches.push(format!("{}: {module} may import nothing of {other} but {only}, not {name}", source.path));
        }
    }
    breaches
}

#[test]
fn no_module_imports_what_the_table_forbids() {
    let breaches: Vec<String> = sources().iter().flat_map(breaches).collect();
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn no_circle_runs_through_the_modules() {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let Some(module) = source.module() else { continue };
        let others = imports(&source).into_iter().map(|(other, _)| other).filter(|other| other != module);
        edges.entry(module.to_owned()).or_default().extend(others);
    }
    while !edges.is_empty() {
        let known: Vec<String> = edges.keys().cloned().collect();
        let free = edges.iter().find(|(_, others)| !others.iter().any(|other| known.contains(other)));
        let free = free.map(|(module, _)| module.clone());
        let free = free.unwrap_or_else(|| panic!("a circle runs through {}", known.join(", ")));
        edges.remove(&free);
    }
}

#[test]
fn modules_name_what_they_import() {
    for source in sources() {
        for glob in ["crate::*", "super::super"] {
            assert!(!source.shipped.contains(glob), "{}: {glob} hides who depends on whom", source.path);
        }
    }
}

#[test]
fn only_the_command_line_can_consent_to_writing() {
    for source in sources().iter().filter(|source| !source.path.starts_with("src/cli/")) {
        assert!(!source.shipped.contains("Consent::given"), "{} consents in the place of a person", source.path);
    }
}

#[test]
fn every_module_of_the_table_exists() {
    let sources = sources();
    for (module, _) in TABLE {
        assert!(
            sources.iter().any(|source| source.module() == Some(module)),
            "the table names {module}, which is gone"
        );
    }
}

#[test]
fn a_use_tree_is_read_to_its_leaves() {
    assert_eq!(paths("a::{b, c::{d, e}};"), ["a::b", "a::c::d", "a::c::e"]);
    assert_eq!(paths("{a, b::C};"), ["a", "b::C"]);
    assert_eq!(paths("a::B::new()"), ["a::B::new"]);
}

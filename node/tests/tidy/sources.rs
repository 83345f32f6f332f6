//! Rules for source files.

use crate::tree::{File, files, report};

/// Lines above which a file is split.
const LINES_MAX: usize = 600;
/// Crates that have no clock, file, socket, task or random source.
const PURE: [&str; 5] = ["consensus/crypto/", "consensus/", "node/khqr/", "node/ledger/", "node/replica/"];
/// What their sources must not name: style.md's list, as paths.
const IMPURE: [&str; 14] = [
    "std::time::Instant",
    "std::time::SystemTime",
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
    "HashMap",
    "HashSet",
    "tokio::",
    "rand::",
    "getrandom",
    "prost::",
    "serde::",
];
/// The lints that a pure crate denies outside tests.
const PURE_LINTS: [&str; 6] = [
    "as_conversions",
    "wildcard_enum_match_arm",
    "arithmetic_side_effects",
    "indexing_slicing",
    "expect_used",
    "panic",
];

fn rust() -> impl Iterator<Item = File> {
    files().into_iter().filter(File::is_rust)
}

/// Sources of a pure crate, tests left out.
fn pure() -> impl Iterator<Item = File> {
    rust().filter(|file| {
        let crate_folder = PURE.iter().find(|folder| file.path.starts_with(*folder));
        crate_folder.is_some_and(|folder| file.path[folder.len()..].starts_with("src/")) && !file.path.contains("tests")
    })
}

/// The lines of code: without comments, and without what follows `#[cfg(test)]`, which stands last in a file.
fn code(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.text
        .lines()
        .enumerate()
        .take_while(|(_, line)| !line.trim_start().starts_with("#[cfg(test)]"))
        .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or_default()))
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let findings: Vec<String> = rust()
        .filter(|file| !file.text.starts_with("//! ") || file.text.starts_with("//! Under construction"))
        .map(|file| format!("{} does not begin with a //! sentence", file.path))
        .collect();
    report(&findings);
}

#[test]
fn no_source_file_is_longer_than_600_lines() {
    let findings: Vec<String> = rust()
        .map(|file| (file.text.lines().count(), file.path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{path} has {lines} lines: split it"))
        .collect();
    report(&findings);
}

#[test]
fn modules_are_nouns_that_say_something() {
    let findings: Vec<String> = rust()
        .filter(|file| {
            let names = file.path.trim_end_matches(".rs").split('/');
            names.into_iter().any(|name| ["util", "utils", "common", "helper", "helpers", "misc"].contains(&name))
        })
        .map(|file| file.path)
        .collect();
    report(&findings);
}

#[test]
fn pure_crates_name_nothing_impure() {
    let mut findings = Vec::new();
    for file in pure() {
        for (number, line) in code(&file) {
            for name in IMPURE.iter().filter(|name| line.contains(*name)) {
                findings.push(format!("{}:{number} names {name}", file.path));
            }
        }
    }
    report(&findings);
}

#[test]
fn pure_crates_deny_what_could_panic_or_lose_digits() {
    let mut findings = Vec::new();
    for folder in PURE {
        let lib = files().into_iter().find(|file| file.path == format!("{folder}src/lib.rs")).unwrap();
        let text: String = lib.text.split_whitespace().collect();
        let denied = text.split_once("#![cfg_attr(not(test),deny(").and_then(|(_, rest)| rest.split_once(')'));
        let denied = denied.map(|(lints, _)| lints).unwrap_or_default();
        for lint in PURE_LINTS {
            if !denied.contains(&format!("clippy::{lint}")) {
                findings.push(format!("{} does not deny clippy::{lint}", lib.path));
            }
        }
    }
    report(&findings);
}

/// One may be allowed with a reason; none is needed yet in pure crates.
#[test]
fn pure_crates_allow_no_denied_lint_again() {
    let mut findings = Vec::new();
    for file in pure() {
        for (number, line) in code(&file).filter(|(_, line)| line.contains("allow(") || line.contains("expect(clippy"))
        {
            if PURE_LINTS.iter().any(|lint| line.contains(&format!("clippy::{lint}"))) {
                findings.push(format!("{}:{number} {}", file.path, line.trim()));
            }
        }
    }
    report(&findings);
}

#[test]
fn no_node_ignores_the_proof_that_it_signed_what_it_forgot() {
    let findings: Vec<String> = rust()
        .filter(|file| file.path.starts_with("node/src/") && file.text.contains("ignore_witnesses"))
        .map(|file| format!("{} is for simulated Byzantine validators only", file.path))
        .collect();
    report(&findings);
}

#[test]
fn nothing_is_unsafe() {
    let mut findings = Vec::new();
    for file in rust().filter(|file| !file.path.starts_with("node/tests/tidy/")) {
        for (number, line) in code(&file) {
            if line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == "unsafe") {
                findings.push(format!("{}:{number} {}", file.path, line.trim()));
            }
        }
    }
    report(&findings);
}

/// A test that is left out, or that waits by the clock, or is named after its kind.
#[test]
fn tests_are_facts() {
    let mut findings = Vec::new();
    for file in rust().filter(|file| !file.path.starts_with("node/tests/tidy/")) {
        let is_test = file.path.contains("/tests/") || file.path.ends_with("tests.rs");
        for (number, line) in file.text.lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("#[ignore") || line.starts_with("fn test_") || line.starts_with("async fn test_") {
                findings.push(format!("{}:{} {line}", file.path, number + 1));
            }
            if is_test && line.starts_with("std::thread::sleep(Duration::from_secs") {
                findings.push(format!("{}:{} sleeps: wait for the thing", file.path, number + 1));
            }
        }
    }
    report(&findings);
}

/// Each column family has a file, and in it its key and value drawn.
#[test]
fn every_column_family_is_drawn() {
    let tables: Vec<File> = rust()
        .filter(|file| file.path.starts_with("node/src/storage/tables/") && !file.path.ends_with("/mod.rs"))
        .collect();
    assert!(tables.len() >= 6, "{} column families", tables.len());
    let findings: Vec<String> = tables
        .iter()
        .filter(|file| {
            let comments: String = file.text.lines().filter(|line| line.trim_start().starts_with("//")).collect();
            !(comments.contains("```text") && comments.contains(" | ") && comments.contains("->"))
        })
        .map(|file| format!("{} does not draw its layout", file.path))
        .collect();
    report(&findings);
}

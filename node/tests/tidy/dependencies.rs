//! Rules for Cargo.toml, and what deny.toml says of dependencies: bans, licences, sources.
//!
//! cargo-deny says the same with more detail; it compiles for minutes, so this test holds the rules in every run.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::tree::{File, files, report, root};

/// All that a pure crate may depend on. A new entry is a decision.
const PURE: [(&str, &[&str]); 5] = [
    ("consensus/crypto", &["blake3", "ed25519-dalek", "thiserror", "zeroize"]),
    ("consensus", &["thiserror", "tonle-crypto"]),
    ("node/ledger", &["thiserror", "tonle-crypto"]),
    ("node/replica", &["thiserror", "tonle-consensus", "tonle-crypto", "tonle-ledger"]),
    (
        "devnet/simulator",
        &["anyhow", "rand_chacha", "thiserror", "tonle-consensus", "tonle-crypto", "tonle-ledger", "tonle-replica"],
    ),
];
/// Which of this repository's crates the others may know.
const ARROWS: [(&str, &[&str]); 3] = [
    ("proto", &[]),
    ("devnet", &["tonle-crypto", "tonle-ledger", "tonle-proto"]),
    ("node", &["tonle-consensus", "tonle-crypto", "tonle-devnet", "tonle-ledger", "tonle-proto", "tonle-replica"]),
];

fn manifests() -> BTreeMap<String, toml::Table> {
    files()
        .into_iter()
        .filter_map(|File { path, text }| {
            let folder = path.strip_suffix("/Cargo.toml")?;
            Some((folder.to_owned(), text.parse().unwrap()))
        })
        // A workspace of its own is a tool beside the product, with dependencies that the product must not have.
        .filter(|(_, manifest): &(String, toml::Table)| !manifest.contains_key("workspace"))
        .collect()
}

fn names(manifest: &toml::Table) -> BTreeSet<&str> {
    manifest["dependencies"].as_table().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn pure_crates_depend_on_exactly_what_is_listed() {
    let manifests = manifests();
    let mut findings = Vec::new();
    for (folder, allowed) in PURE {
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        for name in names(&manifests[folder]).symmetric_difference(&allowed) {
            findings.push(format!("{folder}: {name} stands in only one of Cargo.toml and this list"));
        }
    }
    report(&findings);
}

#[test]
fn arrows_between_crates_are_the_drawn_ones() {
    let manifests = manifests();
    let mut findings = Vec::new();
    for (folder, allowed) in ARROWS {
        for name in names(&manifests[folder]).into_iter().filter(|name| name.starts_with("tonle-")) {
            if !allowed.contains(&name) {
                findings.push(format!("{folder} knows {name}"));
            }
        }
    }
    let drawn: BTreeSet<&str> = PURE.iter().chain(&ARROWS).map(|(folder, _)| *folder).collect();
    for folder in manifests.keys().filter(|folder| !drawn.contains(folder.as_str())) {
        findings.push(format!("{folder} is no room of the house"));
    }
    report(&findings);
}

#[test]
fn every_crate_inherits_the_lints_and_the_versions() {
    let mut findings = Vec::new();
    for (folder, manifest) in manifests() {
        if manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool) != Some(true) {
            findings.push(format!("{folder}: [lints] workspace = true is missing"));
        }
        let doctest = manifest.get("lib").and_then(|lib| lib.get("doctest")).and_then(toml::Value::as_bool);
        if doctest != Some(false) {
            findings.push(format!("{folder}: [lib] doctest = false is missing: each example would link by itself"));
        }
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
            for (name, value) in dependencies {
                if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    findings.push(format!("{folder}: {name} takes no version from the workspace"));
                }
            }
        }
    }
    report(&findings);
}

/// Name and licence of each package that is built for Linux, by Cargo's own resolution of features: Cargo.lock and
/// `cargo metadata` also name what no feature switches on.
fn packages() -> BTreeMap<String, String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--offline", "--target=x86_64-unknown-linux-gnu"])
        .args(["--edges=normal,build,dev", "--prefix=none", "--format={p}|{l}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        Some((package.split(' ').next()?.to_owned(), licence.trim_end_matches("(*)").trim().to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// Where Cargo.lock takes each package from; `None` for this repository's.
fn sources() -> Vec<(String, Option<String>)> {
    let lock: toml::Table = std::fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let text = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str().unwrap().to_owned());
    lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (text(package, "name").unwrap(), text(package, "source")))
        .collect()
}

fn strings(value: &toml::Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn dependencies_are_as_deny_toml_says() {
    let deny: toml::Table = std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let licences = strings(&deny["licenses"]["allow"]);
    let registries = strings(&deny["sources"]["allow-registry"]);
    let banned: BTreeSet<&str> =
        deny["bans"]["deny"].as_array().unwrap().iter().map(|ban| ban["name"].as_str().unwrap()).collect();
    let packages = packages();
    assert!(packages.len() > 300, "{} packages", packages.len());
    let mut findings = Vec::new();
    for (name, licence) in &packages {
        if banned.contains(name.as_str()) {
            findings.push(format!("{name} is banned"));
        }
        if !is_allowed(licence, &licences) {
            findings.push(format!("{name} is licensed as {licence:?}"));
        }
    }
    for (name, source) in sources() {
        let registry = source.as_deref().map(|source| source.strip_prefix("registry+").unwrap_or(source));
        match registry {
            None => assert!(name.starts_with("tonle-"), "{name} comes from a path"),
            Some(registry) if registries.contains(registry) => {}
            Some(registry) => findings.push(format!("{name} comes from {registry}")),
        }
    }
    report(&findings);
}

/// Does an SPDX expression hold with these licences? AND binds closer than OR; `/` is the older form of OR.
fn is_allowed(expression: &str, licences: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(" WITH ", "+");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    let holds = either(&mut rest, licences);
    holds && rest.is_empty()
}

fn either(rest: &mut &[&str], licences: &BTreeSet<String>) -> bool {
    let mut holds = both(rest, licences);
    while let ["OR", tail @ ..] = *rest {
        *rest = tail;
        holds |= both(rest, licences);
    }
    holds
}

fn both(rest: &mut &[&str], licences: &BTreeSet<String>) -> bool {
    let mut holds = term(rest, licences);
    while let ["AND", tail @ ..] = *rest {
        *rest = tail;
        holds &= term(rest, licences);
    }
    holds
}

fn term(rest: &mut &[&str], licences: &BTreeSet<String>) -> bool {
    match *rest {
        ["(", tail @ ..] => {
            *rest = tail;
            let holds = either(rest, licences);
            *rest = rest.strip_prefix(&[")"]).unwrap_or(&[]);
            holds
        }
        [licence, tail @ ..] => {
            *rest = tail;
            licences.contains(&licence.replace('+', " WITH "))
        }
        [] => false,
    }
}

#[test]
fn licence_expressions_are_understood() {
    let licences = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND ISC", true),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("(GPL-3.0 OR MIT) AND GPL-2.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("MIT )", false),
    ] {
        assert_eq!(is_allowed(expression, &licences), expected, "{expression}");
    }
}

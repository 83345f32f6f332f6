//! Rules for the workspace's own manifests. Bans, licences and sources of dependencies are deny.toml's, which `make check`
//! runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{File, files, report};

/// All that a pure crate may depend on. A new entry is a decision.
const PURE: [(&str, &[&str]); 6] = [
    ("consensus/crypto", &["blake3", "ed25519-dalek", "thiserror", "zeroize"]),
    ("consensus", &["thiserror", "tonle-crypto"]),
    ("node/khqr", &["md-5", "png", "qrcode"]),
    ("node/ledger", &["thiserror", "tonle-crypto", "tonle-khqr"]),
    ("node/replica", &["thiserror", "tonle-consensus", "tonle-crypto", "tonle-ledger"]),
    (
        "devnet/simulator",
        &[
            "anyhow",
            "crc32c",
            "rand_chacha",
            "thiserror",
            "tonle-consensus",
            "tonle-crypto",
            "tonle-ledger",
            "tonle-replica",
        ],
    ),
];
/// Which of this repository's crates the others may know.
const ARROWS: [(&str, &[&str]); 4] = [
    ("proto", &[]),
    (
        "devnet/fuzz",
        &["tonle-consensus", "tonle-crypto", "tonle-devnet", "tonle-khqr", "tonle-ledger", "tonle-replica"],
    ),
    ("devnet", &["tonle-crypto", "tonle-ledger", "tonle-proto"]),
    (
        "node",
        &[
            "tonle-consensus",
            "tonle-crypto",
            "tonle-devnet",
            "tonle-khqr",
            "tonle-ledger",
            "tonle-proto",
            "tonle-replica",
        ],
    ),
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

//! Planted bugs are found: those that the explorer finds in seconds, in a copy of the tree that is built with each. The
//! whole table is `devnet/simulator/planted/hunt`'s, which `make soak` runs.

use std::path::Path;
use std::process::Command;

/// What the explorer may take for each, in seconds: ten times what it needs.
const EXPLORE_SECONDS: &str = "60";

#[test]
fn each_bug_of_the_fast_ones_is_found_by_the_explorer_and_the_sound_tree_is_not_blamed() {
    let planted = Path::new(env!("CARGO_MANIFEST_DIR")).join("planted");
    let fast = std::fs::read_to_string(planted.join("fast")).expect("the list of fast ones");
    let output = Command::new(planted.join("hunt"))
        .arg("--fast")
        .env("EXPLORE_SECONDS", EXPLORE_SECONDS)
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .expect("the hunt starts");
    let (table, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{table}{errors}");
    for name in fast.lines() {
        let row = table.lines().find(|line| line.starts_with(&format!("| {name} | "))).unwrap_or("");
        assert!(row.contains(" steps, "), "{name}: {row:?}");
    }
    assert!(table.ends_with(&format!("{} bugs planted, 0 unnoticed\n", fast.lines().count())), "{table}");
}

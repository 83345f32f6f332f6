//! Real validators killed at random moments while clients pay, and a checker that nobody of the node wrote: Python over
//! gRPC, beside this file. Must not know: the node's inside; it only runs the scripts.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Once;

/// The seed of the kills that every test run makes.
const SEED: &str = "1";
/// Both tests need the Python packages; whoever comes first installs them.
static INSTALLED: Once = Once::new();

/// Runs the script; what is installed goes where this test was built, beside the release folder that holds the binary.
fn script(arguments: &[&str]) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_tonle"));
    let target = binary.parent().and_then(Path::parent).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kills/run.sh");
    Command::new(script).args(arguments).env("CARGO_TARGET_DIR", target).output().unwrap()
}

fn passes(arguments: &[&str]) -> String {
    INSTALLED.call_once(|| drop(script(&["install"])));
    let output = script(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn the_checker_finds_every_way_to_spoil_a_ledger() {
    passes(&["test"]);
}

#[test]
fn ten_kills_under_load_lose_nothing_that_was_acknowledged() {
    let text = passes(&["--kills", "10", "--seed", SEED, "--doctor", "--tonle", env!("CARGO_BIN_EXE_tonle")]);
    assert!(text.contains(&format!("seed {SEED}: 10 kills")), "{text}");
    assert!(text.ends_with("supply conserved at every height on every node\n"), "{text}");
}

//! A second ledger, in Python, beside this file, written from the documents: random transactions of every kind go to real
//! nodes, and both must agree on each receipt, rejection and balance. Must not know: the rules; it only runs the script.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]
#![allow(clippy::print_stderr, reason = "counts by operation and by code are what the run shows")]

use std::path::Path;
use std::process::Command;

/// The seed of the operations that every test run draws.
const SEED: &str = "1";
/// How many transactions.
const TRANSACTIONS: &str = "4000";
/// So many rejection codes must have been seen: some need what takes more, or a full state.
const CODES: &str = "66";

#[test]
fn a_second_ledger_agrees_with_the_node_on_random_transactions() {
    let binary = Path::new(env!("CARGO_BIN_EXE_tonle"));
    let target = binary.parent().and_then(Path::parent).unwrap();
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/second_ledger/run.sh"));
    script.args(["--transactions", TRANSACTIONS, "--seed", SEED, "--codes", CODES, "--doctor", "--tonle"]).arg(binary);
    let output = script.env("CARGO_TARGET_DIR", target).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{text}");
    assert!(text.ends_with("the second ledger agrees on every receipt, balance and rejection\n"), "{text}");
}

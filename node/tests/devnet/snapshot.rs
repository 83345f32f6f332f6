//! A validator whose disk was wiped begins with a snapshot from its peers, under load, while one of them dies; and what was
//! paid before is not paid again.

use std::process::{Child, Stdio};

use serde_json::Value;

use crate::fixture::{Devnet, counter, text, wait_for};

/// Heights of an epoch.
const EPOCH: u64 = 25;

#[test]
fn a_wiped_disk_begins_with_a_snapshot_under_load_while_a_server_dies() {
    let devnet = Devnet::up_with(&["--epoch-length", &EPOCH.to_string()]);
    let metrics = |name: &str| {
        let status: Value = serde_json::from_str(&devnet.done(&["devnet", "status", "--json"])).unwrap();
        let validators = status["validators"].as_array().unwrap();
        let validator = validators.iter().find(|validator| validator["name"] == name).unwrap();
        validator["metrics"].as_str().unwrap().to_owned()
    };
    devnet.done(&["pay", "alice@aba", "bob@wing", "4000", "KHR", "--id", "before"]);
    let load = ["devnet", "load", "--rate", "50", "--for", "40s", "--json"];
    let load: Child = devnet.command(&load).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("several epochs under load", || devnet.highest() > 4 * EPOCH);
    assert!(devnet.done(&["devnet", "kill", "wing", "--wipe"]).contains("disk wiped"));
    let log = || std::fs::read_to_string(devnet.dir().join("nodes/wing/node.log")).unwrap();
    let before = log().len();
    let restart = ["devnet", "restart", "wing", "--snapshot"];
    let restart: Child = devnet.command(&restart).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("wing to ask for a snapshot", || log()[before..].contains("asks peers for a snapshot"));
    // One of those who serve it dies; with wing away that stops the chain, until it is back.
    devnet.done(&["devnet", "kill", "aba"]);
    wait_for("wing to install a snapshot", || log()[before..].contains("the snapshot is installed"));
    assert!(devnet.done(&["devnet", "restart", "aba"]).contains("caught up"));
    let restarted = restart.wait_with_output().unwrap();
    assert!(text(&restarted.stdout).contains("caught up"), "{}", text(&restarted.stderr));

    let height = counter(&metrics("wing"), "tonle_snapshot_height");
    assert!(height > 0 && height.is_multiple_of(EPOCH), "{height}");
    assert_eq!(counter(&metrics("acleda"), "tonle_snapshot_height"), 0);
    wait_for("wing to sign again", || counter(&metrics("wing"), "tonle_signing") == 1);
    let since = log();
    assert!(since[before..].contains("there is no telling what this validator has signed"), "{since}");
    assert!(since[before..].contains("signs again from here on"), "{since}");

    let output = load.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["supply_ok"], true, "{report}");
    assert_eq!(report["roots_agree"], true, "{report}");
    // What was final before the snapshot stays paid once, whoever is asked.
    let bob = devnet.khr("bob@wing");
    let again = devnet.run(&["pay", "alice@aba", "bob@wing", "4000", "KHR", "--id", "before"]);
    assert!(!text(&again.stdout).starts_with("FINAL"), "{}", text(&again.stdout));
    assert_eq!(devnet.khr("bob@wing"), bob);
    // Its own clients are served again.
    wait_for("a payment by wing's own node", || {
        devnet.run(&["pay", "bob@wing", "alice@aba", "1", "KHR"]).status.success()
    });
}

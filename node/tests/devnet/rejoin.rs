//! A validator whose disk was wiped comes back by itself, under load: it catches up, signs nothing until two epochs after
//! the others said where they are, and then signs again (R9).

use std::process::{Child, Stdio};

use serde_json::Value;

use crate::fixture::{Devnet, counter, text, wait_for};

/// Heights of an epoch.
const EPOCH: &str = "40";

#[test]
fn a_wiped_disk_rejoins_by_itself_under_load() {
    let devnet = Devnet::up_with(&["--epoch-length", EPOCH]);
    let metrics = |name: &str| {
        let status: Value = serde_json::from_str(&devnet.done(&["devnet", "status", "--json"])).unwrap();
        let validators = status["validators"].as_array().unwrap();
        let validator = validators.iter().find(|validator| validator["name"] == name).unwrap();
        validator["metrics"].as_str().unwrap().to_owned()
    };
    assert_eq!(counter(&metrics("wing"), "tonle_signing"), 1);
    let load = ["devnet", "load", "--rate", "50", "--for", "20s", "--json"];
    let load: Child = devnet.command(&load).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let before = devnet.highest();
    wait_for("load on the network", || devnet.highest() > before + 5);
    assert!(devnet.done(&["devnet", "kill", "wing", "--wipe"]).contains("disk wiped"));
    assert!(devnet.done(&["devnet", "restart", "wing"]).contains("caught up"));
    wait_for("wing to sign again", || counter(&metrics("wing"), "tonle_signing") == 1);
    let log = std::fs::read_to_string(devnet.dir().join("nodes/wing/node.log")).unwrap();
    let lost =
        log.rfind("there is no telling what this validator has signed").expect("it knew that its guard was lost");
    assert!(log[lost..].contains("signs again from here on"), "{log}");

    let output = load.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["finalized"], 1_000, "{report}");
    assert_eq!(report["supply_ok"], true, "{report}");
    assert_eq!(report["roots_agree"], true, "{report}");
    // Its own clients are served again.
    wait_for("a payment by wing's own node", || {
        devnet.run(&["pay", "bob@wing", "alice@aba", "1", "KHR"]).status.success()
    });
}

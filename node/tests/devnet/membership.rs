//! A fifth bank comes to a chain that runs, and one of the first leaves, under load: no transfer is lost, nothing stalls,
//! and a change that would lose the quorum is refused with its arithmetic.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::fixture::{Devnet, counter, text, wait_for};

/// Heights of an epoch.
const EPOCH: &str = "60";

fn metrics(devnet: &Devnet) -> BTreeMap<String, String> {
    let status: Value = serde_json::from_str(&devnet.done(&["devnet", "status", "--json"])).unwrap();
    let validators = status["validators"].as_array().unwrap().iter();
    let up = validators.filter(|validator| validator["pid"].is_u64());
    up.map(|validator| {
        let of = |field: &str| validator[field].as_str().unwrap().to_owned();
        (of("name"), of("metrics"))
    })
    .collect()
}

fn serving(devnet: &Devnet) -> Vec<String> {
    let list: Value = serde_json::from_str(&devnet.done(&["validator", "list", "--json"])).unwrap();
    let validators = list["validators"].as_array().unwrap().iter();
    validators.map(|validator| validator["participant"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_bank_joins_and_another_leaves_under_load() {
    let devnet = Devnet::up_with(&["--epoch-length", EPOCH]);
    let load = ["devnet", "load", "--rate", "40", "--for", "40s", "--json"];
    let load: Child = devnet.command(&load).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let before = devnet.highest();
    wait_for("load on the network", || devnet.highest() > before + 5);

    let joined = devnet.done(&["devnet", "join", "prince"]);
    assert!(joined.contains("of 5 validators 4 must vote; 4 of the 4 decided in block 0 stay"), "{joined}");
    assert!(joined.contains("prince validates"), "{joined}");
    assert_eq!(serving(&devnet), ["aba", "acleda", "wing", "canadia", "prince"]);
    let at = metrics(&devnet);
    wait_for("prince to sign", || counter(&at["prince"], "tonle_signing") == 1);
    // A sixth at once: those that may be voting still could not make its quorum alone.
    let refused = devnet.refused(&["devnet", "join", "sathapana"]);
    assert!(refused.contains("of 6 validators 5 must vote; only 4 of the 4 decided in block 0 stay"), "{refused}");

    assert!(devnet.done(&["devnet", "leave", "wing"]).contains("wing left"));
    assert_eq!(serving(&devnet), ["aba", "acleda", "canadia", "prince"]);
    for name in ["aba", "acleda", "canadia", "prince"] {
        assert!(counter(&at[name], "tonle_timeouts_in_a_row") <= 2, "{name}");
        assert_eq!(counter(&at[name], "tonle_signing"), 1, "{name}");
    }

    let output = load.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["finalized"], &report["failed"]), (&Value::from(1_600), &Value::from(0)), "{report}");
    assert_eq!(report["supply_ok"], true, "{report}");

    // A payment after both changes is proven by the genesis file alone: its receipt carries both boundaries.
    devnet.done(&["pay", "alice@aba", "sokha@acleda", "1", "KHR", "--id", "after-both"]);
    let receipt = devnet.folder.path().join("after-both.receipt");
    let genesis = devnet.dir().join("genesis.json");
    let mut verify = Command::new(env!("CARGO_BIN_EXE_tonle"));
    let proven = verify.arg("verify").arg(&receipt).arg("--genesis").arg(genesis).output().unwrap();
    assert!(proven.status.success(), "{}", text(&proven.stderr));
    let file: Value = serde_json::from_slice(&std::fs::read(&receipt).unwrap()).unwrap();
    assert_eq!(file["boundaries"].as_array().unwrap().len(), 2, "{file}");

    // With one more down, four less one are still a quorum.
    devnet.done(&["devnet", "kill", "aba"]);
    wait_for("a payment by prince's node", || {
        devnet.run(&["pay", "sokha@acleda", "alice@aba", "1", "KHR"]).status.success()
    });
}

//! `tonle recover` with real processes: a quorum lost its disks for good, one database is left, and a new chain begins with
//! what it held.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::fixture::{Devnet, text};

const FLAG: &str = "--i-understand-that-this-ends-the-chain";

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// Every account with what it holds; not the height, which is the chain's.
fn balances(devnet: &Devnet) -> Vec<(String, Value)> {
    let lines = devnet.done(&["balance", "--json"]);
    let account = |line: &str| {
        let report: Value = serde_json::from_str(line).unwrap();
        (report["account"].as_str().unwrap().to_owned(), report["balances"].clone())
    };
    lines.lines().map(account).collect()
}

fn status(devnet: &Devnet) -> Value {
    serde_json::from_str(devnet.done(&["status", "--json"]).lines().next().unwrap()).unwrap()
}

/// `tonle recover` of one bank's node, into a genesis and a proof of this name.
fn recover(devnet: &Devnet, created_ms: u128, name: &str, flags: &[&str]) -> Output {
    let path = |file: String| devnet.folder.path().join(file);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tonle"));
    command.arg("recover").arg("--config").arg(devnet.dir().join("nodes/aba/config.toml"));
    command.args(["--created-ms", &created_ms.to_string()]);
    command.arg("--out").arg(path(format!("{name}.json"))).arg("--proof").arg(path(format!("{name}.proof.json")));
    command.args(flags).output().unwrap()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn what_one_database_holds_is_what_the_new_chain_begins_with() {
    let mut devnet = Devnet::up();
    devnet.done(&["pay", "alice@aba", "bob@wing", "4000", "KHR", "--id", "before"]);
    let (held, old) = (balances(&devnet), status(&devnet));
    devnet.done(&["devnet", "down"]);

    // Refused by default: it says what it is for, and leaves nothing.
    let created_ms = now_ms();
    let refused = recover(&devnet, created_ms, "new", &[]);
    assert_eq!(refused.status.code(), Some(1));
    let why = text(&refused.stderr);
    assert!(why.contains("refused. This command is for one case only") && why.contains(FLAG), "{why}");
    let (genesis, proof) = (devnet.folder.path().join("new.json"), devnet.folder.path().join("new.proof.json"));
    assert!(!genesis.exists() && !proof.exists());
    let early = recover(&devnet, 1, "new", &[FLAG]);
    assert!(text(&early.stderr).contains("cannot begin before the old one's last block"), "{}", text(&early.stderr));
    assert!(!genesis.exists() && !proof.exists());

    let done = recover(&devnet, created_ms, "new", &[FLAG]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let word = read(&proof);
    assert_eq!(word["old_chain"], old["chain_digest"]);
    assert!(word["height"].as_u64() >= old["height"].as_u64(), "{word}");
    assert!(word["certified_height"].as_u64() >= Some(1), "{word}");
    assert!(!word["headers"].as_array().unwrap().is_empty() && !word["certificate"].as_str().unwrap().is_empty());
    let new_chain = word["new_chain"].as_str().unwrap();
    let said = text(&done.stdout);
    assert!(said.contains(&format!("new chain {new_chain}")) && said.contains(&word["height"].to_string()), "{said}");
    // The same again gives the same, byte for byte, and overwrites nothing.
    let again = recover(&devnet, created_ms, "new", &[FLAG]);
    assert!(text(&again.stderr).contains("cannot write"), "{}", text(&again.stderr));
    assert!(recover(&devnet, created_ms, "same", &[FLAG]).status.success());
    let bytes = |name: &str| std::fs::read(devnet.folder.path().join(name)).unwrap();
    assert_eq!(bytes("same.json"), bytes("new.json"));
    assert_eq!(bytes("same.proof.json"), bytes("new.proof.json"));

    // Every bank puts the new genesis in place, with an empty data folder, founds it, and starts.
    for validator in devnet.description["validators"].as_array().unwrap() {
        let folder = devnet.dir().join("nodes").join(validator["name"].as_str().unwrap());
        std::fs::rename(folder.join("data"), folder.join("data.old")).unwrap();
    }
    std::fs::copy(&genesis, devnet.dir().join("genesis.json")).unwrap();
    devnet.start();
    let new = status(&devnet);
    assert_eq!(new["chain_digest"], new_chain);
    assert_ne!(new["chain_digest"], old["chain_digest"]);
    assert_eq!(balances(&devnet), held);
    // It goes on: money moves, supply holds, and all nodes have the same roots.
    let bob = devnet.khr("bob@wing");
    let paid = devnet.done(&["pay", "bob@wing", "alice@aba", "1500", "KHR"]);
    assert!(paid.starts_with("FINAL"), "{paid}");
    assert_eq!(devnet.khr("bob@wing"), bob - 150_000);
    let load = devnet.done(&["devnet", "load", "--rate", "20", "--for", "1s", "--json"]);
    let report: Value = serde_json::from_str(&load).unwrap();
    assert_eq!((&report["supply_ok"], &report["roots_agree"]), (&Value::Bool(true), &Value::Bool(true)), "{report}");
}

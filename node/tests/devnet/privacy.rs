//! Personal data reaches whom it concerns, and no disk, log or socket of a node in plain text.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fixture::{Devnet, command_in};

const NOTE: &str = "rent for the blue house";
const BENEFICIARY: &str = "0011223344";
const PAYER: &str = "Sok Alice";
/// Not personal: what a scan must find, or it finds nothing at all.
const REFERENCE: &str = "scan-for-this-reference";

/// All files below a folder, as one list.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// The files that hold `text`.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    files(folder).into_iter().filter(holds).collect()
}

/// The newest entry of an account's history.
fn newest(devnet: &Devnet, account: &str, keys: &[&str]) -> Value {
    let mut arguments = vec!["history", account, "--limit", "1", "--json"];
    keys.iter().for_each(|key| arguments.extend(["--key", key]));
    serde_json::from_str(devnet.done(&arguments).lines().next().unwrap()).unwrap()
}

#[test]
fn text_is_read_by_those_it_concerns_and_by_no_disk() {
    let devnet = Devnet::up();
    let key = |name: &str| devnet.dir().join(format!("keys/{name}-encryption.key")).display().to_string();
    let note = ["--note", NOTE, "--payer-name", PAYER];
    devnet.done(&[["pay", "alice@aba", "bob@wing", "500", "KHR", "--id", REFERENCE].as_slice(), &note].concat());
    for reader in ["aba", "wing", "nbc"] {
        let details = &newest(&devnet, "bob@wing", &[&key("acleda"), &key(reader)])["details"];
        assert_eq!((&details["note"], &details["payer_name"]), (&NOTE.into(), &PAYER.into()), "{reader}: {details}");
    }
    let closed = &newest(&devnet, "bob@wing", &[&key("acleda")])["details"];
    assert_eq!(*closed, serde_json::json!({"sealed_bytes": 524, "closed": "sealed for others"}));

    let end = ["--id", "t-1", "--beneficiary", BENEFICIARY];
    devnet.done(&[["bank", "send", "alice@aba", "bob@wing", "700", "KHR"].as_slice(), &end].concat());
    assert_eq!(newest(&devnet, "bob@wing", &[&key("wing")])["details"]["beneficiary_account"], BENEFICIARY);
    devnet.done(&["request", "new", "alice@aba", "bob@wing", "1", "KHR", "--id", "b-1", "--note", NOTE]);
    assert_eq!(newest(&devnet, "alice@aba", &[])["details"]["note"], NOTE, "with the devnet's own keys");

    // A new key counts at once; what came before is still opened with the old one.
    let new = devnet.folder.path().join("wing-2.key").display().to_string();
    let made = command_in(devnet.folder.path(), &["key", "new", &new, "--unencrypted"]).status().unwrap();
    assert!(made.success());
    let signer = devnet.dir().join("keys/wing.key").display().to_string();
    devnet.done(&["participant", "keys", "wing", "--encryption-key", &new, "--key", &signer]);
    devnet.done(&["pay", "alice@aba", "bob@wing", "1", "KHR", "--note", NOTE]);
    assert_eq!(newest(&devnet, "bob@wing", &[&new])["details"]["note"], NOTE);
    assert_eq!(newest(&devnet, "bob@wing", &[&key("wing")])["details"]["closed"], "sealed for others");
    let both = devnet.done(&["history", "bob@wing", "--key", &new, "--key", &key("wing")]);
    assert_eq!(both.matches(NOTE).count(), 3, "{both}");

    // Databases, write-ahead and batch logs, guards and the nodes' own logs, while they run and after they ended.
    for _ in 0..2 {
        assert!(holding(&devnet.dir(), REFERENCE).len() >= 4, "a scan finds what is there, on every node");
        for text in [NOTE, BENEFICIARY, PAYER] {
            assert_eq!(holding(&devnet.dir(), text), Vec::<PathBuf>::new(), "{text}");
        }
        devnet.run(&["devnet", "down"]);
    }
}

//! Two payers at two banks race for one code, and a shop's watch outlives the death of the node that it asked.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::fixture::{Devnet, text};

/// Makes a code for Bob's shop; its text.
fn new_code(devnet: &Devnet, arguments: &[&str]) -> String {
    let new = ["khqr", "new", "bob@wing", "--name", "ហាង Bob", "--store", "Riverside", "--till", "2", "--json"];
    let output = devnet.run(&[&new[..], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    made["payload"].as_str().unwrap().to_owned()
}

fn spawn(devnet: &Devnet, arguments: &[&str]) -> Child {
    devnet.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn node_of(devnet: &Devnet, name: &str) -> String {
    let validators = devnet.description["validators"].as_array().unwrap();
    let validator = validators.iter().find(|validator| validator["name"] == name).unwrap();
    validator["grpc"].as_str().unwrap().to_owned()
}

#[test]
fn of_two_payers_at_two_banks_one_pays_and_the_shop_is_told_once() {
    let devnet = Devnet::up();
    let bob = devnet.khr("bob@wing");
    let payload = new_code(&devnet, &["4000", "KHR", "--bill", "INV-1", "--expires", "5m"]);
    let watch = spawn(&devnet, &["khqr", "watch", &payload]);
    let pay = |from, bank: &str| {
        let node = node_of(&devnet, bank);
        spawn(&devnet, &["khqr", "pay", &payload, "--from", from, "--id", "race", "--yes", "--json", "--node", &node])
    };
    let racers = [pay("alice@aba", "aba"), pay("sokha@acleda", "acleda")];
    let outcomes = racers.map(|racer| racer.wait_with_output().unwrap());
    let reports: Vec<Value> = outcomes.iter().map(|outcome| serde_json::from_slice(&outcome.stdout).unwrap()).collect();
    let mut results: Vec<&str> = reports.iter().map(|report| report["result"].as_str().unwrap()).collect();
    results.sort_unstable();
    assert_eq!(results, ["final", "rejected"], "{reports:?}");
    let lost = reports.iter().position(|report| report["result"] == "rejected").unwrap();
    assert_eq!(reports[lost]["code"], "KHQR_PAID");
    assert_eq!(outcomes[lost].status.code(), Some(1));
    let said = text(&outcomes[lost].stderr);
    assert!(said.contains("KHQR_PAID") && said.contains("next: ask the shop for a new code"), "{said}");
    assert_eq!(devnet.khr("bob@wing"), bob + 400_000);

    let watched = watch.wait_with_output().unwrap();
    let line = text(&watched.stdout);
    assert!(watched.status.success() && line.starts_with("PAID  block "), "{line}");
    assert_eq!(line.lines().count(), 1);
    for part in ["4,000 KHR", "to bob@wing", "bill INV-1", "store Riverside", "till 2"] {
        assert!(line.contains(part), "{line}");
    }
    // Paid is paid: said before anything is sent.
    let third = devnet.refused(&["khqr", "pay", &payload, "--from", "alice@aba", "--yes"]);
    assert!(third.contains("not sent: the code was paid already, by"), "{third}");
    // And goes back like any payment.
    let payer = ["alice@aba", "sokha@acleda"][1 - lost];
    let back = ["return", "bob@wing", payer, "4000", "KHR", "--of", "race", "--was", "4000", "--code", &payload];
    assert!(devnet.done(&back).starts_with("FINAL"));
    assert_eq!(devnet.khr("bob@wing"), bob);
}

#[test]
fn what_cannot_be_paid_is_refused_before_it_is_sent() {
    let devnet = Devnet::up();
    let before = devnet.highest();
    let (open, priced) = (new_code(&devnet, &[]), new_code(&devnet, &["1.50", "USD"]));
    let pay = |payload: &str, more: &[&str]| {
        devnet.refused(&[&["khqr", "pay", payload, "--from", "alice@aba", "--yes"], more].concat())
    };
    let cases = [
        (pay(&open, &[]), "add --amount"),
        (pay(&priced, &["--amount", "2"]), "leave --amount out"),
        (pay(&priced, &["--now", "1900000000000"]), "error code 46"),
        (pay("00020101", &[]), "error code 8"),
        (devnet.refused(&["khqr", "pay", &priced, "--from", "alice@aba"]), "say --yes"),
        (devnet.refused(&["khqr", "pay", &priced, "--from", "Alice", "--yes"]), "name@participant"),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(devnet.done(&["history", "bob@wing"]).lines().count() <= 1, "nothing was sent since block {before}");
    let paid = devnet.done(&["khqr", "pay", &open, "--from", "alice@aba", "--amount", "1,250.50", "--yes"]);
    assert!(paid.contains("ហាង Bob") && paid.contains("PAID") && paid.contains("1,250.50 KHR"), "{paid}");
    let missing = devnet.refused(&["khqr", "watch", "no such thing"]);
    assert!(missing.contains("is no MD5, no account and no valid code"), "{missing}");
}

#[test]
fn a_watch_goes_on_at_another_node_when_its_own_is_killed() {
    let devnet = Devnet::up();
    let payload = new_code(&devnet, &[]);
    let mut watch = spawn(&devnet, &["khqr", "watch", "bob@wing", "--json", "--count", "6"]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let pay = |number: u64| {
        let amount = (100 + number).to_string();
        devnet.done(&["khqr", "pay", &payload, "--from", "alice@aba", "--amount", &amount, "--yes"]);
    };
    // Before the stream has begun, an account's payments are not its business.
    let begun: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert!(begun["cursor"].is_string() && begun["block"].is_null(), "{begun}");
    let mut told = Vec::new();
    let mut read = |told: &mut Vec<u64>| {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(line["khqr"]["payload"], payload.as_str());
        told.push(line["amount_minor"].as_u64().unwrap());
    };
    for number in 0..2 {
        pay(number);
        read(&mut told);
    }
    // The nodes are asked in their order, so the first one serves the stream.
    devnet.done(&["devnet", "kill", "aba"]);
    for number in 2..4 {
        pay(number);
    }
    devnet.done(&["devnet", "restart", "aba"]);
    for number in 4..6 {
        pay(number);
    }
    for _ in 2..6 {
        read(&mut told);
    }
    assert!(watch.wait().unwrap().success());
    assert_eq!(told, [10_000, 10_100, 10_200, 10_300, 10_400, 10_500], "each once and in order");
}

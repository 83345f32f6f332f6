//! Validators that die and links that are cut: nothing is lost, nothing diverges, no process is left.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fixture::{Devnet, runs, text, wait_for, wait_until_gone};

/// How long nothing must happen to count as nothing: three idle intervals.
const STILLNESS: Duration = Duration::from_secs(3);

#[test]
fn a_validator_killed_under_load_costs_no_transfer() {
    let devnet = Devnet::up();
    let before = devnet.highest();
    let load = ["devnet", "load", "--rate", "100", "--for", "15s", "--json"];
    let load: Child = devnet.command(&load).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("load on the network", || devnet.highest() > before + 5);
    devnet.done(&["devnet", "kill", "wing"]);
    let at_kill = devnet.highest();
    wait_for("finality without wing", || devnet.highest() > at_kill + 5);
    let restarted = devnet.done(&["devnet", "restart", "wing"]);
    assert!(restarted.contains("caught up"), "{restarted}");

    let output = load.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("submitted"), 1_500, "{report}");
    assert_eq!((count("finalized"), count("rejected"), count("failed")), (1_500, 0, 0), "{report}");
    assert_eq!(report["supply_ok"], true, "{report}");
    assert_eq!(report["roots_agree"], true, "{report}");
    assert_eq!(report["down"].as_array().unwrap().len(), 0, "{report}");
    assert_eq!(report["rss_mb"].as_array().unwrap().len(), 4, "{report}");
}

#[test]
fn two_against_two_finalize_nothing_until_they_are_joined() {
    let devnet = Devnet::up();
    devnet.done(&["devnet", "partition", "aba,acleda:canadia,wing"]);
    // What was under way when the links were cut may still become final.
    let mut still = (devnet.heights(), Instant::now());
    wait_for("the network to stand still", || {
        let heights = devnet.heights();
        if heights != still.0 {
            still = (heights, Instant::now());
        }
        still.1.elapsed() > STILLNESS
    });
    let pay = ["pay", "alice@aba", "bob@wing", "1", "KHR", "--id", "split"];
    let mut payment = devnet.command(&pay).stdout(Stdio::piped()).spawn().unwrap();
    let asked = Instant::now();
    while asked.elapsed() < STILLNESS {
        assert!(payment.try_wait().unwrap().is_none(), "final without a quorum");
        assert_eq!(devnet.heights(), still.0, "a block without a quorum");
    }
    devnet.done(&["devnet", "heal"]);
    let output = payment.wait_with_output().unwrap();
    assert!(text(&output.stdout).starts_with("FINAL"), "{}", text(&output.stdout));
    let report: Value =
        serde_json::from_str(&devnet.done(&["devnet", "load", "--rate", "20", "--for", "1s", "--json"])).unwrap();
    assert_eq!(report["roots_agree"], true, "{report}");
}

#[test]
fn what_is_final_outlives_the_death_of_all_and_finality_goes_on() {
    let mut devnet = Devnet::up();
    devnet.done(&["pay", "alice@aba", "bob@wing", "4000", "KHR", "--id", "kept"]);
    let (height, bob) = (devnet.highest(), devnet.khr("bob@wing"));
    let pids = devnet.pids();
    for name in ["aba", "acleda", "wing", "canadia"] {
        devnet.done(&["devnet", "kill", name]);
    }
    wait_until_gone(&pids);
    for name in ["aba", "acleda", "wing", "canadia"] {
        devnet.done(&["devnet", "restart", name]);
    }
    wait_for("a new block", || devnet.heights().iter().filter(|new| **new > height).count() == 4);
    assert_eq!(devnet.khr("bob@wing"), bob);
    assert!(devnet.done(&["pay", "alice@aba", "bob@wing", "4000", "KHR", "--id", "kept"]).starts_with("ALREADY FINAL"));

    devnet.done(&["devnet", "down"]);
    devnet.start();
    assert!(devnet.highest() > height);
    assert_eq!(devnet.khr("bob@wing"), bob);
}

#[test]
fn no_process_outlives_the_devnet() {
    let mut devnet = Devnet::up();
    let (pids, supervisor) = (devnet.pids(), devnet.supervisor());
    assert!(pids.iter().all(|pid| runs(*pid)));
    devnet.done(&["devnet", "down"]);
    wait_until_gone(&[pids, vec![supervisor]].concat());

    devnet.start();
    let (pids, supervisor) = (devnet.pids(), devnet.supervisor());
    let pid = rustix::process::Pid::from_raw(supervisor.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_until_gone(&[pids, vec![supervisor]].concat());
    assert!(devnet.refused(&["devnet", "status"]).contains("is down"));
    devnet.start();
}

//! The built `tonle` binary and networks of real validator processes: payments, faults, and that nothing outlives its
//! parent. Every wait is for a condition, with a deadline.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::io::Write as _;
use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tonle_crypto::{Digest, SecretKey};
use tonle_devnet::client::{Client, timed};
use tonle_devnet::directory::Directory;
use tonle_devnet::keys;
use tonle_ledger::{AccountId, Amount, Asset, Operation, TransactionBody, Transfer};
use tonle_proto::v1::{SubmitAndWaitRequest, SubmitRequest};

/// Long enough for anything that should happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long nothing must happen to count as nothing: three idle intervals.
const STILLNESS: Duration = Duration::from_secs(3);

/// One devnet at a time: each has four processes, and the machine may have two cores.
static TURN: Mutex<()> = Mutex::new(());

/// A devnet of four validators in a folder of its own.
struct Devnet {
    folder: tempfile::TempDir,
    description: Value,
    _turn: MutexGuard<'static, ()>,
}

impl Devnet {
    fn up() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let mut devnet = Devnet { folder, description: Value::Null, _turn: turn };
        devnet.start();
        devnet
    }

    fn start(&mut self) {
        let output = self.done(&["devnet", "up", "--detach", "--wait", "--json"]);
        self.description = serde_json::from_str(&output).unwrap();
        assert_eq!(self.description["dir"], self.dir().to_str().unwrap());
        assert_eq!(self.description["validators"].as_array().unwrap().len(), 4);
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tonle"));
        command.args(arguments).arg("--dir").arg(self.dir()).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; its standard output.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs a command that must fail with status 1; its standard error.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stdout));
        text(&output.stderr)
    }

    fn pids(&self) -> Vec<u32> {
        let validators = self.description["validators"].as_array().unwrap();
        validators.iter().map(|validator| validator["pid"].as_u64().unwrap().try_into().unwrap()).collect()
    }

    fn supervisor(&self) -> u32 {
        Directory::new(&self.dir()).unwrap().read_state().unwrap().supervisor
    }

    /// The latest height of every node that answers.
    fn heights(&self) -> Vec<u64> {
        let output = self.run(&["status", "--json"]);
        text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["height"].as_u64().unwrap())
            .collect()
    }

    fn highest(&self) -> u64 {
        self.heights().into_iter().max().unwrap_or(0)
    }

    fn khr(&self, account: &str) -> u64 {
        let report: Value = serde_json::from_str(&self.done(&["balance", account, "--json"])).unwrap();
        let balances = report["balances"].as_array().unwrap();
        balances
            .iter()
            .find(|balance| balance["asset"] == "KHR")
            .map_or(0, |khr| khr["available_minor"].as_u64().unwrap())
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        // A test that failed must not leave processes behind; one that ended them already has none to end.
        let _ = self.command(&["devnet", "down"]).output();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Polls until `condition` holds.
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::yield_now();
    }
}

/// Is there a process, other than one that only waits to be collected?
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which stands in parentheses.
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|state| state != 'Z')
}

fn wait_until_gone(pids: &[u32]) {
    wait_for("the processes to end", || pids.iter().all(|pid| !runs(*pid)));
}

#[test]
fn a_payment_is_final_and_moves_money_once() {
    let devnet = Devnet::up();
    let (alice, bob) = (devnet.khr("alice@aba"), devnet.khr("bob@wing"));
    let pay = ["pay", "alice@aba", "bob@wing", "4,000", "KHR", "--id", "inv-1"];

    let line = devnet.done(&pay);
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["FINAL", "block", block, _, "ms", signatures, "of", "4", "signatures", "(quorum", "3)", "receipt", file] =
        words.as_slice()
    else {
        panic!("{line}");
    };
    assert!(signatures.parse::<usize>().unwrap() >= 3);
    assert_eq!(*file, "inv-1.receipt");

    let again = devnet.done(&pay);
    assert_eq!(again.trim(), format!("ALREADY FINAL  same id, same content, block {block}: nothing moved"));
    let other = devnet.refused(&["pay", "alice@aba", "bob@wing", "5000", "KHR", "--id", "inv-1"]);
    assert!(other.contains("DUPLICATE_REFERENCE") && other.contains("next:"), "{other}");
    let poor = devnet.refused(&["pay", "alice@aba", "bob@wing", "99,000,000", "KHR"]);
    assert!(poor.contains("INSUFFICIENT_FUNDS"), "{poor}");

    assert_eq!(devnet.khr("alice@aba"), alice - 400_000);
    assert_eq!(devnet.khr("bob@wing"), bob + 400_000);
    let history = devnet.done(&["history", "bob@wing"]);
    assert!(history.contains("inv-1") && history.contains("4,000 KHR") && history.contains("alice@aba"), "{history}");
    check_receipt(&devnet, &devnet.folder.path().join(file));
}

/// The receipt file holds offline, and no longer when any byte of it is another.
fn check_receipt(devnet: &Devnet, file: &Path) {
    let verify = |file: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tonle"));
        command.arg("verify").arg(file).arg("--genesis").arg(devnet.dir().join("genesis.json")).output().unwrap()
    };
    let output = verify(file);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("OK"), "{}", text(&output.stdout));
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'0' { b'1' } else { b'0' };
    let changed = file.with_extension("changed");
    std::fs::write(&changed, bytes).unwrap();
    assert_eq!(verify(&changed).status.code(), Some(1));
}

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

fn sign_payment(devnet: &Devnet, chain: Digest) -> Vec<u8> {
    let key: SecretKey = keys::load(&Directory::new(&devnet.dir()).unwrap().participant_key("aba")).unwrap();
    let now = tonle_devnet::founding::now_ms();
    let transfer = Transfer {
        from: AccountId::new("alice@aba").unwrap(),
        to: AccountId::new("bob@wing").unwrap(),
        asset: Asset::new("KHR").unwrap(),
        amount: Amount::from_minor(100),
        instruction_ref: None,
        purpose: None,
        external_ref: None,
        remittance: Vec::new(),
    };
    let body = TransactionBody {
        chain,
        not_before_ms: now - 60_000,
        not_after_ms: now + 600_000,
        independent: false,
        nonce: vec![7; 8],
        operations: vec![Operation::Transfer(Box::new(transfer))],
    };
    body.sign(&[&key]).unwrap().bytes().to_vec()
}

#[test]
fn one_transaction_sent_a_hundred_times_to_four_nodes_moves_money_once() {
    let devnet = Devnet::up();
    let bob = devnet.khr("bob@wing");
    let directory = Directory::new(&devnet.dir()).unwrap();
    let chain = tonle_devnet::genesis::read(&directory.genesis()).unwrap().digest();
    let transaction = bytes::Bytes::from(sign_payment(&devnet, chain));
    let answers = tonle_devnet::block_on(async {
        let client = Client::of_devnet(&directory)?;
        let calls = client.nodes().iter().cycle().take(100).map(|node| {
            let request = SubmitAndWaitRequest { transaction: transaction.clone(), prove: false };
            let mut ledger = node.ledger();
            async move { ledger.submit_and_wait(timed(request, PATIENCE)).await }
        });
        Ok(futures::future::join_all(calls).await)
    })
    .unwrap();
    let receipts: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().into_inner().receipt.unwrap()).collect();
    assert_eq!(receipts.len(), 100);
    assert!(receipts.iter().all(|receipt| receipt == &receipts[0]), "more than one receipt");
    assert_eq!(devnet.khr("bob@wing"), bob + 100);
}

/// Resident memory of a process, in MiB.
fn rss_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// The port in a configuration's listen address that holds `protocol`.
fn listen_port(config: &Path, protocol: &str) -> u16 {
    let config: toml::Table = std::fs::read_to_string(config).unwrap().parse().unwrap();
    let addresses = config["network"]["listen"].as_array().unwrap();
    let ports = addresses.iter().find_map(|address| {
        let mut parts = address.as_str().unwrap().split('/').skip_while(|part| *part != protocol);
        parts.nth(1).map(|port| port.parse().unwrap())
    });
    ports.unwrap()
}

/// Bytes that are no message of anything, and differ with `seed`.
fn garbage(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}

/// What the operating system takes of it: the other side may close at any time.
fn pour(port: u16, seed: u64) {
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = stream.write_all(&garbage(seed, 64 << 10));
    }
}

#[test]
fn what_strangers_send_costs_a_validator_little_memory_and_no_finality() {
    let devnet = Devnet::up();
    let directory = Directory::new(&devnet.dir()).unwrap();
    let chain = tonle_devnet::genesis::read(&directory.genesis()).unwrap().digest();
    let forged = |seed: u64| {
        let mut transaction = sign_payment(&devnet, chain);
        let last = transaction.len() - 1 - usize::try_from(seed % 64).unwrap();
        transaction[last] ^= 1;
        transaction
    };
    let grpc: u16 =
        devnet.description["validators"][0]["grpc"].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    let config = devnet.dir().join("nodes/aba/config.toml");
    let (tcp, udp) = (listen_port(&config, "tcp"), listen_port(&config, "udp"));
    devnet.done(&["pay", "alice@aba", "bob@wing", "1", "KHR"]);
    let before: Vec<u64> = devnet.pids().into_iter().map(rss_mib).collect();

    // Clients: large, malformed, forged.
    let mut requests: Vec<(Vec<u8>, &str)> = (0..8).map(|_| (vec![0; 100 << 20], "MESSAGE_TOO_LARGE")).collect();
    requests.extend((0..400).map(|seed| (garbage(seed, 16 << 10), "MALFORMED")));
    requests.extend((0..400).map(|seed| (forged(seed), "SIGNATURE_INVALID")));
    tonle_devnet::block_on(async {
        let client = Client::of_devnet(&directory)?;
        for (transaction, reason) in requests {
            let request = SubmitRequest { transaction: transaction.into() };
            let status = client.nodes()[0].ledger().submit(timed(request, PATIENCE)).await.unwrap_err();
            assert_eq!(tonle_devnet::client::reason(&status), reason, "{status}");
        }
        Ok(())
    })
    .unwrap();
    // Strangers at the validators' port and at the clients'.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for seed in 0..300 {
        pour(tcp, seed);
        pour(grpc, seed);
        for part in 0..20 {
            let _ = socket.send_to(&garbage(seed * 20 + part, 1_200), ("127.0.0.1", udp));
        }
    }

    let line = devnet.done(&["pay", "alice@aba", "bob@wing", "1", "KHR"]);
    assert!(line.starts_with("FINAL"), "{line}");
    for (pid, before) in devnet.pids().into_iter().zip(before) {
        assert!(runs(pid), "a validator died");
        let after = rss_mib(pid);
        assert!(after < before + 64, "a validator grew from {before} to {after} MiB");
    }
    assert_eq!(devnet.heights().len(), 4);
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

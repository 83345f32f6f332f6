//! A validator contradicts itself before one other: all come to hold the proof, count it, list it, and know it again
//! after a restart; anybody can check it offline; and a bank puts it on the ledger, once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;
use tonle_consensus::{Epoch, Message, SigningContext, Statement, View, Vote};
use tonle_crypto::{Canonical as _, Digest, SecretKey};
use tonle_devnet::client::Node;
use tonle_devnet::directory::Directory;
use tonle_devnet::keys;
use tonle_ledger::Genesis;
use tonle_node::finality_receipt::validators;
use tonle_proto::peer::v1::frame::Body;
use tonle_replica::PeerMessage;

use crate::actor::{self, framed};
use crate::fixture::{Devnet, PATIENCE, counter, wait_for};
use crate::peers::Attack;

/// Votes again when nothing came of a pair for this long: the view had passed when it arrived.
const AGAIN: Duration = Duration::from_secs(2);

/// A bank's validator key, in hands that mean harm.
struct Voter {
    key: SecretKey,
    genesis: Digest,
    chain: Genesis,
}

impl Voter {
    /// Notarize votes for two blocks in one view, as frames.
    fn twice(&self, epoch: Epoch, view: View) -> Vec<u8> {
        let set = validators(&self.chain, epoch).unwrap();
        let signer = set.index_of(&self.key.public()).unwrap();
        let context = SigningContext { genesis: self.genesis, set };
        let vote = |byte| {
            let block = Digest::from_bytes([byte; 32]);
            let signature = self.key.sign(&Statement::Notarize { view, block }.preimage(&context));
            let vote = Vote { epoch, view, block, signer, signature };
            framed(Body::Message(PeerMessage::Consensus(Message::Notarize(vote)).encode().into()))
        };
        [vote(1), vote(2)].concat()
    }
}

/// The offences that a node lists, by id.
fn listed(devnet: &Devnet, address: &str) -> BTreeSet<String> {
    let output = devnet.done(&["evidence", "list", "--json", "--node", address]);
    let lines = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|offence| {
            assert_eq!((&offence["validator"], &offence["kind"]), (&"wing".into(), &"two_notarizes".into()));
            offence["offence"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// Votes twice in the view that the victim is in, until it has noticed.
async fn contradict(attack: &Attack, voter: &Voter, victim: &Node, noticed: impl Fn() -> bool) {
    let (_actor, [mut consensus, _data, _sync]) = attack.connect().await;
    let deadline = Instant::now() + PATIENCE;
    while !noticed() {
        assert!(Instant::now() < deadline, "nobody notices two votes in one view");
        let status = victim.status().await.unwrap();
        let votes = voter.twice(Epoch::new(status.epoch), View::new(status.view + 1));
        assert!(actor::write(&mut consensus, &votes).await, "the victim hangs up on votes");
        let sent = Instant::now();
        while !noticed() && sent.elapsed() < AGAIN {
            tokio::task::yield_now().await;
        }
    }
}

/// The blocks by which offences are on the ledger, as a node lists them; those that are not are left out.
fn landed(devnet: &Devnet, address: &str) -> BTreeMap<String, u64> {
    let output = devnet.done(&["evidence", "list", "--json", "--node", address]);
    let lines = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let block = |offence: Value| Some((offence["offence"].as_str()?.to_owned(), offence["landed_height"].as_u64()?));
    lines.filter_map(block).collect()
}

/// A bank reports all offences through one node, and again. They are on the ledger, once, as another node sees it too.
fn landed_by_a_bank(
    devnet: &Devnet,
    directory: &Directory,
    offences: &BTreeSet<String>,
    elsewhere: &str,
) -> BTreeMap<String, u64> {
    assert!(landed(devnet, elsewhere).is_empty());
    let key = directory.participant_key("aba");
    let report = |arguments: &[&str]| {
        let arguments = [&["evidence", "report", "--key", key.to_str().unwrap()], arguments].concat();
        devnet.done(&arguments)
    };
    let output = report(&["--json"]);
    let lines: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["result"] == "landed"), "{output}");
    let line = |line: &Value| (line["offence"].as_str().unwrap().to_owned(), line["landed_height"].as_u64().unwrap());
    let heights: BTreeMap<String, u64> = lines.iter().map(line).collect();
    assert_eq!(heights.keys().collect::<BTreeSet<_>>(), offences.iter().collect());
    wait_for("another node to execute the reports", || landed(devnet, elsewhere) == heights);
    assert_eq!(report(&[]), "nothing to report: all known offences are on the ledger\n");
    let (first, height) = heights.first_key_value().unwrap();
    assert!(report(&[&first[..16]]).starts_with(&format!("ALREADY LANDED  block {height}  wing two_notarizes")));
    assert!(devnet.done(&["evidence", "list"]).contains(&format!("block {height}")));
    heights
}

/// A proof that the nodes list is verified without a network; forged, it is refused.
fn proven_by_the_genesis_file_alone(devnet: &Devnet, directory: &Directory) {
    let output = devnet.done(&["evidence", "list", "--json"]);
    let offence: Value = serde_json::from_str(output.lines().next().unwrap()).unwrap();
    let proof = devnet.folder.path().join("offence.hex");
    std::fs::write(&proof, offence["proof"].as_str().unwrap()).unwrap();
    let verify = |file: &std::path::Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tonle"));
        command.args(["evidence", "verify"]).arg(file).arg("--genesis").arg(directory.genesis()).output().unwrap()
    };
    let verified = verify(&proof);
    let said = crate::fixture::text(&verified.stdout);
    assert!(verified.status.success() && said.starts_with("OK  2 signatures: wing notarized two blocks"), "{said}");
    let mut forged = offence["proof"].as_str().unwrap().to_owned().into_bytes();
    let last = forged.len() - 1;
    forged[last] = if forged[last] == b'0' { b'1' } else { b'0' };
    std::fs::write(&proof, forged).unwrap();
    let refused = verify(&proof);
    assert_eq!(refused.status.code(), Some(1));
    assert!(crate::fixture::text(&refused.stderr).contains("proves nothing"));
}

#[test]
fn two_votes_shown_to_one_validator_are_evidence_on_all_and_stay_so() {
    let devnet = Devnet::up();
    let directory = Directory::new(&devnet.dir()).unwrap();
    let genesis = tonle_devnet::genesis::read(&directory.genesis()).unwrap();
    devnet.done(&["devnet", "kill", "wing"]);
    let described = devnet.description["validators"].as_array().unwrap().clone();
    let address = |name: &str, of: &str| {
        let validator = described.iter().find(|validator| validator["name"] == name).unwrap();
        validator[of].as_str().unwrap().to_owned()
    };
    let attack = Attack::of("wing", "aba", &directory, &genesis);
    let voter = Voter {
        key: keys::load(&directory.node("wing").join("validator.key")).unwrap(),
        genesis: genesis.digest(),
        chain: genesis,
    };
    let survivors = ["aba", "acleda", "canadia"];
    let counted = |name: &str| {
        let metric = "tonle_misbehaviour_total{validator=\"wing\",kind=\"two_notarizes\"}";
        counter(&address(name, "metrics"), metric)
    };
    let grpc = |name: &str| address(name, "grpc");
    assert!(listed(&devnet, &grpc("aba")).is_empty());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let victim = Node::new(None, &grpc("aba")).unwrap();
        contradict(&attack, &voter, &victim, || !listed(&devnet, &grpc("aba")).is_empty()).await;
    });
    drop(runtime);
    let all_hold_the_same = || {
        let found = survivors.map(|name| listed(&devnet, &grpc(name)));
        found.iter().all(|offences| *offences == found[0])
    };
    wait_for("the proof on all honest nodes", all_hold_the_same);
    let offences = listed(&devnet, &grpc("aba"));
    assert!(!offences.is_empty());
    let count = u64::try_from(offences.len()).unwrap();
    assert_eq!(survivors.map(counted), [count; 3], "each offence counts once");

    proven_by_the_genesis_file_alone(&devnet, &directory);
    let heights = landed_by_a_bank(&devnet, &directory, &offences, &grpc("canadia"));

    // It outlives the process, and is not news to it; the accused is shown what is held against it.
    devnet.done(&["devnet", "kill", "acleda"]);
    assert!(devnet.done(&["devnet", "restart", "acleda"]).contains("caught up"));
    assert!(devnet.done(&["devnet", "restart", "wing"]).contains("caught up"));
    let status: Value = serde_json::from_str(&devnet.done(&["devnet", "status", "--json"])).unwrap();
    let validators = status["validators"].as_array().unwrap().clone();
    let at = |name: &str, of: &str| {
        let validator = validators.iter().find(|validator| validator["name"] == name).unwrap();
        validator[of].as_str().unwrap().to_owned()
    };
    assert_eq!(listed(&devnet, &at("acleda", "grpc")), offences);
    assert_eq!(landed(&devnet, &at("acleda", "grpc")), heights);
    let metric = "tonle_misbehaviour_total{validator=\"wing\",kind=\"two_notarizes\"}";
    assert_eq!(counter(&at("acleda", "metrics"), metric), count, "counted again");
    wait_for("the accused to be told", || listed(&devnet, &at("wing", "grpc")) == offences);
    assert!(devnet.done(&["pay", "alice@aba", "sokha@acleda", "1", "KHR"]).starts_with("FINAL"));
}

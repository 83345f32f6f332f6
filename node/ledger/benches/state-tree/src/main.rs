//! What a touched account costs in three state trees: the ledger's own, jmt and nomt.
//!
//! `cargo run --release --manifest-path node/ledger/benches/state-tree/Cargo.toml [accounts [touched [blocks]]]`
//!
//! Each tree takes `accounts` values, then `blocks` blocks that change `touched` random ones. It prints the build time
//! (for the own tree: what a start costs), the time per block (median, fastest and slowest), the memory, and the size
//! of a proof. Times are CPU time of all threads, from the scheduler's accounts, so that other work on the machine
//! disturbs them less; the wall time of a block stands beside it. The own tree is the product's source, included as it
//! is.

#[allow(dead_code, unreachable_pub)]
#[path = "../../../src/proof.rs"]
mod proof;
#[allow(dead_code, unreachable_pub)]
#[path = "../../../src/tree.rs"]
mod tree;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue, SimpleHasher};
use nomt::hasher::Blake3Hasher;
use nomt::{KeyReadWrite, Nomt, Options, SessionParams, WitnessMode};
use proof::{StateProof, Terminal};
use tonle_crypto::{Canonical, Digest, Domain};
use tonle_ledger::{Account, AccountId, STATE_VERSIONS, StateKey};
use tree::{LeafChange, Tree, Version, Versions};

/// A value of the size of an account with one balance.
fn value(number: u64, block: u64) -> Vec<u8> {
    let mut value = vec![0u8; 37];
    value[..8].copy_from_slice(&number.to_be_bytes());
    value[8..16].copy_from_slice(&block.to_be_bytes());
    value
}

fn key(number: u64) -> StateKey {
    StateKey::Account(AccountId::new(&format!("account{number}@aba")).expect("a name"))
}

/// The same random choices for every tree: `touched` different accounts a block.
struct Choice(u64);
impl Choice {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    fn accounts(&mut self, accounts: u64, touched: usize) -> Vec<u64> {
        let mut chosen = std::collections::BTreeSet::new();
        while chosen.len() < touched {
            chosen.insert(self.next() % accounts);
        }
        chosen.into_iter().collect()
    }
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096.0
}

/// CPU time of all threads of this process.
fn cpu_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// A measurement under way.
struct Stopwatch(Duration, Instant);
impl Stopwatch {
    fn start() -> Self {
        Stopwatch(cpu_time(), Instant::now())
    }
    /// CPU time and wall time.
    fn stop(&self) -> (Duration, Duration) {
        (cpu_time().saturating_sub(self.0), self.1.elapsed())
    }
}

struct Figures {
    name: &'static str,
    build: (Duration, Duration),
    blocks: Vec<(Duration, Duration)>,
    bytes_built: f64,
    bytes_after: f64,
    proof_bytes: f64,
    note: String,
}

impl Figures {
    fn print(mut self, accounts: u64, touched: usize) {
        self.blocks.sort_unstable();
        let per_account = |time: Duration| time.as_secs_f64() * 1e6 / touched as f64;
        let (median, wall) = self.blocks[self.blocks.len() / 2];
        println!(
            "| {} | {:.2} s | {:.1} ms | {:.1} ms | {:.2} | {:.2} .. {:.2} | {:.0} | {:.0} | {:.0} | {} |",
            self.name,
            self.build.0.as_secs_f64(),
            median.as_secs_f64() * 1e3,
            wall.as_secs_f64() * 1e3,
            per_account(median),
            per_account(self.blocks[0].0),
            per_account(self.blocks[self.blocks.len() - 1].0),
            self.bytes_built / accounts as f64,
            self.bytes_after / accounts as f64,
            self.proof_bytes,
            self.note
        );
    }
}

fn own(accounts: u64, touched: usize, blocks: usize) -> Figures {
    let before = resident_bytes();
    let start = Stopwatch::start();
    let leaves = (0..accounts)
        .map(|number| LeafChange {
            path: key(number).path(),
            before: None,
            after: Some(proof::value_digest(&value(number, 0))),
        })
        .collect();
    let tree = Tree::default().update(leaves).expect("new leaves");
    let build = start.stop();
    let bytes_built = resident_bytes() - before;
    let mut versions = Versions::default();
    versions.push(Version { height: 0, tree, previous: Vec::new() });
    let mut current: HashMap<u64, Vec<u8>> = HashMap::new();
    let mut times: Vec<(Duration, Duration)> = Vec::new();
    let mut choice = Choice(1);
    // Also fills the kept versions, so that what a dropped one costs is in the figures.
    for block in 1..=(blocks.max(STATE_VERSIONS * 2) as u64) {
        let chosen = choice.accounts(accounts, touched);
        let values: Vec<_> = chosen
            .iter()
            .map(|number| (*number, current.get(number).cloned().unwrap_or_else(|| value(*number, 0)), value(*number, block)))
            .collect();
        let start = Stopwatch::start();
        let leaves = values
            .iter()
            .map(|(number, before, after)| LeafChange {
                path: key(*number).path(),
                before: Some(proof::value_digest(before)),
                after: Some(proof::value_digest(after)),
            })
            .collect();
        let tree = versions.tree().update(leaves).expect("the values before");
        let mut previous: Vec<_> =
            values.iter().map(|(number, before, _)| (key(*number), Some(before.clone()))).collect();
        previous.sort_unstable_by_key(|(key, _)| *key);
        versions.push(Version { height: block, tree, previous });
        times.push(start.stop());
        current.extend(values.into_iter().map(|(number, _, after)| (number, after)));
    }
    let times = times.split_off(times.len() - blocks.min(times.len()));
    let bytes_after = resident_bytes() - before;
    let root = versions.tree().root();
    let proofs = (0..1000u64).map(|number| {
        let current = current.get(&number).cloned().unwrap_or_else(|| value(number, 0));
        let proof = versions.tree().prove(&key(number), Some(&current)).expect("it stands");
        assert_eq!(proof.verify(&key(number), &root), Ok(Some(current.as_slice())));
        (proof.encode().len() - current.len()) as f64
    });
    let proof_bytes = proofs.sum::<f64>() / 1000.0;
    let note = format!("{STATE_VERSIONS} versions kept; before-values checked; nothing written");
    Figures { name: "own", build, blocks: times, bytes_built, bytes_after, proof_bytes, note }
}

struct B3(blake3::Hasher);
impl SimpleHasher for B3 {
    fn new() -> Self {
        B3(blake3::Hasher::new())
    }
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
    fn finalize(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

#[derive(Default)]
struct JmtStore {
    nodes: HashMap<NodeKey, Node>,
}
impl TreeReader for JmtStore {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(self.nodes.get(key).cloned())
    }
    fn get_value_option(&self, _: u64, _: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        Ok(Some(Vec::new()))
    }
    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Ok(None)
    }
}

fn jmt(accounts: u64, touched: usize, blocks: usize) -> Figures {
    let before = resident_bytes();
    let mut store = JmtStore::default();
    let path = |number: u64| KeyHash(*key(number).path().as_bytes());
    let start = Stopwatch::start();
    let mut version = 0;
    for chunk in (0..accounts).collect::<Vec<_>>().chunks(50_000) {
        let values = chunk.iter().map(|number| (path(*number), Some(value(*number, 0))));
        let (_, update) = JellyfishMerkleTree::<_, B3>::new(&store).put_value_set(values, version).expect("update");
        apply(&mut store, update);
        version += 1;
    }
    let build = start.stop();
    let bytes_built = resident_bytes() - before;
    let mut choice = Choice(1);
    let (mut times, mut written): (Vec<(Duration, Duration)>, usize) = (Vec::new(), 0);
    for block in 1..=(blocks as u64) {
        let chosen = choice.accounts(accounts, touched);
        let start = Stopwatch::start();
        let values = chosen.iter().map(|number| (path(*number), Some(value(*number, block))));
        let (_, update) = JellyfishMerkleTree::<_, B3>::new(&store).put_value_set(values, version).expect("update");
        written += update.node_batch.nodes().len();
        apply(&mut store, update);
        times.push(start.stop());
        version += 1;
    }
    let bytes_after = resident_bytes() - before;
    let tree = JellyfishMerkleTree::<_, B3>::new(&store);
    let proofs = (0..1000u64).map(|number| {
        let (_, proof) = tree.get_with_proof(path(number), version - 1).expect("proof");
        borsh::to_vec(&proof).expect("encodes").len() as f64
    });
    let proof_bytes = proofs.sum::<f64>() / 1000.0;
    let nodes = written as f64 / (blocks * touched) as f64;
    let note = format!("nodes in a hash map, one version, stale ones dropped; {nodes:.1} nodes to store per account");
    Figures { name: "jmt 0.12", build, blocks: times, bytes_built, bytes_after, proof_bytes, note }
}

fn apply(store: &mut JmtStore, update: jmt::storage::TreeUpdateBatch) {
    for stale in &update.stale_node_index_batch {
        store.nodes.remove(&stale.node_key);
    }
    store.nodes.extend(update.node_batch.nodes().iter().map(|(key, node)| (key.clone(), node.clone())));
}

fn nomt(accounts: u64, touched: usize, blocks: usize) -> Figures {
    let before = resident_bytes();
    let folder = std::env::temp_dir().join(format!("tonle-nomt-{}", std::process::id()));
    let mut options = Options::new();
    options.path(&folder);
    options.commit_concurrency(2);
    options.hashtable_buckets(1_000_000);
    let nomt = Nomt::<Blake3Hasher>::open(options).expect("opens");
    let path = |number: u64| *key(number).path().as_bytes();
    let write = |numbers: &[u64], block: u64| {
        let mut writes: Vec<_> = numbers
            .iter()
            .map(|number| (path(*number), KeyReadWrite::Write(Some(value(*number, block)))))
            .collect();
        writes.sort_unstable_by_key(|(path, _)| *path);
        let session = nomt.begin_session(SessionParams::default().witness_mode(WitnessMode::disabled()));
        writes.iter().for_each(|(path, _)| session.warm_up(*path));
        session.finish(writes).expect("finishes").commit(&nomt).expect("commits");
    };
    let start = Stopwatch::start();
    for chunk in (0..accounts).collect::<Vec<_>>().chunks(50_000) {
        write(chunk, 0);
    }
    let build = start.stop();
    let bytes_built = resident_bytes() - before;
    let mut choice = Choice(1);
    let mut times: Vec<(Duration, Duration)> = Vec::new();
    for block in 1..=(blocks as u64) {
        let chosen = choice.accounts(accounts, touched);
        let start = Stopwatch::start();
        write(&chosen, block);
        times.push(start.stop());
    }
    let bytes_after = resident_bytes() - before;
    let session = nomt.begin_session(SessionParams::default());
    let proofs = (0..1000u64).map(|number| {
        let proof = session.prove(path(number)).expect("proof");
        (64 + proof.siblings.len() * 32) as f64
    });
    let proof_bytes = proofs.sum::<f64>() / 1000.0;
    drop(session);
    drop(nomt);
    std::fs::remove_dir_all(&folder).expect("removes its folder");
    let note = "its own store on disk, synced at every commit, 2 threads; hashes without our domains".to_owned();
    Figures { name: "nomt 1.0", build, blocks: times, bytes_built, bytes_after, proof_bytes, note }
}

fn hash_cost() -> f64 {
    static BENCH: Domain = Domain::new("tonle v1 bench");
    let begun = Instant::now();
    let mut digest = Digest::ZERO;
    for _ in 0..1_000_000 {
        digest = BENCH.digest_parts(&[digest.as_bytes(), digest.as_bytes()]);
    }
    assert_ne!(digest, Digest::ZERO);
    begun.elapsed().as_secs_f64() * 1e9 / 1e6
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: u64| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (accounts, touched, blocks) = (argument(1_000_000), argument(10_000) as usize, argument(30) as usize);
    println!("{accounts} accounts, {touched} touched a block, {blocks} blocks; one node digest {:.0} ns\n", hash_cost());
    println!("| tree | build | block | wall | µs per touched account | fastest .. slowest | B per account, built | B per account, after | proof bytes | |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let which = arguments.next();
    let chosen = |name: &str| which.as_deref().is_none_or(|wanted| wanted == name);
    if chosen("own") {
        own(accounts, touched, blocks).print(accounts, touched);
    }
    if chosen("jmt") {
        jmt(accounts, touched, blocks).print(accounts, touched);
    }
    if chosen("nomt") {
        nomt(accounts, touched, blocks).print(accounts, touched);
    }
}

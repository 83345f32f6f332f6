//! A snapshot from one database to another: what is served while the first goes on, and what a crash leaves.

use std::path::Path;
use std::sync::mpsc;

use tonle_consensus::{Boundary, Checkpoint};
use tonle_crypto::Digest;
use tonle_ledger::{BlockInput, Bucket, StateKey};
use tonle_replica::FinalBlock;

use super::*;
use crate::storage::{Begun, Import, Opened, PendingWrites, WrittenBlock};
use crate::test_chain::{Growing, account, genesis, genesis_block, transfer, validators};

const CACHE_BYTES: usize = 4 << 20;

/// A database that executes, and serves snapshots.
struct Node {
    database: Arc<Database>,
    ledger: tonle_ledger::Executor,
    pending: PendingWrites,
    snapshots: Snapshots,
}

fn open(data: &Path) -> Node {
    let Opened { database, executor, .. } = Database::open(data, &genesis(), CACHE_BYTES, genesis_block).unwrap();
    let pending = PendingWrites::new(Arc::clone(&database)).unwrap();
    let snapshots = Snapshots::new(Arc::clone(&database), Chain::new(genesis()));
    Node { database, ledger: executor, pending, snapshots }
}

impl Node {
    fn execute(&mut self, block: &FinalBlock) -> Checkpoint {
        let header = block.block.header();
        let input = BlockInput {
            height: header.height().get(),
            timestamp_ms: header.timestamp().get(),
            transactions: block.transactions().cloned().collect(),
        };
        let plan = self.ledger.plan(&input);
        let values = self.pending.load(plan.keys()).unwrap();
        let executed = self.ledger.execute(&plan, values).unwrap();
        self.pending.add(WrittenBlock { block, executed: &executed }).unwrap();
        self.pending.commit(self.ledger.proofs()).unwrap();
        Checkpoint { height: header.height(), state_root: executed.state_root, results_root: executed.results_root }
    }

    fn ask(&self, query: SnapshotQuery) -> SnapshotFound {
        let (sender, answer) = mpsc::channel();
        self.snapshots.answer(query, move |found| sender.send(found).unwrap());
        answer.recv().unwrap()
    }

    /// Everything of the snapshot, verified against `root`.
    fn fetch(&self, height: u64, root: &Digest) -> Vec<(StateKey, Vec<u8>)> {
        let height = Height::new(height);
        let (mut values, mut path) = (Vec::new(), Some(Digest::ZERO));
        while let Some(at) = path {
            let SnapshotFound::State(Some(chunk)) = self.ask(SnapshotQuery::State { height, path: at }) else {
                panic!("not served")
            };
            path = chunk.verify(&at, root).unwrap();
            values.extend(chunk.values);
        }
        let buckets: Vec<(Bucket, Digest)> = values
            .iter()
            .filter_map(|(key, value)| Some((Bucket::of(key)?, value.as_slice().try_into().unwrap())))
            .map(|(bucket, value)| (bucket, Digest::from_bytes(value)))
            .collect();
        for (bucket, digest) in buckets {
            let mut link = Some(digest);
            while let Some(at) = link {
                let SnapshotFound::Bucket(Some(chunk)) = self.ask(SnapshotQuery::Bucket { height, bucket, link: at })
                else {
                    panic!("not served")
                };
                let (part, before) = chunk.verify(bucket, &at).unwrap();
                values.extend(part);
                link = before;
            }
        }
        values
    }

    fn balance(&self, name: &str) -> u64 {
        self.database.view().account(account(name)).unwrap().unwrap().balances()[0].available.minor()
    }
}

/// A chain of `count` blocks on a node, one payment each; the block at `capture` is kept.
fn chain(node: &mut Node, count: u64, capture: u64) -> (Vec<FinalBlock>, Vec<Checkpoint>) {
    let mut checkpoint = node.database.view().checkpoints(0, 0).unwrap()[0];
    let mut growing = Growing::new(node.database.view().block(0).unwrap().unwrap().block);
    let (mut blocks, mut checkpoints) = (Vec::new(), vec![checkpoint]);
    for number in 1..=count {
        let block = growing.next(checkpoint, &[transfer("aba", "wing", 10, number)], true);
        checkpoint = node.execute(&block);
        if number == capture {
            node.snapshots.capture(number).unwrap();
        }
        blocks.push(block);
        checkpoints.push(checkpoint);
    }
    (blocks, checkpoints)
}

fn boundary(block: &FinalBlock) -> Boundary {
    let validators = validators().iter().map(|(_, validator)| validator.clone()).collect();
    Boundary { header: block.block.header().clone(), certificate: block.certificate.clone().unwrap(), validators }
}

#[test]
fn a_database_begun_from_a_snapshot_goes_on_as_the_one_that_served_it() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut server = open(from.path());
    let (blocks, checkpoints) = chain(&mut server, 9, 5);
    assert_eq!(server.balance("till@wing"), 1_000_090, "the server has gone on");
    let SnapshotFound::Offer(Some(offer)) = server.ask(SnapshotQuery::Offer) else { panic!("no offer") };
    assert_eq!((&offer.block, offer.covering[0].checkpoint()), (&blocks[4].block, checkpoints[5]));

    let boundaries = [boundary(&blocks[4])];
    let begun = Begun {
        block: &offer.block,
        certificate: blocks[4].certificate.as_ref().unwrap(),
        checkpoint: checkpoints[5],
        receipts_root: offer.receipts_root,
        boundaries: &boundaries,
    };
    let import = Import::begin(to.path(), CACHE_BYTES).unwrap();
    import.put(server.fetch(5, &checkpoints[5].state_root)).unwrap();
    assert!(!Database::exists(to.path()), "nothing counts before the end");
    import.finish(&genesis(), begun).unwrap();

    let mut node = open(to.path());
    let view = node.database.view();
    assert_eq!((view.tip().unwrap().height, view.lowest().unwrap()), (5, 5));
    assert_eq!(view.begun_from().unwrap(), boundaries);
    assert_eq!(view.outcome(5).unwrap().unwrap().checkpoint(5), checkpoints[5]);
    assert_eq!(view.block(4).unwrap(), None);
    drop(view);
    assert_eq!(node.balance("till@wing"), 1_000_050);
    // The blocks after it give the same roots; the payments before it are known.
    for (block, checkpoint) in blocks[5..].iter().zip(&checkpoints[6..]) {
        assert_eq!(node.execute(block), *checkpoint);
    }
    let mut growing = Growing::after(&blocks[8], blocks[8].batches[0].tip());
    let again = growing.next(checkpoints[9], &[transfer("aba", "wing", 10, 1)], true);
    node.execute(&again);
    assert_eq!(node.balance("till@wing"), 1_000_090, "a payment of before the snapshot moves nothing again");
    // And it can serve others in turn.
    node.snapshots.capture(10).unwrap();
    assert!(!node.fetch(10, &node.ledger.point().state_root).is_empty());
}

#[test]
fn the_last_two_are_held_and_older_ones_are_gone() {
    let data = tempfile::tempdir().unwrap();
    let mut node = open(data.path());
    let (_, checkpoints) = chain(&mut node, 3, 1);
    node.snapshots.capture(3).unwrap();
    assert!(!node.fetch(1, &checkpoints[1].state_root).is_empty());
    assert!(!node.fetch(3, &checkpoints[3].state_root).is_empty());
    node.snapshots.capture(4).unwrap();
    let query = SnapshotQuery::State { height: Height::new(1), path: Digest::ZERO };
    assert_eq!(node.ask(query), SnapshotFound::State(None));
    // Nothing final names the state after 3 or 4 yet.
    assert_eq!(node.ask(SnapshotQuery::Offer), SnapshotFound::Offer(None));
}

#[test]
fn a_crash_in_the_middle_leaves_no_database() {
    let data = tempfile::tempdir().unwrap();
    let import = Import::begin(data.path(), CACHE_BYTES).unwrap();
    import.put(vec![(StateKey::Account(account("a@aba")), vec![1])]).unwrap();
    drop(import);
    assert!(!Database::exists(data.path()));
    let left = |data: &Path| std::fs::read_dir(data).unwrap().count();
    assert_eq!(left(data.path()), 1);
    Import::clear(data.path()).unwrap();
    assert_eq!(left(data.path()), 0);
    Import::clear(data.path()).unwrap();
    assert_eq!(open(data.path()).database.view().tip().unwrap().height, 0);
}

#[test]
fn a_state_of_which_a_piece_is_missing_is_not_put_in_place() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut server = open(from.path());
    let (blocks, checkpoints) = chain(&mut server, 2, 1);
    let mut values = server.fetch(1, &checkpoints[1].state_root);
    let at = values.iter().position(|(key, _)| *key == StateKey::Account(account("till@wing"))).unwrap();
    values.remove(at);
    let import = Import::begin(to.path(), CACHE_BYTES).unwrap();
    import.put(values).unwrap();
    let begun = Begun {
        block: &blocks[0].block,
        certificate: blocks[0].certificate.as_ref().unwrap(),
        checkpoint: checkpoints[1],
        receipts_root: Digest::ZERO,
        boundaries: &[boundary(&blocks[0])],
    };
    let refused = import.finish(&genesis(), begun).unwrap_err();
    assert!(matches!(refused, Error::Ledger { .. }), "{refused}");
    assert!(!Database::exists(to.path()));
}

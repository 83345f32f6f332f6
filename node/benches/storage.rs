//! Committing an executed block to a real database on this disk: encoding its rows, one atomic write, one sync. What the
//! ledger does before it is outside the figures.
//!
//! Must not know: tables, or how the ledger executes.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

#[path = "../replica/benches/batch/mod.rs"]
mod batch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use batch::payments::{Books, Payer, START_MS, Trusting, genesis};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use tonle_consensus::{
    Bitmap, Block, Checkpoint, Epoch, Header, HeaderFields, Height, QuorumCertificate, QuorumKind, Timestamp, View,
    payload_digest,
};
use tonle_crypto::Canonical;
use tonle_ledger::{BlockInput, Genesis};
use tonle_node::storage::{Database, Opened, PendingWrites, WrittenBlock};
use tonle_replica::{Batch, Cut, FinalBlock, Tip, genesis_block};

const ACCOUNTS: u64 = 100_000;
const CACHE_BYTES: usize = 64 << 20;

/// A database with all that stands before it: payers, a lane, a ledger.
struct Chain {
    genesis: Genesis,
    payer: Payer,
    books: Books,
    pending: PendingWrites,
    parent: Block,
    tip: Tip,
}

impl Chain {
    fn found(folder: &tempfile::TempDir) -> Self {
        let genesis = genesis(ACCOUNTS);
        let mut first = None;
        let opened = Database::open(folder.path(), &genesis, CACHE_BYTES, |checkpoint: Checkpoint| {
            let Checkpoint { state_root, results_root, .. } = checkpoint;
            let block = genesis_block(genesis.digest(), 1, genesis.created_ms, 1, state_root, results_root);
            first.insert(block.expect("a small payload")).clone()
        });
        let Opened { database, .. } = opened.expect("an empty folder");
        let pending = PendingWrites::new(database).expect("a founded database");
        let (payer, books) = (Payer::new(&genesis), Books::new(&genesis));
        Chain { payer, books, pending, parent: first.expect("founded just now"), tip: Tip::EMPTY, genesis }
    }

    /// The next final block: one batch of `transfers`, `in_one` in a transaction.
    fn next(&mut self, transfers: u64, in_one: u64) -> FinalBlock {
        let chain = self.genesis.digest();
        let raw = batch::after(self.tip, chain, &self.payer.transactions(transfers, in_one));
        let batch = Batch::check(Arc::new(raw), &batch::context(chain), &Trusting).expect("well formed");
        self.tip = batch.tip();
        let payload = Cut::new(vec![self.tip]).encode();
        let point = self.books.executor.point();
        let header = Header::new(HeaderFields {
            parent: self.parent.digest(),
            height: Height::new(self.books.next_height()),
            timestamp: Timestamp::new(START_MS + self.books.next_height()),
            protocol_version: 1,
            payload: payload_digest(&payload),
            checkpoint: Checkpoint {
                height: Height::new(point.height),
                state_root: point.state_root,
                results_root: point.results_root,
            },
            next_set: None,
        });
        let block = Block::new(header, payload).expect("a small payload");
        self.parent = block.clone();
        // Storage checks no certificate.
        let certificate = QuorumCertificate {
            kind: QuorumKind::Finalized,
            epoch: Epoch::ZERO,
            view: View::new(block.height().get()),
            block: block.digest(),
            signers: Bitmap::new(1),
            signatures: Vec::new(),
        };
        let batches = vec![Arc::new(batch)];
        FinalBlock { block, certificate: Some(certificate.clone()), tip_certificate: certificate, batches }
    }

    /// Executes the next block and commits it: how long the latter took.
    fn commit_next(&mut self, transfers: u64, in_one: u64) -> Duration {
        let block = self.next(transfers, in_one);
        let input = BlockInput {
            height: block.block.height().get(),
            timestamp_ms: block.block.header().timestamp().get(),
            transactions: block.transactions().cloned().collect(),
        };
        let plan = self.books.executor.plan(&input);
        let values = self.books.values(&plan);
        let executed = self.books.executor.execute(&plan, values).expect("a sound state");
        self.books.keep(&executed);
        let begun = Instant::now();
        self.pending.add(WrittenBlock { block: &block, executed: &executed }).expect("the next height");
        self.pending.commit(self.books.executor.proofs()).expect("a disk");
        begun.elapsed()
    }
}

fn commit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("storage::commit");
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(10));
    for (transfers, in_one) in [(1, 1), (1_000, 1), (10_000, 1_000)] {
        // On the disk that holds the build, not on one in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a writable folder");
        let mut chain = Chain::found(&folder);
        group.throughput(Throughput::Elements(transfers));
        group.bench_function(format!("transfers={transfers},in_one={in_one}"), |bencher| {
            bencher.iter_custom(|blocks| (0..blocks).map(|_| chain.commit_next(transfers, in_one)).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, commit);
criterion_main!(benches);

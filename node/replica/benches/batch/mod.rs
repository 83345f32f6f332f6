//! A batch of random transfers, as a peer sends it. The node's benchmarks include it by path.
//!
//! It must not know how anything is measured.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses its own part")]

#[path = "../../../ledger/benches/payments/mod.rs"]
pub mod payments;

use std::collections::BTreeSet;
use std::sync::Arc;

use payments::{Payer, genesis, validator_key};
use tonle_crypto::{Canonical, Digest, Writer};
use tonle_ledger::SignedTransaction;
use tonle_replica::{BatchContext, RawBatch, Tip};

const ACCOUNTS: u64 = 1_000;
/// Transfers of a batch.
pub const TRANSFERS: u64 = 1_000;

/// The lane's first batch, of `transfers`, `in_one` in a transaction; and what it is checked against.
pub fn signed(transfers: u64, in_one: u64) -> (BatchContext, Vec<u8>) {
    let genesis = genesis(ACCOUNTS);
    let transactions = Payer::new(&genesis).transactions(transfers, in_one);
    (context(genesis.digest()), after(Tip::EMPTY, genesis.digest(), &transactions).bytes().to_vec())
}

/// What batches are checked against.
pub fn context(chain: Digest) -> BatchContext {
    BatchContext { chain, lanes: Arc::new(BTreeSet::from([validator_key().public()])) }
}

/// The batch of these transactions after `parent`. Its layout is drawn in `batch.rs` of the package.
pub fn after(parent: Tip, chain: Digest, transactions: &[SignedTransaction]) -> RawBatch {
    let key = validator_key();
    let mut writer = Writer::new();
    writer.raw(b"tonle/v1/batch\0").digest(&chain).key(&key.public());
    writer.u64(parent.seq + 1).digest(&parent.digest).length(transactions.len());
    for transaction in transactions {
        writer.bytes(transaction.bytes());
    }
    let unsigned = RawBatch::decode(&[&writer.finish()[..], &[0; 64]].concat()).expect("well formed");
    unsigned.with_signature(key.sign(&unsigned.signed_message()))
}

//! What is final, in RocksDB: blocks with their certificates and data, receipts, the ledger's state and its indexes.
//! What is queryable is what is final: one atomic, synced write holds all that a block changes, indexes included. It must
//! not know consensus, peers or clients.
//!
//! | table | key -> value | file |
//! |---|---|---|
//! | blocks | height -> block, certificate | `tables/blocks.rs` |
//! | digests | header digest -> height | `tables/blocks.rs` |
//! | outcomes | height -> roots, counts, supply, batches | `tables/outcomes.rs` |
//! | batches | batch digest -> batch | `tables/batches.rs` |
//! | receipts | height, index -> receipt and where its transaction stands | `tables/receipts.rs` |
//! | transactions | transaction id -> height, index | `tables/transactions.rs` |
//! | history | account, height and index descending -> nothing | `tables/history.rs` |
//! | state | the ledger's state key -> value | `tables/state.rs` |
//! | metadata | name -> value | `tables/metadata.rs` |
//! | epochs | epoch -> its validators, where they are others than before | `tables/epochs.rs` |
//! | misbehaviour | offence id -> when first seen, proof | `tables/misbehaviour.rs` |
//!
//! Reads go through a [`View`], a consistent snapshot. Errors are all fatal: the process stops rather than goes on.

mod compaction;
mod database;
mod error;
mod finality;
mod forgetting;
mod import;
mod misbehaviour;
mod options;
mod payments;
mod peers;
mod snapshot;
mod tables;
mod view;
mod write;

#[cfg(test)]
mod tests;

pub use compaction::compacted_bytes;
pub use database::{Database, Opened};
pub use error::Error;
pub use finality::FinalityProof;
pub use forgetting::HeldReferences;
pub use import::{Begun, Import};
pub use misbehaviour::KeptMisbehaviour;
pub use peers::PeerSource;
pub use tables::{Outcome, PaymentPlace, Tip};
pub use view::{ReceiptPlace, View};
pub use write::{PendingWrites, WrittenBlock};

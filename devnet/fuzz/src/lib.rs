//! Fuzz targets: functions of bytes that hold what the decoders, the verification and the replica promise, whatever a
//! peer, a client or a disk hands them. A target returns, or it panics: then the product, or the target, has a defect.
//!
//! [`material`] is for the node's own tests of its files and receipts. The targets' functions run in three ways: over
//! the corpora and a few thousand seeded mutations of them in `make test` (`tests/corpora.rs`), by the plain runner
//! `fuzz` of this package for as long as one likes, and under libFuzzer, which follows coverage (`cargo-fuzz/`).
//!
//! Must not know: sockets, files, clocks, random sources. Chance is a seed.

mod agreements;
mod certificates;
mod codes;
mod courses;
mod decoding;
mod dice;
mod forge;
mod genesis;
mod input;
mod keeping;
pub mod material;
mod mutation;
mod node;
mod proofs;
mod replica_events;
mod seeds;
mod signing;
mod tampering;
mod transactions;

pub use dice::Dice;
pub use mutation::{INPUT_BYTES_MAX, mutate};

use input::Input;

/// A function of bytes, with the inputs that it begins from.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// What it holds, for people.
    pub holds: &'static str,
    /// Runs one input.
    ///
    /// # Panics
    /// When a property does not hold.
    pub run: fn(&[u8]),
    /// Makes the corpus: names and inputs, the same each time.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
}

/// All targets.
pub static TARGETS: &[Target] = &[
    Target {
        name: "peer_message",
        holds: "messages between validators: one encoding, bounds, and nothing unsigned gets in",
        run: decoding::peer_message,
        seeds: seeds::peer_messages,
    },
    Target {
        name: "consensus_message",
        holds: "messages of consensus: one encoding, bounds, form of certificates",
        run: decoding::consensus_message,
        seeds: seeds::consensus_messages,
    },
    Target {
        name: "certificates",
        holds: "certificates, votes, proposals, evidence made from choices: valid exactly when an oracle says so",
        run: certificates::certificates,
        seeds: seeds::certificates,
    },
    Target {
        name: "tampering",
        holds: "a valid certificate, vote, proposal, evidence or batch, cut open: only the same bytes pass",
        run: tampering::tampering,
        seeds: seeds::tampering,
    },
    Target {
        name: "evidence",
        holds: "evidence: one encoding, and a contradiction in it",
        run: decoding::evidence,
        seeds: seeds::evidence,
    },
    Target {
        name: "misbehaviour",
        holds: "proofs of misbehaviour: one encoding, one identity of an offence, nothing without two signatures",
        run: decoding::misbehaviour,
        seeds: seeds::misbehaviour,
    },
    Target {
        name: "guard_record",
        holds: "the guard record: one encoding, and an order that only grows",
        run: decoding::guard_record,
        seeds: seeds::guard_records,
    },
    Target {
        name: "block",
        holds: "blocks and headers: one encoding, and the payload that the header names",
        run: decoding::block,
        seeds: seeds::blocks,
    },
    Target { name: "cut", holds: "lane cuts: one encoding, bounds", run: decoding::cut, seeds: seeds::cuts },
    Target {
        name: "batch",
        holds: "batches: bytes kept, bounds, every transaction's client signed it",
        run: decoding::batch,
        seeds: seeds::batches,
    },
    Target {
        name: "transaction",
        holds: "clients' transactions: strict protobuf, one encoding, one id",
        run: transactions::transaction,
        seeds: seeds::transactions,
    },
    Target {
        name: "receipt_proof",
        holds: "receipts and their proofs: nothing is proved that the ledger did not say",
        run: proofs::receipt_proof,
        seeds: seeds::receipt_proofs,
    },
    Target {
        name: "account_proof",
        holds: "accounts' proofs, of absence too: nothing is proved that the ledger did not hold",
        run: proofs::account_proof,
        seeds: seeds::account_proofs,
    },
    Target {
        name: "genesis_bytes",
        holds: "genesis in canonical bytes: what passes the check founds a ledger that opens again",
        run: genesis::genesis_bytes,
        seeds: seeds::genesis_bytes,
    },
    #[cfg(feature = "complete")]
    Target {
        name: "genesis_json",
        holds: "genesis in JSON: the same, and it is written as it is read",
        run: genesis::genesis_json,
        seeds: seeds::genesis_json,
    },
    Target {
        name: "khqr_payload",
        holds: "KHQR payloads, and the same under a checksum that holds: no panic, one meaning, bounds",
        run: codes::khqr_payload,
        seeds: codes::khqr_payloads,
    },
    Target {
        name: "khqr_draft",
        holds: "KHQR codes that are made: refused, or read again as they were asked for",
        run: codes::khqr_draft,
        seeds: codes::khqr_drafts,
    },
    Target {
        name: "replica_events",
        holds: "a replica among peers with every key but its own: it signs, sends and executes by the rules only",
        run: replica_events::replica_events,
        seeds: courses::replica_events,
    },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

//! The column families: a name, a key, a value each. Integers in keys are big-endian, so that RocksDB's order is theirs.

pub(super) mod batches;
pub(super) mod blocks;
pub(super) mod epochs;
pub(super) mod history;
pub(super) mod khqr;
pub(super) mod metadata;
pub(super) mod misbehaviour;
pub(super) mod outcomes;
pub(super) mod receipts;
pub(super) mod state;
pub(super) mod transactions;

pub use khqr::PaymentPlace;
pub use metadata::Tip;
pub use outcomes::Outcome;

/// All column families of this schema.
pub(super) const ALL: [&str; 12] = [
    blocks::BLOCKS,
    blocks::DIGESTS,
    outcomes::OUTCOMES,
    batches::BATCHES,
    receipts::RECEIPTS,
    transactions::TRANSACTIONS,
    history::HISTORY,
    khqr::KHQR,
    state::STATE,
    metadata::METADATA,
    epochs::EPOCHS,
    misbehaviour::MISBEHAVIOUR,
];

/// The version of every layout in this folder together. A change of any of them raises it.
pub(super) const SCHEMA_VERSION: u32 = 3;

/// A key of a height and an index.
pub(super) fn place_key(height: u64, index: u32) -> [u8; 12] {
    let mut key = [0u8; 12];
    key[..8].copy_from_slice(&height.to_be_bytes());
    key[8..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The height and index of a key's last 12 bytes.
pub(super) fn place_of(key: &[u8]) -> Option<(u64, u32)> {
    let (rest, index) = key.split_last_chunk::<4>()?;
    let (_, height) = rest.split_last_chunk::<8>()?;
    Some((u64::from_be_bytes(*height), u32::from_be_bytes(*index)))
}

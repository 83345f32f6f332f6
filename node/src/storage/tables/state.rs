//! The ledger's state, under the ledger's own keys (drawn at `tonle_ledger::StateKey`).
//!
//! ```text
//! state     | tag u8 | key | -> | value, as the ledger encodes it |
//! ```
//! Instruction references that the ledger has let go of are dropped by compaction: see [`is_forgotten`].

use tonle_crypto::Digest;
use tonle_ledger::StateKey;

pub(in crate::storage) const STATE: &str = "state";

/// Was this reference taken before `before_ms`? The ledger then reads it as absent, whether it is there or not.
pub(in crate::storage) fn is_forgotten(key: &[u8], value: &[u8], before_ms: u64) -> bool {
    let is_reference = key.first() == StateKey::Reference(Digest::ZERO).to_bytes().first();
    let taken_ms = value.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
    is_reference && taken_ms.is_some_and(|taken_ms| taken_ms < before_ms)
}

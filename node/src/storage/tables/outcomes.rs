//! What executing each block gave.
//!
//! ```text
//! outcomes  | height u64 | -> | state root 32 | receipts root 32 | results root 32 | time u64 ms
//!                             | receipts u32 | operations u64 | applied u64
//!                             | count u32 | ( asset | supply u128 ) ... | count u32 | batch digest 32 ... |
//! ```
//! The batches stand in the order they executed in.

use tonle_consensus::{Checkpoint, Height};
use tonle_crypto::{Canonical, CodecError, Digest, Reader, Writer};
use tonle_ledger::Asset;

pub(in crate::storage) const OUTCOMES: &str = "outcomes";
const ASSETS_MAX: usize = 65_536;
const BATCHES_MAX: usize = 1 << 20;

/// What executing a block gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Root of the state after it.
    pub state_root: Digest,
    /// Root of its receipts.
    pub receipts_root: Digest,
    /// Chained root of all receipts up to it.
    pub results_root: Digest,
    /// Its time, ms since the Unix epoch.
    pub time_ms: u64,
    /// How many receipts it has.
    pub receipts: u32,
    /// Operations executed, rejected ones included.
    pub operations: u64,
    /// Operations that took effect.
    pub applied: u64,
    /// Supply of every asset after it, in minor units.
    pub supply: Vec<(Asset, u128)>,
    /// Digests of its batches, in the order they executed in.
    pub batches: Vec<Digest>,
}

impl Outcome {
    /// The checkpoint that a header may name, of this outcome at `height`.
    #[must_use]
    pub fn checkpoint(&self, height: u64) -> Checkpoint {
        Checkpoint { height: Height::new(height), state_root: self.state_root, results_root: self.results_root }
    }
}

impl Canonical for Outcome {
    fn encode_to(&self, writer: &mut Writer) {
        writer.digest(&self.state_root).digest(&self.receipts_root).digest(&self.results_root);
        writer.u64(self.time_ms).u32(self.receipts).u64(self.operations).u64(self.applied);
        writer.length(self.supply.len());
        for (asset, supply) in &self.supply {
            writer.value(asset).u128(*supply);
        }
        writer.length(self.batches.len());
        for digest in &self.batches {
            writer.digest(digest);
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (state_root, receipts_root, results_root) = (reader.digest()?, reader.digest()?, reader.digest()?);
        let (time_ms, receipts, operations, applied) = (reader.u64()?, reader.u32()?, reader.u64()?, reader.u64()?);
        let mut supply = Vec::new();
        for _ in 0..reader.length("assets", ASSETS_MAX)? {
            supply.push((reader.value()?, reader.u128()?));
        }
        let mut batches = Vec::new();
        for _ in 0..reader.length("batches", BATCHES_MAX)? {
            batches.push(reader.digest()?);
        }
        Ok(Outcome { state_root, receipts_root, results_root, time_ms, receipts, operations, applied, supply, batches })
    }
}

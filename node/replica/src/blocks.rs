//! Blocks that are not executed yet, by digest: what a certified block's payload is looked up in, and what peers that
//! lack one are answered from. And the blocks that consensus misses.
//!
//! Must not know: which of them are certified.

use std::collections::BTreeMap;

use tonle_consensus::{Block, Height, ValidatorIndex};
use tonle_crypto::Digest;

use crate::Query;
use crate::bounds::BLOCKS_MAX;
use crate::lanes::Want;

/// Blocks that consensus may miss at once; it repeats what it still misses.
const MISSED_MAX: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    known: BTreeMap<Digest, Block>,
    by_height: BTreeMap<(Height, Digest), ()>,
    missed: BTreeMap<Digest, Vec<ValidatorIndex>>,
}

impl Blocks {
    /// Keeps a block. Beyond the bound the highest go first: the lowest are those that finality needs next.
    pub(crate) fn insert(&mut self, block: &Block) {
        self.missed.remove(&block.digest());
        self.known.insert(block.digest(), block.clone());
        self.by_height.insert((block.height(), block.digest()), ());
        while self.known.len() > BLOCKS_MAX {
            let Some(((_, digest), ())) = self.by_height.pop_last() else { return };
            self.known.remove(&digest);
        }
    }
    /// The block of a digest.
    pub(crate) fn block(&self, digest: &Digest) -> Option<&Block> {
        self.known.get(digest)
    }
    /// Blocks up to `height` are in the database.
    pub(crate) fn release(&mut self, height: Height) {
        let above = (height.saturating_add(1), Digest::ZERO);
        let kept = self.by_height.split_off(&above);
        for (_, digest) in std::mem::replace(&mut self.by_height, kept).into_keys() {
            self.known.remove(&digest);
        }
    }
    /// Consensus misses a block.
    pub(crate) fn miss(&mut self, digest: Digest, hint: Vec<ValidatorIndex>) {
        self.missed.insert(digest, hint);
        while self.missed.len() > MISSED_MAX {
            self.missed.pop_first();
        }
    }
    /// Finality moved: consensus says again what it still misses.
    pub(crate) fn forget_missed(&mut self) {
        self.missed.clear();
    }
    /// What to fetch.
    pub(crate) fn wants(&self) -> impl Iterator<Item = Want> {
        self.missed.iter().map(|(digest, hint)| Want {
            query: Query::Block { digest: *digest },
            hints: hint.clone(),
            patience_us: 0,
        })
    }
}

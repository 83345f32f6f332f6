//! Blocks, boundaries and validators as the database has them. It must not know the state.

use std::sync::Arc;

use tonle_consensus::{Block, Boundary, Epoch, Height, ValidatorSet};
use tonle_crypto::Digest;
use tonle_replica::{BlockSource, BoundaryHistory, CertifiedBlock, RawBatch};

use super::found;
use crate::recovery::Chain;
use crate::storage::Database;

/// See the module.
#[derive(Debug)]
pub(super) struct History {
    database: Arc<Database>,
    chain: Chain,
}

impl History {
    pub(super) fn new(database: Arc<Database>, chain: Chain) -> Self {
        History { database, chain }
    }

    pub(super) fn database(&self) -> &Arc<Database> {
        &self.database
    }
}

impl BlockSource for History {
    fn final_block(&self, height: Height) -> Option<CertifiedBlock> {
        found(self.database.view().block(height.get()))
    }
    fn block(&self, digest: &Digest) -> Option<Block> {
        found(self.database.view().block_by_digest(digest))
    }
    fn batch(&self, digest: &Digest) -> Option<Arc<RawBatch>> {
        found(self.database.view().batch(digest)).map(Arc::new)
    }
}

impl BoundaryHistory for History {
    fn epoch_length(&self) -> u64 {
        self.chain.genesis.epoch_length
    }
    fn validators(&self, epoch: Epoch) -> Option<ValidatorSet> {
        let (_, members) = found(self.database.view().set_of(epoch.get()).map(Some))?;
        ValidatorSet::new(epoch, members).ok()
    }
    fn begun_from(&self) -> Vec<Boundary> {
        found(self.database.view().begun_from().map(Some)).unwrap_or_default()
    }
}

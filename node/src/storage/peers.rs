//! What peers are served from: the database, and the batch log for what is not final.

use std::sync::Arc;

use tonle_consensus::{Block, Height};
use tonle_crypto::Digest;
use tonle_replica::{BlockSource, CertifiedBlock, RawBatch};

use super::{Database, Error};
use crate::batch_log::BatchLogReader;

/// Serves peers' requests from disk, on any thread but the voting one.
#[derive(Debug, Clone)]
pub struct PeerSource {
    database: Arc<Database>,
    log: BatchLogReader,
}

impl PeerSource {
    /// Serves from these two.
    #[must_use]
    pub fn new(database: Arc<Database>, log: BatchLogReader) -> Self {
        PeerSource { database, log }
    }
}

impl BlockSource for PeerSource {
    fn final_block(&self, height: Height) -> Option<CertifiedBlock> {
        found(self.database.view().block(height.get()))
    }
    fn block(&self, digest: &Digest) -> Option<Block> {
        found(self.database.view().block_by_digest(digest))
    }
    fn batch(&self, digest: &Digest) -> Option<Arc<RawBatch>> {
        let live = found(self.log.get(digest));
        live.or_else(|| found(self.database.view().batch(digest))).map(Arc::new)
    }
}

/// A read that fails while serving a peer is this disk's trouble, told to the operator; the peer asks another. The
/// process stops when its own work meets it.
fn found<T>(read: Result<Option<T>, Error>) -> Option<T> {
    read.unwrap_or_else(|error| {
        tracing::error!(%error, "cannot serve a peer from disk");
        None
    })
}

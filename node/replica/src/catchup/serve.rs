//! Answers to peers' requests from what is on disk: pure and bounded, for the shell's storage thread.
//!
//! Must not know: who asks, how often (the replica limits that before it asks the shell to serve).

use std::sync::Arc;

use tonle_consensus::{Block, Height};
use tonle_crypto::{Canonical, Digest};

use crate::bounds::{RESPONSE_BATCHES_MAX, RESPONSE_BLOCKS, RESPONSE_BLOCKS_MAX, RESPONSE_BYTES_MAX};
use crate::{CertifiedBlock, Found, Query, RawBatch, Request, Response};

/// What a node has on disk.
pub trait BlockSource {
    /// The final block of a height, with its own certificate if it has one.
    fn final_block(&self, height: Height) -> Option<CertifiedBlock>;
    /// A block by digest: final, or journalled.
    fn block(&self, digest: &Digest) -> Option<Block>;
    /// A batch by digest: of a final block, or in the batch log.
    fn batch(&self, digest: &Digest) -> Option<Arc<RawBatch>>;
}

/// Answers `request`. What is not there gives an empty answer, so that the requester goes on to another peer at once.
#[must_use]
pub fn serve(request: &Request, source: &dyn BlockSource) -> Response {
    let found = match &request.query {
        Query::Block { digest } => Found::Block(source.block(digest)),
        Query::Batches { digest, floor } => Found::Batches(descend(*digest, *floor, |digest| source.batch(digest))),
        Query::FinalBlocks { from } => Found::FinalBlocks(final_blocks(*from, source)),
        // The replica answers this itself: a database does not know who may sign.
        Query::Epoch => Found::Epoch(None),
        // The shell answers this itself: snapshots are no blocks.
        Query::Snapshot(query) => Found::Snapshot(query.nothing()),
    };
    Response { id: request.id, found }
}

/// The batch named and those below it in its lane, newest first, down to above `floor` and within the bounds of a
/// response.
pub(crate) fn descend(
    newest: Digest,
    floor: u64,
    mut batch: impl FnMut(&Digest) -> Option<Arc<RawBatch>>,
) -> Vec<Arc<RawBatch>> {
    let (mut found, mut bytes, mut digest) = (Vec::new(), 0usize, newest);
    while found.len() < RESPONSE_BATCHES_MAX {
        let Some(next) = batch(&digest) else { break };
        bytes = bytes.saturating_add(next.bytes().len());
        if next.seq() <= floor || bytes > RESPONSE_BYTES_MAX {
            break;
        }
        digest = next.parent();
        found.push(next);
    }
    found
}

/// Ascending from `from`; ends at a block with its own certificate, the first one after [`RESPONSE_BLOCKS`] at the
/// latest. Blocks at the end that no certificate of the answer covers are left out.
fn final_blocks(from: Height, source: &dyn BlockSource) -> Vec<CertifiedBlock> {
    let (mut found, mut bytes, mut covered) = (Vec::new(), 0usize, 0usize);
    let mut height = from;
    while found.len() < RESPONSE_BLOCKS_MAX {
        let Some(entry) = source.final_block(height) else { break };
        bytes = bytes.saturating_add(entry.encode().len());
        if bytes > RESPONSE_BYTES_MAX {
            break;
        }
        let certified = entry.certificate.is_some();
        found.push(entry);
        if certified {
            covered = found.len();
            if u64::try_from(covered).unwrap_or(u64::MAX) >= RESPONSE_BLOCKS {
                break;
            }
        }
        let Some(next) = height.next() else { break };
        height = next;
    }
    found.truncate(covered);
    found
}

//! Boundaries and covering headers for peers, from what is on disk: pure and bounded.
//!
//! Must not know: who asks, the state.

use tonle_consensus::{Boundary, Epoch, Header, Height, QuorumCertificate, ValidatorSet};

use crate::bounds::{BOUNDARIES_MAX, BOUNDARIES_SCANNED_MAX, RESPONSE_BLOCKS_MAX};
use crate::{BlockSource, CertifiedBlock};

/// What boundaries are served from.
pub trait BoundaryHistory: BlockSource {
    /// Heights of an epoch.
    fn epoch_length(&self) -> u64;
    /// The validators of an epoch whose boundary is on disk.
    fn validators(&self, epoch: Epoch) -> Option<ValidatorSet>;
    /// The boundaries that this node itself began from instead of blocks, ascending; none when it has all blocks.
    fn begun_from(&self) -> Vec<Boundary>;
}

/// The boundaries of the epochs from `from` up to and not including `to` that change the validators, and the last one.
/// An answer looks at no more than [`BOUNDARIES_SCANNED_MAX`] epochs; the asker goes on from its last one.
#[must_use]
pub fn boundaries(from: Epoch, to: Epoch, source: &dyn BoundaryHistory) -> Vec<Boundary> {
    let length = source.epoch_length();
    let ended = |boundary: &Boundary| {
        Epoch::new(boundary.header.height().get().saturating_sub(1).checked_div(length).unwrap_or(0))
    };
    let begun = source.begun_from();
    let mut epoch = begun.last().map_or(from, |last| from.max(ended(last).saturating_add(1)));
    let mut found: Vec<Boundary> =
        begun.into_iter().filter(|boundary| (from..to).contains(&ended(boundary))).take(BOUNDARIES_MAX).collect();
    let mut unchanged = None;
    for _ in 0..BOUNDARIES_SCANNED_MAX {
        if epoch >= to || found.len().saturating_add(1) >= BOUNDARIES_MAX {
            break;
        }
        let Some((boundary, changes)) = boundary(epoch, length, source) else { break };
        if changes {
            found.push(boundary);
            unchanged = None;
        } else {
            unchanged = Some(boundary);
        }
        epoch = epoch.saturating_add(1);
    }
    found.extend(unchanged);
    found
}

/// The boundary at the end of an epoch, and whether it changes the validators.
fn boundary(epoch: Epoch, length: u64, source: &dyn BoundaryHistory) -> Option<(Boundary, bool)> {
    let next = epoch.saturating_add(1);
    let CertifiedBlock { block, certificate } = source.final_block(Height::new(next.get().checked_mul(length)?))?;
    let after = source.validators(next)?;
    let changes = source.validators(epoch).is_none_or(|before| before.digest() != after.digest());
    let validators = after.iter().map(|(_, validator)| validator.clone()).collect();
    Some((Boundary { header: block.header().clone(), certificate: certificate?, validators }, changes))
}

/// The first header that names `height` as its checkpoint, each child up to one with a certificate, and that; `None` while
/// there is none, or it is out of bounds.
#[must_use]
pub fn covering(height: Height, source: &dyn BlockSource) -> Option<(Vec<Header>, QuorumCertificate)> {
    let (mut headers, mut at) = (Vec::new(), height.next()?);
    for _ in 0..RESPONSE_BLOCKS_MAX {
        let CertifiedBlock { block, certificate } = source.final_block(at)?;
        let header = block.header();
        if !headers.is_empty() || header.checkpoint().height >= height {
            headers.push(header.clone());
            if let Some(certificate) = certificate {
                return Some((headers, certificate));
            }
        }
        at = at.next()?;
    }
    None
}

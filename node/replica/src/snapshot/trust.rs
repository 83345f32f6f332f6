//! From genesis' validators, which are trusted, to an epoch's: the chain of boundaries, and what an offer is judged by.
//!
//! Must not know: who sent what.

use tonle_consensus::{
    Boundary, BoundaryInvalid, Checkpoint, Epoch, Height, Invalid, QuorumKind, SigningContext, ValidatorSet,
};
use tonle_crypto::{Digest, Verifier, Verify};
use tonle_ledger::next_results_root;

use super::SnapshotOffer;

/// Why a boundary or an offer is not believed: who sent it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSnapshot {
    /// The boundary does not follow from the validators known.
    #[error("boundary: {0}")]
    Boundary(#[from] BoundaryInvalid),
    /// The offer's certificate does not verify.
    #[error("certificate: {0}")]
    Certificate(#[from] Invalid),
    /// The offer's certificate is of another block, or does not finalize.
    #[error("the certificate is not one of finality of height {0}")]
    OtherBlock(Height),
    /// The offer is not of the boundary that is trusted.
    #[error("the snapshot is of height {0}, which is not the boundary that is trusted")]
    OtherBoundary(Height),
    /// The headers do not lead from the boundary's checkpoint to a certificate.
    #[error("the headers do not lead from the checkpoint of height {0} to a certificate")]
    Unlinked(Height),
    /// The roots do not lead to the results root.
    #[error("the roots of receipts do not lead to the results root of height {0}")]
    Results(Height),
}

/// The validators of an epoch, and where it began.
#[derive(Debug, Clone)]
pub struct Trust {
    chain: Digest,
    epoch_length: u64,
    set: ValidatorSet,
    /// The boundaries gone over that changed the validators, and the last one.
    path: Vec<Boundary>,
    /// Did the last one change nothing?
    unchanged: bool,
}

impl Trust {
    /// Trust in genesis: its digest, its validators, and the heights of an epoch.
    #[must_use]
    pub fn genesis(chain: Digest, set: ValidatorSet, epoch_length: u64) -> Self {
        Trust { chain, epoch_length, set, path: Vec::new(), unchanged: false }
    }

    /// The epoch whose validators are known.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.set.epoch()
    }

    /// The validators of that epoch.
    #[must_use]
    pub fn set(&self) -> &ValidatorSet {
        &self.set
    }

    /// The boundaries from genesis to the epoch that are needed to go there again, ascending; the last one is where it
    /// began.
    #[must_use]
    pub fn path(&self) -> &[Boundary] {
        &self.path
    }

    /// Goes forward over the next boundary.
    ///
    /// # Errors
    /// [`InvalidSnapshot`]; nothing is changed then.
    pub fn follow(&mut self, boundary: Boundary, verifier: &dyn Verifier) -> Result<(), InvalidSnapshot> {
        let next = boundary.verify(self.chain, self.epoch_length, &self.set, verifier)?;
        let unchanged = next.digest() == self.set.digest();
        if std::mem::replace(&mut self.unchanged, unchanged) {
            self.path.pop();
        }
        self.path.push(boundary);
        self.set = next;
        Ok(())
    }

    /// The state after the boundary, as a final header names it: what the offered snapshot is verified against.
    ///
    /// # Errors
    /// [`InvalidSnapshot`].
    pub fn accept(&self, offer: &SnapshotOffer, verifier: &dyn Verifier) -> Result<Checkpoint, InvalidSnapshot> {
        let height = offer.block.height();
        if self.path.last().is_none_or(|last| last.header.digest() != offer.block.digest()) {
            return Err(InvalidSnapshot::OtherBoundary(height));
        }
        let unlinked = InvalidSnapshot::Unlinked(height);
        let (Some(first), Some(last)) = (offer.covering.first(), offer.covering.last()) else { return Err(unlinked) };
        let linked = offer
            .covering
            .iter()
            .zip(offer.covering.iter().skip(1))
            .all(|(parent, child)| child.parent() == parent.digest());
        let checkpoint = first.checkpoint();
        if !linked || checkpoint.height != height || first.height() <= height {
            return Err(unlinked);
        }
        if offer.certificate.kind != QuorumKind::Finalized || offer.certificate.block != last.digest() {
            return Err(InvalidSnapshot::OtherBlock(last.height()));
        }
        offer.certificate.verify(&SigningContext { genesis: self.chain, set: self.set.clone() }, verifier)?;
        if next_results_root(&offer.results_before, &offer.receipts_root) != checkpoint.results_root {
            return Err(InvalidSnapshot::Results(height));
        }
        Ok(checkpoint)
    }
}

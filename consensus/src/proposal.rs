//! Proposals: a leader's block with what justifies it.
//!
//! Must not know: whether its payload is acceptable, who votes for it.

use std::sync::Arc;

use tonle_crypto::{Canonical, CodecError, Reader, Signature, Verifier, Verify, Writer};

use crate::certificate::{check_epoch, check_signature};
use crate::{Block, Epoch, Invalid, QuorumCertificate, SigningContext, Statement, TimeoutCertificate, View};

/// Largest sidecar (inline batches), in bytes: 64 KB of batches and their framing.
pub const SIDECAR_BYTES_MAX: usize = 128 * 1024;

/// The leader's block of a view.
///
/// ```text
/// epoch        8
/// view         8
/// parent view  8
/// block            header, then 4 + payload
/// parent QC    1 / 1 + length   of the parent view; 0 exactly when that is 0, the anchor
/// TC           1 / 1 + length   of view - 1; 0 when parent view = view - 1
/// signature   64   over Statement::Proposal
/// sidecar      4 + length, at most SIDECAR_BYTES_MAX; not signed, judged by its contents alone
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The epoch.
    pub epoch: Epoch,
    /// The view proposed in.
    pub view: View,
    /// The view whose certificate this extends.
    pub parent_view: View,
    /// The block.
    pub block: Block,
    /// The certificate of `parent_view`; `None` for the epoch's anchor at view 0.
    pub parent_qc: Option<QuorumCertificate>,
    /// The timeout certificate of `view - 1`, unless `parent_view` is that view.
    pub timeout: Option<TimeoutCertificate>,
    /// By the leader of `view`.
    pub signature: Signature,
    /// Inline batches, opaque here.
    pub sidecar: Arc<[u8]>,
}

impl Proposal {
    /// What its leader signed.
    #[must_use]
    pub fn statement(&self) -> Statement {
        Statement::Proposal { view: self.view, parent_view: self.parent_view, block: self.block.digest() }
    }
}

impl Verify for Proposal {
    type Context = SigningContext;
    type Error = Invalid;

    /// Checks the signatures and that each certificate is the one its place names. Whether the parent view is allowed
    /// (R4) is the engine's to judge: a leader's signed breach of R4 must reach it.
    fn verify(&self, context: &SigningContext, verifier: &dyn Verifier) -> Result<(), Invalid> {
        check_epoch(self.epoch, context)?;
        if self.view == View::ZERO {
            return Err(Invalid::View(self.view));
        }
        let leader = context.set.leader(self.view);
        check_signature(context, verifier, leader, &self.statement().preimage(context), &self.signature)?;
        let attached = self.parent_qc.as_ref().map_or(View::ZERO, |certificate| certificate.view);
        if attached != self.parent_view || self.parent_qc.is_some() != (self.parent_view != View::ZERO) {
            return Err(Invalid::HighCertificate { claimed: self.parent_view, attached });
        }
        if let Some(certificate) = &self.parent_qc {
            certificate.verify(context, verifier)?;
        }
        if let Some(certificate) = &self.timeout {
            certificate.verify(context, verifier)?;
        }
        Ok(())
    }
}

impl Canonical for Proposal {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.epoch).value(&self.view).value(&self.parent_view).value(&self.block);
        writer.option(self.parent_qc.as_ref()).option(self.timeout.as_ref());
        writer.signature(&self.signature).bytes(&self.sidecar);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Proposal {
            epoch: reader.value()?,
            view: reader.value()?,
            parent_view: reader.value()?,
            block: reader.value()?,
            parent_qc: reader.option()?,
            timeout: reader.option()?,
            signature: reader.signature()?,
            sidecar: reader.bytes("sidecar", SIDECAR_BYTES_MAX)?.into(),
        })
    }
}

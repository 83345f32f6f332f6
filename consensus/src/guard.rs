//! The durable record of what one has signed in an epoch. R8: it is on disk before any message it covers leaves.
//!
//! Must not know: when a signature is allowed (`safety`), the file it lies in (the shell frames and checksums it).

use tonle_crypto::{Canonical, CodecError, Digest, Reader, Writer};

use crate::{Certificate, Epoch, QuorumCertificate, View};

/// The block that one signed for in a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The view.
    pub view: View,
    /// The block.
    pub block: Digest,
}

impl Canonical for Choice {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.view).digest(&self.block);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Choice { view: reader.value()?, block: reader.digest()? })
    }
}

/// A view given up, and the highest quorum certificate's view named with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surrender {
    /// The view.
    pub view: View,
    /// View of the highest quorum certificate then.
    pub high_view: View,
}

impl Canonical for Surrender {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.view).value(&self.high_view);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Surrender { view: reader.value()?, high_view: reader.value()? })
    }
}

/// The guard record of one key in one epoch. All views in it are maxima and never decrease.
///
/// ```text
/// epoch           8
/// last proposal   1 / 41         view 8, block 32
/// last notarize   1 / 41
/// last finalize   1 / 41
/// last timeout    1 / 17         view 8, high view 8
/// high QC         1 / 1 + length the highest quorum certificate held when last signing
/// entry           1 / 1 + length the certificate that opened the highest view signed in; 0 for view 1
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardRecord {
    /// The epoch it guards. It says nothing about another.
    pub epoch: Epoch,
    /// The highest view proposed in.
    pub last_proposal: Option<Choice>,
    /// The highest view notarized in.
    pub last_notarize: Option<Choice>,
    /// The highest view finalized.
    pub last_finalize: Option<Choice>,
    /// The highest view given up.
    pub last_timeout: Option<Surrender>,
    /// The highest quorum certificate held when last signing.
    pub high_qc: Option<QuorumCertificate>,
    /// The certificate that opened the highest view signed in.
    pub entry: Option<Certificate>,
}

impl GuardRecord {
    /// Nothing signed in `epoch`.
    #[must_use]
    pub fn empty(epoch: Epoch) -> Self {
        GuardRecord {
            epoch,
            last_proposal: None,
            last_notarize: None,
            last_finalize: None,
            last_timeout: None,
            high_qc: None,
            entry: None,
        }
    }

    /// Is nothing in this record lower than in `earlier`? False across epochs unless this one is later.
    #[must_use]
    pub fn continues(&self, earlier: &GuardRecord) -> bool {
        if self.epoch != earlier.epoch {
            return self.epoch > earlier.epoch;
        }
        let views = |record: &GuardRecord| {
            [
                record.last_proposal.map(|choice| choice.view),
                record.last_notarize.map(|choice| choice.view),
                record.last_finalize.map(|choice| choice.view),
                record.last_timeout.map(|surrender| surrender.view),
                record.high_qc.as_ref().map(|certificate| certificate.view),
                record.entry.as_ref().map(Certificate::view),
            ]
        };
        views(self).iter().zip(views(earlier)).all(|(later, earlier)| *later >= earlier)
            && keeps(self.last_proposal, earlier.last_proposal)
            && keeps(self.last_notarize, earlier.last_notarize)
            && keeps(self.last_finalize, earlier.last_finalize)
    }
}

/// Within one view the block never changes.
fn keeps(later: Option<Choice>, earlier: Option<Choice>) -> bool {
    match (later, earlier) {
        (Some(later), Some(earlier)) => later.view != earlier.view || later.block == earlier.block,
        (None | Some(_), None) | (None, Some(_)) => true,
    }
}

impl Canonical for GuardRecord {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.epoch);
        writer.option(self.last_proposal.as_ref()).option(self.last_notarize.as_ref());
        writer.option(self.last_finalize.as_ref()).option(self.last_timeout.as_ref());
        writer.option(self.high_qc.as_ref()).option(self.entry.as_ref());
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(GuardRecord {
            epoch: reader.value()?,
            last_proposal: reader.option()?,
            last_notarize: reader.option()?,
            last_finalize: reader.option()?,
            last_timeout: reader.option()?,
            high_qc: reader.option()?,
            entry: reader.option()?,
        })
    }
}

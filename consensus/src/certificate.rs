//! Certificates: a quorum's signatures over one statement. A quorum certificate says that a block was notarized or
//! finalized in a view; a timeout certificate that a view was given up.
//!
//! Must not know: how votes are collected (`tally`), what follows from a certificate (`engine`).

use tonle_crypto::{Canonical, CodecError, Digest, Reader, Signature, Verifier, Verify, Writer};

use crate::{Bitmap, Epoch, Invalid, SigningContext, Statement, VALIDATORS_MAX, ValidatorIndex, View};

/// Which vote a quorum certificate collects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuorumKind {
    /// q Notarize votes: QC.
    Notarized,
    /// q Finalize votes: FC. It counts wherever a QC does.
    Finalized,
}

/// q votes of one kind for one block in one view.
///
/// ```text
/// kind         1   1 notarized, 2 finalized
/// epoch        8
/// view         8
/// block       32
/// signers      4 + ceil(n / 8)   bit i of byte i / 8, least significant first
/// signatures   4 + 64 each       in ascending order of signer
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumCertificate {
    /// The kind of its votes.
    pub kind: QuorumKind,
    /// The epoch.
    pub epoch: Epoch,
    /// The view, at least 1.
    pub view: View,
    /// Digest of the block.
    pub block: Digest,
    /// Who signed.
    pub signers: Bitmap,
    /// One signature for each signer, in ascending order of signer.
    pub signatures: Vec<Signature>,
}

impl QuorumCertificate {
    /// What each of its signers signed.
    #[must_use]
    pub fn statement(&self) -> Statement {
        let (view, block) = (self.view, self.block);
        match self.kind {
            QuorumKind::Notarized => Statement::Notarize { view, block },
            QuorumKind::Finalized => Statement::Finalize { view, block },
        }
    }
}

impl Verify for QuorumCertificate {
    type Context = SigningContext;
    type Error = Invalid;

    fn verify(&self, context: &SigningContext, verifier: &dyn Verifier) -> Result<(), Invalid> {
        check_epoch(self.epoch, context)?;
        if self.view == View::ZERO {
            return Err(Invalid::View(self.view));
        }
        if !self.signers.is_well_formed(context.set.len()) {
            return Err(Invalid::Bitmap);
        }
        check_count(self.signers.count(), self.signatures.len(), context)?;
        let preimage = self.statement().preimage(context);
        for (signer, signature) in self.signers.iter().zip(&self.signatures) {
            check_signature(context, verifier, signer, &preimage, signature)?;
        }
        Ok(())
    }
}

impl Canonical for QuorumCertificate {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u8(match self.kind {
            QuorumKind::Notarized => 1,
            QuorumKind::Finalized => 2,
        });
        writer.value(&self.epoch).value(&self.view).digest(&self.block).value(&self.signers);
        writer.length(self.signatures.len());
        for signature in &self.signatures {
            writer.signature(signature);
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let kind = match reader.u8()? {
            1 => QuorumKind::Notarized,
            2 => QuorumKind::Finalized,
            _ => return Err(CodecError::Invalid("quorum certificate kind")),
        };
        let (epoch, view, block, signers) = (reader.value()?, reader.value()?, reader.digest()?, reader.value()?);
        let count = reader.length("signatures", VALIDATORS_MAX)?;
        let mut signatures = Vec::with_capacity(count);
        for _ in 0..count {
            signatures.push(reader.signature()?);
        }
        Ok(QuorumCertificate { kind, epoch, view, block, signers, signatures })
    }
}

/// One signer's part of a timeout certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutVote {
    /// Who gave up.
    pub signer: ValidatorIndex,
    /// The view of the signer's highest quorum certificate; 0 for the anchor.
    pub high_view: View,
    /// Over [`Statement::Timeout`].
    pub signature: Signature,
}

/// q Timeouts of one view.
///
/// ```text
/// epoch        8
/// view         8
/// votes        4 + 74 each       signer 2, high view 8, signature 64; ascending by signer
/// high QC      1 / 1 + length    the certificate of the highest high view; 0 when all are 0
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeoutCertificate {
    /// The epoch.
    pub epoch: Epoch,
    /// The view given up, at least 1.
    pub view: View,
    /// The votes, strictly ascending by signer.
    pub votes: Vec<TimeoutVote>,
    /// The quorum certificate of [`TimeoutCertificate::high_view`].
    pub high_qc: Option<QuorumCertificate>,
}

impl TimeoutCertificate {
    /// The highest `high_view` among its votes.
    #[must_use]
    pub fn high_view(&self) -> View {
        self.votes.iter().map(|vote| vote.high_view).max().unwrap_or(View::ZERO)
    }
}

impl Verify for TimeoutCertificate {
    type Context = SigningContext;
    type Error = Invalid;

    fn verify(&self, context: &SigningContext, verifier: &dyn Verifier) -> Result<(), Invalid> {
        check_epoch(self.epoch, context)?;
        if self.view == View::ZERO {
            return Err(Invalid::View(self.view));
        }
        check_count(self.votes.len(), self.votes.len(), context)?;
        check_high(self.view, self.high_view(), self.high_qc.as_ref())?;
        let mut last: Option<ValidatorIndex> = None;
        for vote in &self.votes {
            if last.is_some_and(|last| vote.signer <= last) {
                return Err(Invalid::Repeated(vote.signer));
            }
            last = Some(vote.signer);
            let statement = Statement::Timeout { view: self.view, high_view: vote.high_view };
            check_signature(context, verifier, vote.signer, &statement.preimage(context), &vote.signature)?;
        }
        self.high_qc.as_ref().map_or(Ok(()), |qc| qc.verify(context, verifier))
    }
}

impl Canonical for TimeoutCertificate {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.epoch).value(&self.view).list(&self.votes).option(self.high_qc.as_ref());
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(TimeoutCertificate {
            epoch: reader.value()?,
            view: reader.value()?,
            votes: reader.list("timeout votes", VALIDATORS_MAX)?,
            high_qc: reader.option()?,
        })
    }
}

impl Canonical for TimeoutVote {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.signer).value(&self.high_view).signature(&self.signature);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(TimeoutVote { signer: reader.value()?, high_view: reader.value()?, signature: reader.signature()? })
    }
}

/// What ends a view: R1 lets a validator into the view after it.
///
/// ```text
/// tag   1   1 quorum, 2 timeout
/// body      the certificate
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificate {
    /// QC or FC.
    Quorum(QuorumCertificate),
    /// TC.
    Timeout(TimeoutCertificate),
}

impl Certificate {
    /// The view it ends.
    #[must_use]
    pub fn view(&self) -> View {
        match self {
            Certificate::Quorum(certificate) => certificate.view,
            Certificate::Timeout(certificate) => certificate.view,
        }
    }
    /// The quorum certificate that it is or carries.
    #[must_use]
    pub fn high_qc(&self) -> Option<&QuorumCertificate> {
        match self {
            Certificate::Quorum(certificate) => Some(certificate),
            Certificate::Timeout(certificate) => certificate.high_qc.as_ref(),
        }
    }
}

impl Verify for Certificate {
    type Context = SigningContext;
    type Error = Invalid;

    fn verify(&self, context: &SigningContext, verifier: &dyn Verifier) -> Result<(), Invalid> {
        match self {
            Certificate::Quorum(certificate) => certificate.verify(context, verifier),
            Certificate::Timeout(certificate) => certificate.verify(context, verifier),
        }
    }
}

impl Canonical for Certificate {
    fn encode_to(&self, writer: &mut Writer) {
        match self {
            Certificate::Quorum(certificate) => writer.u8(1).value(certificate),
            Certificate::Timeout(certificate) => writer.u8(2).value(certificate),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match reader.u8()? {
            1 => reader.value().map(Certificate::Quorum),
            2 => reader.value().map(Certificate::Timeout),
            _ => Err(CodecError::Invalid("certificate")),
        }
    }
}

pub(crate) fn check_epoch(found: Epoch, context: &SigningContext) -> Result<(), Invalid> {
    let expected = context.set.epoch();
    if found == expected { Ok(()) } else { Err(Invalid::Epoch { expected, found }) }
}

fn check_count(signers: usize, signatures: usize, context: &SigningContext) -> Result<(), Invalid> {
    if signers != signatures {
        return Err(Invalid::Count { signers, signatures });
    }
    let quorum = context.set.quorum();
    if signers < quorum { Err(Invalid::Quorum { signers, quorum }) } else { Ok(()) }
}

/// A claim `high_view` about view `view` must be below it and be backed by exactly that certificate.
pub(crate) fn check_high(view: View, high_view: View, certificate: Option<&QuorumCertificate>) -> Result<(), Invalid> {
    if high_view >= view {
        return Err(Invalid::View(high_view));
    }
    let attached = certificate.map_or(View::ZERO, |certificate| certificate.view);
    if attached == high_view && certificate.is_some() == (high_view != View::ZERO) {
        Ok(())
    } else {
        Err(Invalid::HighCertificate { claimed: high_view, attached })
    }
}

pub(crate) fn check_signature(
    context: &SigningContext,
    verifier: &dyn Verifier,
    signer: ValidatorIndex,
    preimage: &[u8],
    signature: &Signature,
) -> Result<(), Invalid> {
    let validator = context.set.get(signer).ok_or(Invalid::Signer(signer))?;
    verifier.verify(&validator.key, preimage, signature).map_err(|_| Invalid::Signature(signer))
}

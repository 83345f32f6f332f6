//! The messages of consensus: proposals, votes, timeouts and certificates, as they travel.
//!
//! Must not know: connections, queues, what a message changes.

use std::sync::Arc;

use tonle_crypto::{Canonical, CodecError, Digest, Reader, Signature, Verifier, Verify, Writer};

use crate::certificate::{check_epoch, check_high, check_signature};
use crate::{
    Certificate, Epoch, Invalid, Proposal, QuorumCertificate, QuorumKind, SigningContext, Statement, ValidatorIndex,
    View,
};

/// A Notarize or a Finalize; the arm of [`Message`] says which.
///
/// ```text
/// epoch      8
/// view       8
/// block     32
/// signer     2
/// signature 64
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// The epoch.
    pub epoch: Epoch,
    /// The view voted in.
    pub view: View,
    /// The block voted for.
    pub block: Digest,
    /// Who votes.
    pub signer: ValidatorIndex,
    /// Over [`Statement::Notarize`] or [`Statement::Finalize`].
    pub signature: Signature,
}

impl Vote {
    fn verify(&self, statement: Statement, context: &SigningContext, verifier: &dyn Verifier) -> Result<(), Invalid> {
        check_epoch(self.epoch, context)?;
        if self.view == View::ZERO {
            return Err(Invalid::View(self.view));
        }
        check_signature(context, verifier, self.signer, &statement.preimage(context), &self.signature)
    }
    /// What its signer signed when this is a Notarize.
    #[must_use]
    pub fn notarize(&self) -> Statement {
        Statement::Notarize { view: self.view, block: self.block }
    }
    /// What its signer signed when this is a Finalize.
    #[must_use]
    pub fn finalize(&self) -> Statement {
        Statement::Finalize { view: self.view, block: self.block }
    }
    pub(crate) fn verify_notarize(&self, context: &SigningContext, verifier: &dyn Verifier) -> Result<(), Invalid> {
        self.verify(self.notarize(), context, verifier)
    }
    pub(crate) fn verify_finalize(&self, context: &SigningContext, verifier: &dyn Verifier) -> Result<(), Invalid> {
        self.verify(self.finalize(), context, verifier)
    }
}

impl Canonical for Vote {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.epoch).value(&self.view).digest(&self.block).value(&self.signer).signature(&self.signature);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Vote {
            epoch: reader.value()?,
            view: reader.value()?,
            block: reader.digest()?,
            signer: reader.value()?,
            signature: reader.signature()?,
        })
    }
}

/// "I give up on this view", with the signer's highest quorum certificate.
///
/// ```text
/// epoch      8
/// view       8
/// high view  8
/// signer     2
/// signature 64
/// high QC    1 / 1 + length   of the high view; 0 exactly when that is 0, the anchor
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeout {
    /// The epoch.
    pub epoch: Epoch,
    /// The view given up.
    pub view: View,
    /// The view of the signer's highest quorum certificate; below `view`.
    pub high_view: View,
    /// Who gives up.
    pub signer: ValidatorIndex,
    /// Over [`Statement::Timeout`].
    pub signature: Signature,
    /// The certificate of `high_view`; `None` for the anchor at view 0.
    pub high_qc: Option<QuorumCertificate>,
}

impl Timeout {
    /// What its signer signed.
    #[must_use]
    pub fn statement(&self) -> Statement {
        Statement::Timeout { view: self.view, high_view: self.high_view }
    }
}

impl Verify for Timeout {
    type Context = SigningContext;
    type Error = Invalid;

    fn verify(&self, context: &SigningContext, verifier: &dyn Verifier) -> Result<(), Invalid> {
        check_epoch(self.epoch, context)?;
        check_high(self.view, self.high_view, self.high_qc.as_ref())?;
        check_signature(context, verifier, self.signer, &self.statement().preimage(context), &self.signature)?;
        self.high_qc.as_ref().map_or(Ok(()), |qc| qc.verify(context, verifier))
    }
}

impl Canonical for Timeout {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.epoch).value(&self.view).value(&self.high_view).value(&self.signer);
        writer.signature(&self.signature).option(self.high_qc.as_ref());
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Timeout {
            epoch: reader.value()?,
            view: reader.value()?,
            high_view: reader.value()?,
            signer: reader.value()?,
            signature: reader.signature()?,
            high_qc: reader.option()?,
        })
    }
}

/// Whatever validators send each other in consensus.
///
/// ```text
/// tag   1   1 proposal, 2 notarize, 3 finalize, 4 timeout, 5 certificate
/// body
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The leader's block.
    Proposal(Arc<Proposal>),
    /// "Valid, and I hold all of it durably."
    Notarize(Vote),
    /// "I hold the quorum certificate, and had not given up on the view."
    Finalize(Vote),
    /// "I give up on the view."
    Timeout(Timeout),
    /// What opened a view, or the highest one of its kind.
    Certificate(Certificate),
}

impl Message {
    /// The epoch it was made in. Of an ended one, it is answered with that epoch's last certificate.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match self {
            Message::Proposal(proposal) => proposal.epoch,
            Message::Notarize(vote) | Message::Finalize(vote) => vote.epoch,
            Message::Timeout(timeout) => timeout.epoch,
            Message::Certificate(Certificate::Quorum(certificate)) => certificate.epoch,
            Message::Certificate(Certificate::Timeout(certificate)) => certificate.epoch,
        }
    }

    /// Is it an FC? Of an ended epoch that is what its messages are answered with, so it is not answered itself.
    #[must_use]
    pub fn certifies_finality(&self) -> bool {
        match self {
            Message::Certificate(Certificate::Quorum(certificate)) => certificate.kind == QuorumKind::Finalized,
            Message::Certificate(Certificate::Timeout(_))
            | Message::Proposal(_)
            | Message::Notarize(_)
            | Message::Finalize(_)
            | Message::Timeout(_) => false,
        }
    }
}

impl Verify for Message {
    type Context = SigningContext;
    type Error = Invalid;

    fn verify(&self, context: &SigningContext, verifier: &dyn Verifier) -> Result<(), Invalid> {
        match self {
            Message::Proposal(proposal) => proposal.verify(context, verifier),
            Message::Notarize(vote) => vote.verify_notarize(context, verifier),
            Message::Finalize(vote) => vote.verify_finalize(context, verifier),
            Message::Timeout(timeout) => timeout.verify(context, verifier),
            Message::Certificate(certificate) => certificate.verify(context, verifier),
        }
    }
}

impl Canonical for Message {
    fn encode_to(&self, writer: &mut Writer) {
        match self {
            Message::Proposal(proposal) => writer.u8(1).value(proposal.as_ref()),
            Message::Notarize(vote) => writer.u8(2).value(vote),
            Message::Finalize(vote) => writer.u8(3).value(vote),
            Message::Timeout(timeout) => writer.u8(4).value(timeout),
            Message::Certificate(certificate) => writer.u8(5).value(certificate),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match reader.u8()? {
            1 => reader.value().map(|proposal| Message::Proposal(Arc::new(proposal))),
            2 => reader.value().map(Message::Notarize),
            3 => reader.value().map(Message::Finalize),
            4 => reader.value().map(Message::Timeout),
            5 => reader.value().map(Message::Certificate),
            _ => Err(CodecError::Invalid("consensus message")),
        }
    }
}

//! The boundary between two epochs: the last header of one, final, and the validators of the next, whom it names.
//!
//! ```text
//! boundary   header | FC | count 4 | validator ...
//!
//! genesis' validators ── sign ──▶ boundary: it names the digest of the next set
//!                                    └─▶ that set, in full ── signs ──▶ the next boundary ... ──▶ any later certificate
//! ```
//! Whoever trusts genesis' validators comes by boundaries to the validators of any epoch. One that changes nothing may
//! be left out: a certificate of a later epoch bears the digest of the set that made it, and honest validators sign
//! under no other set than their epoch's.
//!
//! Must not know: what is proven or fetched by it, where it is kept.

use tonle_crypto::{Canonical, CodecError, Digest, Reader, Verifier, Verify, Writer};

use crate::{
    Epoch, Header, Height, Invalid, QuorumCertificate, QuorumKind, SigningContext, VALIDATORS_MAX, Validator,
    ValidatorSet, ValidatorSetError,
};

/// The end of an epoch, and who serves from the next on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// The epoch's last header, which names the digest of the next set.
    pub header: Header,
    /// Its finality certificate, by the epoch's own validators.
    pub certificate: QuorumCertificate,
    /// The next epoch's validators in the order of their indexes.
    pub validators: Vec<Validator>,
}

/// What is wrong with a boundary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoundaryInvalid {
    /// It ends an epoch before the one whose validators are known.
    #[error("it ends epoch {found}, but the validators known are those of epoch {known}")]
    Order {
        /// The first epoch that it may end.
        known: Epoch,
        /// The epoch that it ends.
        found: Epoch,
    },
    /// The certificate notarizes only.
    #[error("the certificate does not finalize: it holds Notarize votes")]
    NotFinal,
    /// The certificate is of another block.
    #[error("the certificate is of block {found}, the header is {expected}")]
    OtherBlock {
        /// The header's digest.
        expected: Digest,
        /// The certificate's.
        found: Digest,
    },
    /// The header is not the last of its epoch.
    #[error("the header has height {found}, the epoch's last is {expected}")]
    Height {
        /// The epoch's last height.
        expected: Height,
        /// The header's.
        found: Height,
    },
    /// A signature or its count fails.
    #[error("the finality certificate: {0}")]
    Certificate(#[from] Invalid),
    /// The validators named are no set.
    #[error("the next validators: {0}")]
    Validators(#[from] ValidatorSetError),
    /// The header commits to other validators.
    #[error("the header does not commit to the validators that follow")]
    NextSet,
}

impl Boundary {
    /// The set that it begins, when `set` is trusted from its own epoch on, up to the boundary's. `chain` is the
    /// genesis digest; an epoch has `epoch_length` heights.
    ///
    /// # Errors
    /// [`BoundaryInvalid`]: what does not hold first.
    pub fn verify(
        &self,
        chain: Digest,
        epoch_length: u64,
        set: &ValidatorSet,
        verifier: &dyn Verifier,
    ) -> Result<ValidatorSet, BoundaryInvalid> {
        let Boundary { header, certificate, validators } = self;
        let ends = certificate.epoch;
        let out_of_order = BoundaryInvalid::Order { known: set.epoch(), found: ends };
        let begins = ends.next().filter(|_| ends >= set.epoch()).ok_or(out_of_order)?;
        if certificate.kind != QuorumKind::Finalized {
            return Err(BoundaryInvalid::NotFinal);
        }
        let digest = header.digest();
        if certificate.block != digest {
            return Err(BoundaryInvalid::OtherBlock { expected: digest, found: certificate.block });
        }
        let expected = Height::new(begins.get().saturating_mul(epoch_length));
        if header.height() != expected {
            return Err(BoundaryInvalid::Height { expected, found: header.height() });
        }
        certificate.verify(&SigningContext { genesis: chain, set: set.in_epoch(ends) }, verifier)?;
        let next = ValidatorSet::new(begins, validators.clone())?;
        if header.next_set() != Some(next.digest()) {
            return Err(BoundaryInvalid::NextSet);
        }
        Ok(next)
    }
}

impl Canonical for Boundary {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.header).value(&self.certificate).list(&self.validators);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (header, certificate) = (reader.value()?, reader.value()?);
        Ok(Boundary { header, certificate, validators: reader.list("validators", VALIDATORS_MAX)? })
    }
}

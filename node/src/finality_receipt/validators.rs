//! Whose signatures count in an epoch: genesis names the first validators, and each boundary the next ones.
//!
//! ```text
//! genesis' validators ── sign ──▶ boundary: last header of an epoch, final; it names the digest of the next set
//!                                    └─▶ that set, in full ── signs ──▶ the next boundary ... ──▶ the certificate
//! ```
//! There is a boundary for each change and for nothing else, so that a proof has one form.
//!
//! Must not know: what the certificate at the end is about.

use tonle_consensus::{Epoch, Invalid, QuorumKind, SigningContext, Validator, ValidatorSet, ValidatorSetError};
use tonle_crypto::{Digest, Strict, Verify};
use tonle_ledger::Genesis;

use super::{Boundary, VerifyError};
use crate::members;

/// What is wrong with a boundary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoundaryInvalid {
    /// It is not of a later epoch than the boundary before it.
    #[error("it ends epoch {found}, but the one before it begins epoch {expected}")]
    Order {
        /// The first epoch that it may end.
        expected: u64,
        /// The epoch that it ends.
        found: u64,
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
        expected: u64,
        /// The header's.
        found: u64,
    },
    /// A signature or its count fails.
    #[error("the finality certificate: {0}")]
    Certificate(Invalid),
    /// The validators named are no set.
    #[error("the next validators: {0}")]
    Validators(#[from] ValidatorSetError),
    /// The header commits to other validators.
    #[error("the header does not commit to the validators that follow")]
    NextSet,
    /// The validators are the ones before.
    #[error("the validators do not change")]
    Unchanged,
}

/// The validators of `epoch` when no boundary changed them since genesis.
///
/// # Errors
/// [`ValidatorSetError`] when the genesis lists no usable set.
pub fn validators(genesis: &Genesis, epoch: Epoch) -> Result<ValidatorSet, ValidatorSetError> {
    ValidatorSet::new(epoch, members::validators(&genesis.validators))
}

/// Walks the boundaries from genesis, and gives the validators of `epoch`.
///
/// # Errors
/// [`VerifyError`]: the first boundary that proves no change, or an epoch before the last of them.
pub(super) fn trusted(genesis: &Genesis, boundaries: &[Boundary], epoch: Epoch) -> Result<ValidatorSet, VerifyError> {
    let chain = genesis.digest();
    let mut set = validators(genesis, Epoch::ZERO)?;
    for (number, boundary) in boundaries.iter().enumerate() {
        set = next(chain, genesis.epoch_length, &set, boundary)
            .map_err(|reason| VerifyError::Boundary { number, reason })?;
    }
    if epoch < set.epoch() {
        return Err(VerifyError::BeforeBoundary { certificate: epoch.get(), begins: set.epoch().get() });
    }
    Ok(in_epoch(&set, epoch)?)
}

/// The set that `boundary` begins, checked by `set`, which serves from its epoch on.
fn next(
    chain: Digest,
    epoch_length: u64,
    set: &ValidatorSet,
    boundary: &Boundary,
) -> Result<ValidatorSet, BoundaryInvalid> {
    let Boundary { header, certificate, validators } = boundary;
    let ends = certificate.epoch;
    let out_of_order = BoundaryInvalid::Order { expected: set.epoch().get(), found: ends.get() };
    let begins = ends.next().filter(|_| ends >= set.epoch()).ok_or(out_of_order)?;
    if certificate.kind != QuorumKind::Finalized {
        return Err(BoundaryInvalid::NotFinal);
    }
    let digest = header.digest();
    if certificate.block != digest {
        return Err(BoundaryInvalid::OtherBlock { expected: digest, found: certificate.block });
    }
    let (expected, found) = (begins.get().saturating_mul(epoch_length), header.height().get());
    if found != expected {
        return Err(BoundaryInvalid::Height { expected, found });
    }
    let context = SigningContext { genesis: chain, set: in_epoch(set, ends)? };
    certificate.verify(&context, &Strict).map_err(BoundaryInvalid::Certificate)?;
    let next = ValidatorSet::new(begins, validators.clone())?;
    if header.next_set() != Some(next.digest()) {
        return Err(BoundaryInvalid::NextSet);
    }
    if next.digest() == set.digest() {
        return Err(BoundaryInvalid::Unchanged);
    }
    Ok(next)
}

/// The same validators in another epoch.
fn in_epoch(set: &ValidatorSet, epoch: Epoch) -> Result<ValidatorSet, ValidatorSetError> {
    let validators: Vec<Validator> = set.iter().map(|(_, validator)| validator.clone()).collect();
    ValidatorSet::new(epoch, validators)
}
